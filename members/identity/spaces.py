"""Where an identifier counts: the platforms give out one per account, app or corp.

A unionid counts only inside one Open Platform account, an openid only inside one app, an
external_userid only inside one WeCom corp, a Douyin open_id only inside one Douyin app. Which
these are is registered with the brands' channel accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from brands.models import ChannelAccount
from members.identity.rules import rules_now
from members.models import IdentityKind

_APPS = frozenset(
    {
        ChannelAccount.Kind.MINI_PROGRAM,
        ChannelAccount.Kind.OFFICIAL_ACCOUNT,
        ChannelAccount.Kind.VIDEO_ACCOUNT,
    }
)
# Identifiers that a platform gives out, and that mean nothing outside of a space.
PLATFORM_KINDS = (
    IdentityKind.UNIONID,
    IdentityKind.OPENID,
    IdentityKind.EXTERNAL_USERID,
    IdentityKind.DOUYIN,
)


class SpaceUnknown(ValueError):
    """Say why it is not known where an identifier counts."""


@dataclass(frozen=True)
class Account:
    """Be a registered channel account: whose, of which platform, and its spaces."""

    brand_id: int | None
    kind: str
    external_id: str
    open_platform_account: str

    def space(self, kind: str) -> str:
        """Return where an identifier of KIND from this account counts; "" where it has none."""
        if kind == IdentityKind.UNIONID:
            return self.open_platform_account
        of_kind = {
            IdentityKind.OPENID: _APPS,
            IdentityKind.EXTERNAL_USERID: frozenset({ChannelAccount.Kind.WECOM}),
            IdentityKind.DOUYIN: frozenset({ChannelAccount.Kind.DOUYIN}),
        }
        return self.external_id if self.kind in of_kind.get(IdentityKind(kind), ()) else ""


class Spaces:
    """Know the spaces of a group: of a brand, or of an account that a row names."""

    def __init__(self, accounts: list[Account], *, is_card_group_wide: bool = True) -> None:
        self.accounts = accounts
        self.is_card_group_wide = is_card_group_wide

    @classmethod
    def now(cls) -> Spaces:
        """Read what is registered in the current group."""
        rows = ChannelAccount.objects.order_by("pk").values_list(
            "brand_id", "kind", "external_id", "open_platform_account"
        )
        card = rules_now()[IdentityKind.CARD]
        return cls([Account(*row) for row in rows], is_card_group_wide=card.is_group_wide)

    def of_brand(self, kind: str, brand_id: int) -> str:
        """Return where an identifier of a brand's row counts; "" for all of the group.

        The brand's own account says it, or else the group's; a brand without either has a space
        of its own, once any account is registered. Raises SpaceUnknown for a brand of several.
        """
        if kind == IdentityKind.CARD:
            return "" if self.is_card_group_wide else f"brand:{brand_id}"
        if kind not in PLATFORM_KINDS:
            return ""
        for owner in (brand_id, None):
            found = {one.space(kind) for one in self.accounts if one.brand_id == owner} - {""}
            if len(found) > 1:
                raise SpaceUnknown(
                    _(
                        "The brand has several accounts in which this identifier could count. "
                        "Say in the column “Channel account” which it is of."
                    )
                )
            if found:
                return found.pop()
        is_any = any(one.space(kind) for one in self.accounts)
        return f"brand:{brand_id}" if is_any else ""

    def of_account(self, kind: str, brand_id: int, name: str) -> str:
        """Return where an identifier counts that came through the account NAME.

        NAME is its AppID or corp id, or for a unionid the Open Platform account. Raises
        SpaceUnknown for an account that neither the brand nor the group has registered.
        """
        for one in self.accounts:
            if one.brand_id not in (brand_id, None):
                continue
            if name not in (one.external_id, one.open_platform_account):
                continue
            if space := one.space(kind):
                return space
        raise SpaceUnknown(
            _(
                "No channel account “%(name)s” of the brand or the group gives out such an "
                "identifier. Register it with its AppID, corp id or Open Platform account."
            )
            % {"name": name[:40]}
        )

    def of_accounts(self, kind: str, brand_id: int) -> set[str]:
        """Return every space that accounts of a brand or the group give out identifiers in."""
        owned = (one for one in self.accounts if one.brand_id in (brand_id, None))
        return {one.space(kind) for one in owned} - {""}

    def of_group(self, kind: str) -> str:
        """Return where an identifier counts that somebody gave to the group itself.

        Raises SpaceUnknown where the group has several places for it.
        """
        found = {one.space(kind) for one in self.accounts} - {""}
        if len(found) > 1 or (kind == IdentityKind.CARD and not self.is_card_group_wide):
            raise SpaceUnknown(
                _("Such an identifier counts in one account or brand. Name the member by phone.")
            )
        return found.pop() if found else ""
