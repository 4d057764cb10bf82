"""How the API describes itself: the shapes of what it takes and answers, as OpenAPI writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.text import slugify
from django.utils.translation import gettext_noop as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, extend_schema

from tenants.api import PROBLEM

Shape = dict[str, Any]

INT: Shape = {"type": "integer"}
BOOL: Shape = {"type": "boolean"}
STR: Shape = {"type": "string"}
DAY: Shape = {"type": "string", "format": "date"}
MOMENT: Shape = {"type": "string", "format": "date-time"}
UUID: Shape = {"type": "string", "format": "uuid"}
URL: Shape = {"type": "string", "format": "uri"}


def maybe(shape: Shape) -> Shape:
    """Return a shape that may be null."""
    return {**shape, "nullable": True}


def obj(**fields: Shape) -> Shape:
    """Return an object with all of these fields."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def some(**fields: Shape) -> Shape:
    """Return an object with some of these fields."""
    return {"type": "object", "properties": fields}


def array(of: Shape) -> Shape:
    """Return a list."""
    return {"type": "array", "items": of}


def by_name(of: Shape) -> Shape:
    """Return an object whose fields have names of the group's own."""
    return {"type": "object", "additionalProperties": of}


def page(name: str, of: Shape, **more: Shape) -> Shape:
    """Return a page of rows: "next" is the address of the next one, or null."""
    return obj(**{name: array(of)}, next=maybe(URL), **more)


PROBLEM_SHAPE = {
    "type": "object",
    "description": "What happened and what to do, in words (RFC 9457).",
    "properties": {
        "type": STR,
        "title": STR,
        "status": INT,
        "detail": STR,
        "errors": {"type": "object", "description": "Field → what is wrong with it."},
    },
    "required": ["type", "title", "status"],
}
_REFUSALS = {
    400: _("A parameter or the body cannot be read; nothing was written."),
    401: _("No token, or none that holds at this host now."),
    403: _("The token lacks the action, or its role the right."),
    404: _("Nothing here that this token may see."),
    405: _("The address does not take this method."),
    406: _("No answer of the sort that was asked for."),
    409: _("The idempotency key was used before, for other lines."),
    413: _("More lines or bytes than a batch may have."),
    415: _("The body is not of the sort that the address takes."),
    422: _("None of the lines was taken."),
    429: _("Too many requests by one token; Retry-After says when to go on."),
}
_ALWAYS = (401, 403, 405, 406, 429)


def described(
    summary: str,
    answer: Shape,
    *,
    status: int = 200,
    query: Any = None,
    body: Any = None,
    refusals: tuple[int, ...] = (),
    headers: tuple[OpenApiParameter, ...] = (),
    needs: str = "",
) -> Callable[[Any], Any]:
    """Describe a view's method: what it takes, what it answers, how it refuses."""
    responses: dict[Any, Any] = {(status, "application/json"): answer}
    refused = {*_ALWAYS, *refusals, *((400,) if query else ())}
    for code in sorted(refused):
        responses[code, PROBLEM] = {**PROBLEM_SHAPE, "description": _REFUSALS[code]}
    return extend_schema(
        operation_id=slugify(summary).replace("-", "_"),
        summary=summary,
        description=f"Needs the action `{needs}`." if needs else "Any token may ask.",
        extensions={"x-action": needs} if needs else None,
        parameters=[*([query] if query else []), *headers],
        request=body,
        responses=responses,
    )


class TokenScheme(OpenApiAuthenticationExtension):
    """Describe tokens."""

    target_class = "tenants.api.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme: a bearer token."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "slc_…"}


