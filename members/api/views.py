"""Members, their orders and consents; notices; what the token sees: read through the wall."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.db.models import Prefetch, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from brands import words
from brands.formatting import currency
from brands.models import Brand, Notice
from brands.selectors import notice_terms
from brands.wall.request import GroupRequest
from brands.wall.visibility import Kind, Visible
from members import reveal, selectors
from members.api import shapes
from members.api.cursors import cursor_of, number_in
from members.api.serializers import MemberQuery, PageQuery, StrictSerializer
from members.api.shapes import described
from members.models import MaskedContact, Order, OrderLine, Profile
from tenants.api import ANY_TOKEN
from tenants.models import ApiToken, TokenAction, User

Row = TypeVar("Row", bound=Any)
Body = dict[str, Any]


class GroupView(APIView):
    """Be a view at a group's host, inside the scope of the token's grant."""

    actions: dict[str, str] = {}

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view; it asks for a token in its own words, so no login page is in front."""
        view: Any = super().as_view(**initkwargs)
        view.login_required = False
        return view

    @property
    def group_request(self) -> GroupRequest:
        """Return the request as the middlewares left it."""
        return cast(GroupRequest, self.request._request)

    @property
    def visible(self) -> Visible:
        """Return what the token sees."""
        return self.group_request.visible

    def own(self, brand_id: int) -> bool:
        """Tell whether a brand is the token's own, or its store's."""
        viewer = self.visible.viewer
        return brand_id in viewer.brands | viewer.store_brands

    def profile(self, profile_id: int) -> Profile:
        """Return a member that the wall shows; 404 where it does not."""
        rows = Profile.objects.select_related("brand", "store")
        return get_object_or_404(rows, pk=profile_id)

    def asked(self, query: type[StrictSerializer]) -> Body:
        """Return the cleaned parameters of the address; raises ValidationError."""
        parameters = query(data=self.request.query_params.dict())
        parameters.is_valid(raise_exception=True)
        return parameters.validated_data

    def page(self, rows: QuerySet[Row], asked: Body) -> tuple[list[Row], str | None]:
        """Return a page of rows, the newest first, and the address of the next one."""
        place = f"{self.group_request.tenant.schema_name}:{rows.model._meta.label}"
        if "after" in asked:
            try:
                rows = rows.filter(pk__lt=number_in(asked["after"], place))
            except ValueError as error:
                words = _("This is no cursor of this list. Take it from “next”, as it is.")
                raise ValidationError({"after": [words]}) from error
        return self._page(rows.order_by("-pk"), asked, lambda pk: cursor_of(pk, place))

    def page_by_moment(self, rows: QuerySet[Row], asked: Body) -> tuple[list[Row], str | None]:
        """Return what `page` does, of rows whose numbers say nothing of their age."""
        if "after" in asked:
            last = get_object_or_404(rows, pk=asked["after"])
            rows = rows.filter(
                Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, pk__lt=last.pk)
            )
        return self._page(rows.order_by("-created_at", "-pk"), asked, str)

    def _page(
        self, rows: QuerySet[Row], asked: Body, cursor: Callable[[Any], str]
    ) -> tuple[list[Row], str | None]:
        taken = list(rows[: asked["limit"] + 1])
        if len(taken) <= asked["limit"]:
            return taken, None
        taken = taken[: asked["limit"]]
        parameters = self.request.query_params.copy()
        parameters["after"] = cursor(taken[-1].pk)
        address = f"{self.request.path}?{parameters.urlencode()}"
        return taken, self.request.build_absolute_uri(address)


def _cell(visible: Visible, brand_id: int, kind: Kind) -> Body:
    cell = visible.cell(brand_id, kind)
    return {
        "sight": str(cell.sight),
        "reason": str(cell.reason),
        "words": str(words.REASONS[cell.reason]),
    }


def moment(at: Any) -> str | None:
    """Return an instant or a day as the API writes it."""
    return at.isoformat() if at else None


