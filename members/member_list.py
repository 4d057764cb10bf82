"""The member list: its filters, its sorts, and pages by key instead of by number."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from brands.models import Brand, ChannelAccount, Store
from brands.wall.visibility import Kind, Visible
from members.identity.keyed import Keyed
from members.keys import group_keys
from members.member_counts import Counted, count_members
from members.models import Contact, PlatformKey, Profile, Stratum, Tag
from members.segments import Filter

PAGE_ROWS = 50
# Above so many brands one sorted read is as good as one of each.
MOST_BRANDS = 40
# Found by one phone, card or identifier of a platform: more than this is no search any more.
FOUND_AT_MOST = 200


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# Sort → the columns it goes by, each the end of an index that begins with the brand.
_KEYS = {"newest": ("pk",), "sales": ("sales", "pk"), "last": ("last_order_at", "pk")}


class MemberFilter(forms.Form):
    """Ask which members to list and in what order; its state is the page's address."""

    class Sort:
        """The orders that an index serves."""

        NEWEST = "newest"
        SALES = "sales"
        LAST = "last"

    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    brand = forms.ModelChoiceField(
        label=_("Brand"),
        queryset=Brand.objects.none(),
        to_field_name="code",
        required=False,
        empty_label=_("All brands"),
    )
    store = forms.ModelChoiceField(
        label=_("Store"),
        queryset=Store.objects.none(),
        required=False,
        empty_label=_("All stores"),
    )
    since = forms.DateField(
        label=_("Member since"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    ordered = forms.ChoiceField(
        label=_("Orders"),
        required=False,
        choices=[("", _("With or without")), ("yes", _("With orders")), ("no", _("Without"))],
    )
    stratum = forms.TypedChoiceField(
        label=_("Stratum"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", _("All strata")), *Stratum.choices[1:]],
    )
    tier = forms.CharField(label=_("Tier"), required=False, max_length=40)
    sales_from = forms.DecimalField(
        label=_("Sales from"), required=False, max_digits=14, decimal_places=2
    )
    sales_to = forms.DecimalField(
        label=_("Sales up to"), required=False, max_digits=14, decimal_places=2
    )
    last_from = forms.DateField(
        label=_("Last order from"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    last_to = forms.DateField(
        label=_("Last order up to"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    tag: forms.ModelChoiceField = forms.ModelChoiceField(
        label=_("Tag"), queryset=None, required=False, empty_label=_("All tags")
    )
    channel = forms.ModelChoiceField(
        label=_("Follows"),
        queryset=ChannelAccount.objects.none(),
        required=False,
        empty_label=_("Any channel or none"),
    )
    sort = forms.ChoiceField(
        label=_("Order by"),
        required=False,
        choices=[
            (Sort.NEWEST, _("Recorded last")),
            (Sort.SALES, _("Highest sales")),
            # Of who never ordered there is no last order to sort by.
            (Sort.LAST, _("Latest order (buyers only)")),
        ],
    )

    def __init__(self, data: Any, *, visible: Visible) -> None:
        super().__init__(data)
        brand_ids = visible.kinds[Kind.PROFILE].brands
        fields: dict[str, Any] = self.fields
        fields["brand"].queryset = Brand.objects.filter(pk__in=brand_ids).order_by("code")
        stores = Store.objects.filter(brand_id__in=brand_ids).order_by("name")
        is_store, has_one_brand = bool(visible.viewer.stores), len(brand_ids) == 1
        if is_store or has_one_brand:
            del fields["brand"]
        else:
            # PostgreSQL knows no NUL; the field itself refuses it in words.
            stores = stores.filter(brand__code=data.get("brand", "").replace("\0", ""))
        fields["store"].queryset = stores
        # The stores of all brands are too many for one list: the brand is chosen first.
        if is_store or not (has_one_brand or data.get("brand")):
            del fields["store"]
        # As the stores, what belongs to one brand is offered once the brand is known.
        of_brands = brand_ids | visible.viewer.store_brands
        if is_store or has_one_brand or data.get("brand"):
            code = data.get("brand", "").replace("\0", "")
            one = {} if is_store or has_one_brand else {"brand__code": code}
            tags = Tag.objects.filter(removed_at=None, brand_id__in=of_brands, **one)
            fields["tag"].queryset = tags.order_by("name")
            accounts = ChannelAccount.objects.filter(is_active=True)
            fields["channel"].queryset = accounts.filter(
                Q(brand=None) | Q(brand_id__in=of_brands, **one)
            ).order_by("kind", "name")
        else:
            del fields["tag"], fields["channel"]
        self._shared = brand_ids | visible.viewer.store_brands

    def closed_brand(self) -> str:
        """Return the name of the brand asked for where its members are not seen, else nothing.

        A kept address outlives the mode it was made in.
        """
        code = self.data.get("brand", "").replace("\0", "")
        if not code or self.cleaned_data.get("brand") is not None:
            return ""
        if Brand.objects.filter(pk__in=self._shared, code=code).exists():
            return ""
        brand = Brand.objects.filter(code=code).first()
        return brand.name if brand else code[:40]


@dataclass(frozen=True)
class MemberPage:
    """Be one page of members, with the cursors of its neighbours."""

    rows: list[Profile]
    before: str
    after: str
    counted: Counted


def searched(text: str, *, brands: frozenset[int]) -> Q:
    """Return the condition for members whose number, phone, e-mail, card or platform id is TEXT.

    BRANDS are those of which contact data is seen.
    """
    condition = Q(member_no=text)
    if brands:
        any_key, keyed = Q(), Keyed(group_keys())
        for column, keys in keyed.found_by(text, brands).items():
            any_key |= Q(**{f"{column}__in": keys})
        by_platform = PlatformKey.objects.filter(key__in=keyed.platform_keys(text, brands))
        contacts = Contact.objects.filter(any_key).values_list("profile_id", flat=True)
        found = contacts.union(by_platform.values_list("profile_id", flat=True))
        condition |= Q(pk__in=list(found[:FOUND_AT_MOST]))
    return condition


def members_asked(asked: dict[str, Any], *, visible: Visible) -> QuerySet[Profile]:
    """Return the members that the cleaned filters ask for, in no order."""
    rows = Profile.objects.all()
    if text := asked.get("q", "").strip():
        rows = rows.filter(searched(text, brands=_contact_brands(visible)))
    return rows.filter(Filter.asked(asked).listed)


def _contact_brands(visible: Visible) -> frozenset[int]:
    sets = visible.kinds[Kind.CONTACT]
    return sets.brands | (visible.viewer.store_brands if sets.stores else frozenset())


def page_of(
    rows: QuerySet[Profile],
    *,
    asked: dict[str, Any],
    visible: Visible,
    before: str,
    after: str,
) -> MemberPage:
    """Return the page after or before a cursor: the first one where the cursor is no cursor."""
    sort = asked.get("sort") or MemberFilter.Sort.NEWEST
    is_filtered = bool(Filter.asked(asked)) or bool(asked.get("q"))
    if sort == MemberFilter.Sort.LAST:
        rows, is_filtered = rows.filter(last_order_at__isnull=False), True
    names = _KEYS[sort]
    is_back = bool(before)
    cursor = _read(before or after, names)
    found = rows if cursor is None else rows.filter(_beyond(names, cursor, is_back=is_back))
    is_back = is_back and cursor is not None
    ordering = names if is_back else tuple(f"-{name}" for name in names)
    taken = _first(found, ordering, asked=asked, visible=visible)
    has_further = len(taken) > PAGE_ROWS
    taken = taken[:PAGE_ROWS]
    if is_back:
        taken.reverse()
    has_earlier = has_further if is_back else cursor is not None
    has_later = is_back or has_further
    return MemberPage(
        rows=taken,
        before=_write(taken[0], names) if taken and has_earlier else "",
        after=_write(taken[-1], names) if taken and has_later else "",
        counted=count_members(rows, is_filtered=is_filtered, visible=visible),
    )


def _first(
    rows: QuerySet[Profile],
    ordering: tuple[str, ...],
    *,
    asked: dict[str, Any],
    visible: Visible,
) -> list[Profile]:
    """Return the first rows in an order, one more than a page.

    Over several brands, of each brand the first: so that each is read in the order of its index,
    where a sort of all of them would read them all.
    """
    brands = sorted(visible.kinds[Kind.PROFILE].brands)
    if len(brands) < 2 or len(brands) > MOST_BRANDS or asked.get("brand") or asked.get("q"):
        return list(rows.select_related("brand", "store").order_by(*ordering)[: PAGE_ROWS + 1])
    firsts = [
        rows.filter(brand_id=brand).order_by(*ordering).values("pk")[: PAGE_ROWS + 1]
        for brand in brands
    ]
    found = [row["pk"] for row in firsts[0].union(*firsts[1:], all=True)]
    taken = Profile.objects.filter(pk__in=found).select_related("brand", "store")
    return list(taken.order_by(*ordering)[: PAGE_ROWS + 1])


def _read(text: str, names: tuple[str, ...]) -> tuple[Any, ...] | None:
    parts = text.split("_")
    try:
        cursor = tuple(int(part) for part in parts)
        if len(cursor) != len(names) or any(abs(part) >= 2**62 for part in cursor):
            return None
        if names[0] == "last_order_at":
            return (_EPOCH + dt.timedelta(microseconds=cursor[0]), *cursor[1:])
    except (ValueError, OverflowError):
        return None
    return cursor


def _write(row: Profile, names: tuple[str, ...]) -> str:
    values = [getattr(row, name) for name in names]
    if isinstance(values[0], dt.datetime):
        values[0] = (values[0] - _EPOCH) // dt.timedelta(microseconds=1)
    return "_".join(str(value) for value in values)


def _beyond(names: tuple[str, ...], cursor: tuple[Any, ...], *, is_back: bool) -> Q:
    side = "gt" if is_back else "lt"
    if len(names) == 1:
        return Q(**{f"{names[0]}__{side}": cursor[0]})
    first, second = names
    # The first condition says nothing new, and lets the index start at the cursor.
    return Q(**{f"{first}__{side}e": cursor[0]}) & (
        Q(**{f"{first}__{side}": cursor[0]})
        | Q(**{first: cursor[0], f"{second}__{side}": cursor[1]})
    )
