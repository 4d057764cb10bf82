"""Find what channel set-up a brand's mode needs and does not have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from brands.models import ChannelAccount
from brands.modes import Mode

Kind, Part = ChannelAccount.Kind, ChannelAccount.Part

# What each code says; the accounts concerned stand behind it.
WORDS: dict[str, str | Promise] = {
    "no_hub": _("The group has no hub mini-program: one entry, with the brands inside."),
    "no_open_platform": _(
        "No Open Platform account is written down. A unionid counts only inside one, so without it "
        "the same person cannot be recognised from one account to the next:"
    ),
    "several_open_platforms": _(
        "Accounts of several Open Platform accounts: a unionid of one means nothing in the others:"
    ),
    "no_corp": _(
        "No WeCom corp: one corp of the group with rule groups, or a corp per brand joined in one "
        "upstream–downstream chain."
    ),
    "corps_apart": _(
        "Several WeCom corps: join them in one upstream–downstream chain; the same customer has "
        "another external_userid in each:"
    ),
    "no_mini_program": _("The brand has no mini-program of its own."),
    "no_own_corp": _("The brand has no WeCom corp of its own."),
    "shared_open_platform": _(
        "The brand shares its Open Platform account with others, so unionids match across brands. "
        "Register its accounts in one of its own:"
    ),
}


@dataclass(frozen=True)
class Missing:
    """Be one thing that the wished mode needs: of a brand, or of the group."""

    code: str
    brand_id: int | None = None
    accounts: tuple[str, ...] = ()


def missing(moved: Iterable[int], after: Mapping[int, Mode]) -> list[Missing]:
    """Return what the brands that move need in their new mode and do not have."""
    moved = list(moved)
    accounts = list(ChannelAccount.objects.filter(is_active=True).order_by("kind", "name"))
    by_brand: dict[int | None, list[ChannelAccount]] = defaultdict(list)
    for account in accounts:
        by_brand[account.brand_id].append(account)
    found: list[Missing] = []
    if any(after[brand] is Mode.FAN_MAX for brand in moved):
        opened = {None, *(brand for brand, mode in after.items() if mode is Mode.FAN_MAX)}
        found += _together([one for one in accounts if one.brand_id in opened])
    for brand in moved:
        if after[brand] is not Mode.FAN_MAX:
            found += _apart(brand, by_brand, is_closed=after[brand] is Mode.BRAND_MAX)
    return found


def _together(accounts: list[ChannelAccount]) -> list[Missing]:
    """Return what fan-max brands need together: hub, one Open Platform account, corps in reach."""
    found = []
    if not any(
        one.kind == Kind.MINI_PROGRAM and one.part == Part.HUB and one.brand_id is None
        for one in accounts
    ):
        found.append(Missing("no_hub"))
    bound = [one for one in accounts if one.kind in {Kind.MINI_PROGRAM, Kind.OFFICIAL_ACCOUNT}]
    if unbound := [one.name for one in bound if not one.open_platform_account]:
        found.append(Missing("no_open_platform", accounts=tuple(unbound)))
    if len({one.open_platform_account for one in bound if one.open_platform_account}) > 1:
        named = [f"{one.name} ({one.open_platform_account})" for one in bound]
        found.append(Missing("several_open_platforms", accounts=tuple(named)))
    corps = [one.name for one in accounts if one.kind == Kind.WECOM]
    if not corps:
        found.append(Missing("no_corp"))
    elif len(corps) > 1:
        found.append(Missing("corps_apart", accounts=tuple(corps)))
    return found


def _apart(
    brand: int, by_brand: Mapping[int | None, list[ChannelAccount]], *, is_closed: bool
) -> list[Missing]:
    """Return what a brand that keeps its fans needs: its own entry and its own corp."""
    own = by_brand.get(brand, [])
    kinds = {one.kind for one in own}
    found = []
    if Kind.MINI_PROGRAM not in kinds:
        found.append(Missing("no_mini_program", brand))
    if Kind.WECOM not in kinds:
        found.append(Missing("no_own_corp", brand))
    if is_closed:
        platforms = {one.open_platform_account for one in own} - {""}
        shared = [
            one.name
            for other, accounts in by_brand.items()
            if other != brand
            for one in accounts
            if one.open_platform_account in platforms
        ]
        if shared:
            found.append(Missing("shared_open_platform", brand, tuple(shared)))
    return found