def member_body(profile: Profile, masked: MaskedContact | None) -> Body:
    """Return a member as the API writes them; money in minor units of the group's currency."""
    return {
        "id": profile.pk,
        "brand": profile.brand.code,
        "store": profile.store.code if profile.store else None,
        "member_no": profile.member_no,
        "is_member": profile.is_member,
        "is_restricted": profile.is_restricted,
        "gender": profile.gender or None,
        "registered_on": moment(profile.registered_on),
        "orders": profile.orders,
        "sales": profile.sales,
        "first_order_at": moment(profile.first_order_at),
        "last_order_at": moment(profile.last_order_at),
        "as_of": moment(profile.as_of),
        "masked": (
            {"name": masked.name, "phone": masked.phone, "email": masked.email} if masked else None
        ),
    }


def order_body(order: Any) -> Body:
    """Return an order as the API writes it, its lines in `shown`."""
    return {
        "order_no": order.order_no,
        "brand": order.brand.code,
        "member": order.profile_id,
        "store": order.store.code if order.store else None,
        "ordered_at": order.ordered_at.isoformat(),
        "amount": order.amount,
        "refunded": order.refunded,
        "lines": [
            {
                "line_no": line.line_no,
                "product_code": line.product_code,
                "product_name": line.product_name,
                "quantity": line.quantity,
                "amount": line.amount,
            }
            for line in order.shown
        ],
    }


class RootView(GroupView):
    """Say what the token may do, and at which addresses."""

    actions = {"GET": ANY_TOKEN}

    @described("Say what the token is, and where what it may be used for is", shapes.ROOT)
    def get(self, request: Request) -> Response:
        """Return the token's grant, actions and end, and the addresses there are."""
        token = cast(ApiToken, request.auth)
        brands = Brand.objects.filter(pk__in=token.brand_ids).order_by("code")
        places = (
            "members",
            "orders",
            "events",
            "touchpoints",
            "tags",
            "segments",
            "consents",
            "batch",
            "batches",
            "imports",
            "exports",
            "notices",
            "visibility",
            "schema",
            "docs",
        )
        return Response(
            {
                "group": self.group_request.tenant.schema_name,
                "currency": currency(),
                "token": {
                    "name": token.name,
                    "role": token.grant.role,
                    "place": token.grant.place_name or None,
                    "brands": list(brands.values_list("code", flat=True)) if token.brands else None,
                    "actions": token.actions,
                    "expires_at": token.expires_at.isoformat(),
                    "last_used_at": moment(token.last_used_at),
                },
                "links": {
                    name: request.build_absolute_uri(reverse(f"api:{name}")) for name in places
                },
            }
        )


class MembersView(GroupView):
    """List members."""

    actions = {"GET": TokenAction.READ_MEMBERS}

    @described(
        "List members, the newest first",
        shapes.page("members", shapes.MEMBER),
        query=MemberQuery,
        needs=TokenAction.READ_MEMBERS,
    )
    def get(self, request: Request) -> Response:
        """Return a page of the members that the wall shows, the newest first."""
        asked = self.asked(MemberQuery)
        rows = Profile.objects.select_related("brand", "store")
        if "brand" in asked:
            rows = rows.filter(brand__code=asked["brand"])
        if "store" in asked:
            rows = rows.filter(store__code=asked["store"])
        if "member_no" in asked:
            rows = rows.filter(member_no=asked["member_no"])
        if "since" in asked:
            rows = rows.filter(registered_on__gte=asked["since"])
        taken, following = self.page(rows, asked)
        masked = selectors.masked_contacts([row.pk for row in taken])
        return Response(
            {
                "members": [member_body(row, masked.get(row.pk)) for row in taken],
                "next": following,
            }
        )


