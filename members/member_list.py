"""The member list: its filters, its sorts, and pages by key instead of by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from brands.models import Brand, Store
from brands.wall.visibility import Kind, Visible
from members.contacts import find_keys
from members.keys import group_keys
from members.models import Contact, Profile, Stratum

PAGE_ROWS = 50
# Counting further would cost more than the answer is worth.
COUNTED_UP_TO = 1000
# Found by one phone, e-mail address or card: more than this is no search any more.
FOUND_AT_MOST = 200


class MemberFilter(forms.Form):
    """Ask which members to list and in what order; its state is the page's address."""

    class Sort:
        """The orders that an index serves."""

        NEWEST = "newest"
        SALES = "sales"

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
    sort = forms.ChoiceField(
        label=_("Order by"),
        required=False,
        choices=[(Sort.NEWEST, _("Recorded last")), (Sort.SALES, _("Highest sales"))],
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
    # The number of members that fit, counted no further than a limit.
    found: int
    is_more_than_found: bool


def searched(text: str, *, sees_contact: bool) -> Q:
    """Return the condition for members whose number, phone, e-mail or card is exactly TEXT."""
    condition = Q(member_no=text)
    if sees_contact:
        keys = find_keys(group_keys(), text)
        any_key = Q()
        for column, key in keys.items():
            any_key |= Q(**{column: key})
        found = Contact.objects.filter(any_key).values_list("profile_id", flat=True)
        condition |= Q(pk__in=list(found[:FOUND_AT_MOST]))
    return condition


def members_asked(asked: dict[str, Any], *, visible: Visible) -> QuerySet[Profile]:
    """Return the members that the cleaned filters ask for, in no order."""
    rows = Profile.objects.all()
    if text := asked.get("q", "").strip():
        rows = rows.filter(searched(text, sees_contact=bool(_contact_kinds(visible))))
    if brand := asked.get("brand"):
        rows = rows.filter(brand=brand)
    if store := asked.get("store"):
        rows = rows.filter(brand_id=store.brand_id, store=store)
    if since := asked.get("since"):
        rows = rows.filter(registered_on__gte=since)
    if ordered := asked.get("ordered"):
        rows = rows.filter(orders__gt=0) if ordered == "yes" else rows.filter(orders=0)
    if stratum := asked.get("stratum"):
        rows = rows.filter(stratum=stratum)
    return rows


def _contact_kinds(visible: Visible) -> bool:
    sets = visible.kinds[Kind.CONTACT]
    return bool(sets.brands or sets.stores)


def page_of(rows: QuerySet[Profile], *, sort: str, before: str, after: str) -> MemberPage:
    """Return the page after or before a cursor: the first one where the cursor is no cursor."""
    total = rows.order_by()[: COUNTED_UP_TO + 1].count()
    is_back = bool(before)
    names = ("sales", "pk") if sort == MemberFilter.Sort.SALES else ("pk",)
    cursor = _read(before or after, len(names))
    if cursor is not None:
        rows = rows.filter(_beyond(names, cursor, is_back=is_back))
    ordering = names if is_back and cursor else tuple(f"-{name}" for name in names)
    taken = list(rows.select_related("brand", "store").order_by(*ordering)[: PAGE_ROWS + 1])
    has_further = len(taken) > PAGE_ROWS
    taken = taken[:PAGE_ROWS]
    is_back = is_back and cursor is not None
    if is_back:
        taken.reverse()
    has_earlier = has_further if is_back else cursor is not None
    has_later = is_back or has_further
    return MemberPage(
        rows=taken,
        before=_write(taken[0], names) if taken and has_earlier else "",
        after=_write(taken[-1], names) if taken and has_later else "",
        found=min(total, COUNTED_UP_TO),
        is_more_than_found=total > COUNTED_UP_TO,
    )


def _read(text: str, length: int) -> tuple[int, ...] | None:
    try:
        cursor = tuple(int(part) for part in text.split("_"))
    except ValueError:
        return None
    is_sane = len(cursor) == length and all(abs(part) < 2**62 for part in cursor)
    return cursor if is_sane else None


def _write(row: Profile, names: tuple[str, ...]) -> str:
    return "_".join(str(getattr(row, name)) for name in names)


def _beyond(names: tuple[str, ...], cursor: tuple[int, ...], *, is_back: bool) -> Q:
    side = "gt" if is_back else "lt"
    if len(names) == 1:
        return Q(**{f"{names[0]}__{side}": cursor[0]})
    first, second = names
    # The first condition says nothing new, and lets the index start at the cursor.
    return Q(**{f"{first}__{side}e": cursor[0]}) & (
        Q(**{f"{first}__{side}": cursor[0]})
        | Q(**{first: cursor[0], f"{second}__{side}": cursor[1]})
    )