WHY = obj(sight=STR, reason=STR, words=STR)
MASKED = maybe(obj(name=STR, phone=STR, email=STR))
MEMBER = obj(
    id=INT,
    brand=STR,
    store=maybe(STR),
    member_no=STR,
    is_member=BOOL,
    is_restricted=BOOL,
    gender=maybe(STR),
    registered_on=maybe(DAY),
    orders=INT,
    sales=INT,
    first_order_at=maybe(MOMENT),
    last_order_at=maybe(MOMENT),
    as_of=maybe(MOMENT),
    masked=MASKED,
)
MEMBER_WHOLE = obj(
    **MEMBER["properties"],
    contact=maybe({"type": "object", "additionalProperties": True}),
    why=by_name(WHY),
)
ORDER_LINE = obj(line_no=INT, product_code=STR, product_name=STR, quantity=INT, amount=INT)
ORDER = obj(
    order_no=STR,
    brand=STR,
    member=maybe(INT),
    store=maybe(STR),
    ordered_at=MOMENT,
    amount=INT,
    refunded=INT,
    lines=array(ORDER_LINE),
)
CONSENT = obj(
    notice=maybe(STR),
    answer=STR,
    answered_at=MOMENT,
    expires_at=maybe(MOMENT),
    to_group=BOOL,
    is_by_guardian=BOOL,
    channel=maybe(STR),
    evidence=maybe(STR),
)
ACCOUNT = obj(kind=STR, external_id=STR, name=STR)
EVENT = obj(
    brand=STR,
    member=INT,
    event=STR,
    source=STR,
    event_id=STR,
    at=MOMENT,
    received_at=MOMENT,
    account=maybe(ACCOUNT),
    subject=STR,
    scene=STR,
    order_no=STR,
    amount=maybe(INT),
)
TOUCHPOINT = obj(
    brand=STR,
    member=INT,
    account=ACCOUNT,
    state=STR,
    followed_at=maybe(MOMENT),
    unfollowed_at=maybe(MOMENT),
    scene=STR,
    source=STR,
)
GROUP_TAG = obj(name=STR, kind=STR)
TAG = obj(id=INT, brand=STR, name=STR, kind=STR, means=maybe(STR))
CARRIED = obj(tag=STR, tag_id=INT, means=maybe(STR), set_at=MOMENT, source=STR)
SEGMENT = obj(
    id=STR,
    name=STR,
    owner=STR,
    words=STR,
    rules=some(brand=STR, store=STR, since=DAY, has_orders=BOOL, stratum=INT),
    is_open=BOOL,
    count=maybe(INT),
)
LINE_RESULT = {
    "type": "object",
    "properties": {"line": INT, "state": STR, "field": STR, "detail": STR},
    "required": ["line", "state"],
}
BATCH_ANSWER = obj(
    batch=UUID,
    url=URL,
    lines=INT,
    accepted=INT,
    duplicate=INT,
    refused=INT,
    results=array(LINE_RESULT),
)
BATCH = obj(
    id=UUID,
    state=STR,
    progress={"type": "number"},
    lines=INT,
    accepted=INT,
    applied=INT,
    duplicate=INT,
    refused=INT,
    failed=INT,
    created_at=MOMENT,
    applied_at=maybe(MOMENT),
)
BATCH_WHOLE = obj(**BATCH["properties"], results=array(LINE_RESULT))
IMPORT = obj(
    id=INT,
    brand=STR,
    kind=STR,
    file=STR,
    state=STR,
    progress={"type": "number"},
    read=INT,
    created=INT,
    changed=INT,
    unchanged=INT,
    repeated=INT,
    rejected=INT,
    error=STR,
    created_at=MOMENT,
    finished_at=maybe(MOMENT),
)
EXPORT = obj(
    id=UUID,
    state=STR,
    progress={"type": "number"},
    rows=INT,
    error=STR,
    created_at=MOMENT,
    finished_at=maybe(MOMENT),
    kept_until=maybe(MOMENT),
)
ANSWERS = obj(
    taken=INT,
    refused=INT,
    answers=array(
        {
            "type": "object",
            "properties": {
                "line": INT,
                "state": STR,
                "entry": INT,
                "url": URL,
                "detail": STR,
                "errors": {},
            },
            "required": ["line", "state"],
        }
    ),
)
ENTRY = obj(
    entry=INT,
    answer=STR,
    notice=maybe(STR),
    answered_at=MOMENT,
    state=STR,
    outcome=STR,
    recorded_at=maybe(MOMENT),
)
NOTICE = obj(
    version=STR,
    purposes=STR,
    names_group=BOOL,
    recipients=array(STR),
    kinds=array(STR),
    covers_automation=BOOL,
    retention_months=INT,
    consent_months=maybe(INT),
    effective_from=maybe(MOMENT),
    ends_at=maybe(MOMENT),
    texts=by_name(obj(title=STR, text=STR)),
)
ROOT = obj(
    group=STR,
    currency=STR,
    token=obj(
        name=STR,
        role=STR,
        place=maybe(STR),
        brands=maybe(array(STR)),
        actions=array(STR),
        expires_at=MOMENT,
        last_used_at=maybe(MOMENT),
    ),
    links=by_name(URL),
)
VISIBILITY = obj(brands=array(obj(brand=STR, mode=STR, kinds=by_name(WHY))))