class MemberView(GroupView):
    """Show one member."""

    actions = {"GET": TokenAction.READ_MEMBERS}

    @described(
        "Show a member as far as the token sees them, and why no further",
        shapes.MEMBER_WHOLE,
        refusals=(404,),
        needs=TokenAction.READ_MEMBERS,
    )
    def get(self, request: Request, profile_id: int) -> Response:
        """Return a member with as much contact data as the wall shows, and why."""
        profile = self.profile(profile_id)
        contact = selectors.contact_fields(profile)
        if contact is not None:
            reveal.program_read(profile_ids=[profile.pk], acting_user=cast(User, request.user))
            contact["is_generated"] = bool(contact.get("is_generated"))  # type: ignore[assignment]
        masked = selectors.masked_contacts([profile.pk]).get(profile.pk)
        kinds = (Kind.PROFILE, Kind.CONTACT, Kind.MASKED, Kind.ACTIVITY)
        return Response(
            {
                **member_body(profile, masked),
                "contact": contact,
                "why": {str(kind): _cell(self.visible, profile.brand_id, kind) for kind in kinds},
            }
        )


class MemberOrdersView(GroupView):
    """List a member's orders."""

    actions = {"GET": TokenAction.READ_ORDERS}

    @described(
        "List a member's orders, the newest first",
        shapes.page("orders", shapes.ORDER, why=shapes.WHY),
        query=PageQuery,
        refusals=(404,),
        needs=TokenAction.READ_ORDERS,
    )
    def get(self, request: Request, profile_id: int) -> Response:
        """Return a page of a member's orders with their lines, the newest first, and why."""
        profile = self.profile(profile_id)
        lines = Prefetch("line_set", OrderLine.objects.order_by("line_no"), to_attr="shown")
        rows = Order.objects.filter(profile_id=profile.pk).select_related("brand", "store")
        taken, following = self.page(rows.prefetch_related(lines), self.asked(PageQuery))
        return Response(
            {
                "orders": [order_body(row) for row in taken],
                "next": following,
                "why": _cell(self.visible, profile.brand_id, Kind.ACTIVITY),
            }
        )


class VisibilityView(GroupView):
    """Say who sees what: the wall's table as it is for the token, now."""

    actions = {"GET": TokenAction.READ_RULES}

    @described("Say who sees what", shapes.VISIBILITY, needs=TokenAction.READ_RULES)
    def get(self, request: Request) -> Response:
        """Return for each brand its mode, and how much of each kind the token sees and why."""
        visible = self.visible
        return Response(
            {
                "brands": [
                    {
                        "brand": brand.code,
                        "mode": str(visible.modes[brand.pk]),
                        "kinds": {str(kind): _cell(visible, brand.pk, kind) for kind in Kind},
                    }
                    for brand in Brand.objects.order_by("code")
                    if brand.pk in visible.modes
                ]
            }
        )


class NoticesView(GroupView):
    """List notices."""

    actions = {"GET": TokenAction.READ_RULES}

    @described(
        "List the notices in force",
        shapes.obj(notices=shapes.array(shapes.NOTICE)),
        needs=TokenAction.READ_RULES,
    )
    def get(self, request: Request) -> Response:
        """Return the notices in force, the newest first: what a yes to each of them opens."""
        in_force = {terms.id for terms in notice_terms()}
        rows = Notice.objects.filter(pk__in=in_force).prefetch_related("recipients", "texts")
        return Response({"notices": [self._body(row) for row in rows.order_by("-effective_from")]})

    @staticmethod
    def _body(notice: Notice) -> Body:
        covered = (
            (Kind.PROFILE, notice.covers_profile),
            (Kind.CONTACT, notice.covers_contact),
            (Kind.ACTIVITY, notice.covers_activity),
        )
        return {
            "version": notice.version,
            "purposes": notice.purposes,
            "names_group": notice.names_group,
            "recipients": sorted(brand.code for brand in notice.recipients.all()),
            "kinds": [str(kind) for kind, is_covered in covered if is_covered],
            "covers_automation": notice.covers_automation,
            "retention_months": notice.retention_months,
            "consent_months": notice.consent_months,
            "effective_from": moment(notice.effective_from),
            "ends_at": moment(notice.ends_at),
            "texts": {
                text.language: {"title": text.title, "text": text.text}
                for text in notice.texts.all()
            },
        }
