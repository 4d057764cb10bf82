"""Batches by API: many lines in one request, each answered, all kept or none."""

from __future__ import annotations

import zlib
from typing import IO, Any, cast

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from members.api import shapes
from members.api.shapes import described
from members.api.views import GroupView
from members.intake.inbox import BatchRefused, batch_take
from tenants.api import ANY_TOKEN, PROBLEM, problem_body
from tenants.models import ApiToken, TokenAction
from tenants.tokens import NEEDED

_WRITING = (
    TokenAction.WRITE_EVENTS,
    TokenAction.WRITE_ORDERS,
    TokenAction.WRITE_MEMBERS,
    TokenAction.WRITE_TAGS,
    TokenAction.WRITE_CONSENTS,
)


class Refusal(APIException):
    """Refuse a batch as a whole."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status_code = status


class LinesParser(BaseParser):
    """Read lines of JSON, packed by gzip where the request says so, up to the limits."""

    media_type = "application/x-ndjson"

    def parse(  # type: ignore[override]
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None
    ) -> bytes:
        """Return the body unpacked; raises Refusal where it is too large, or no gzip."""
        most = settings.INTAKE_BYTES
        encoding = parser_context["request"].headers.get("Content-Encoding", "").strip().lower()
        body = stream.read(most + 1)
        if encoding == "gzip":
            body = _unpacked(body, most)
        elif encoding not in ("", "identity"):
            raise Refusal(415, _("The body is packed in a way that is not taken: use gzip."))
        if len(body) > most:
            raise Refusal(
                413,
                _("A batch has at most %(most)d bytes, unpacked. Nothing was taken.")
                % {"most": most},
            )
        return body


def _unpacked(body: bytes, most: int) -> bytes:
    """Unpack gzip, never more than MOST bytes and one."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        found = unpacking.decompress(body, most + 1)
    except zlib.error as error:
        raise Refusal(400, _("The body is not gzip that can be read.")) from error
    if len(found) <= most and not unpacking.eof:
        raise Refusal(400, _("The body is not gzip that can be read."))
    return found


class BatchView(GroupView):
    """Take batches."""

    # Each line says which action it needs.
    actions = {"POST": ANY_TOKEN}
    parser_classes = [LinesParser]

    @described(
        "Hand in lines: events, members, orders, consents, tags, touchpoints",
        shapes.BATCH_ANSWER,
        status=202,
        body={"application/x-ndjson": {"type": "string"}},
        refusals=(400, 409, 413, 415, 422),
        headers=(
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                required=True,
                description="A name of your own for this batch; kept for seven days.",
            ),
        ),
    )
    def post(self, request: Request) -> Response:
        """Answer each line at once; what is accepted is durable, and applied within moments.

        202 where anything was taken, 422 where nothing was. The same key with the same lines is
        answered as the first time, with the header Idempotency-Replayed.
        """
        token = cast(ApiToken, request.auth)
        may = {
            str(action)
            for action in _WRITING
            if action in token.actions and request.user.has_perm(NEEDED[action])
        }
        if not may:
            raise PermissionDenied(
                _("The token may hand nothing in: it was made for none of the actions that write.")
            )
        data: Any = request.data
        try:
            taken = batch_take(
                visible=self.visible,
                actions=may,
                acting_user=self.group_request.user,
                grant_id=token.keeps_under,
                key=request.headers.get("Idempotency-Key", "").strip(),
                body=data if isinstance(data, bytes) else b"",
            )
        except BatchRefused as refusal:
            raise Refusal(refusal.status, str(refusal)) from refusal
        address = reverse("api:job_batch", args=[taken.body["batch"]], request=request)
        body = {**taken.body, "url": address}
        headers = {"Idempotency-Replayed": "true"} if taken.is_replayed else {}
        if taken.status == 202:
            return Response(body, status=202, headers=headers)
        detail = _("None of the lines was taken. “results” says why.")
        return Response(
            problem_body(422, detail, **body), status=422, content_type=PROBLEM, headers=headers
        )
