"""What each kind of identifier does in the current group: the product's rules and the group's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from members.models import IdentityKind, IdentityRule

# An identity of more profiles of one brand than this is hot there and links none of them.
HOT_PROFILES = 50


@dataclass(frozen=True)
class Rule:
    """Say what one kind of identifier does; see `IdentityRule`."""

    kind: str
    is_linking: bool
    trust: int
    most_profiles: int
    is_exclusive: bool
    is_group_wide: bool = True


Rules = Mapping[str, Rule]

# In the order of trust, the surest first.
TRUST = (
    IdentityKind.UNIONID,
    IdentityKind.EXTERNAL_USERID,
    IdentityKind.OPENID,
    IdentityKind.PHONE,
    IdentityKind.CARD,
    IdentityKind.EMAIL,
    IdentityKind.DOUYIN,
)
# Of these a person has one in a space.
EXCLUSIVE = frozenset({IdentityKind.UNIONID, IdentityKind.EXTERNAL_USERID})


def default_rule(kind: str) -> Rule:
    """Return what a kind does where the group says nothing."""
    found = IdentityKind(kind)
    return Rule(
        kind=found.value,
        is_linking=True,
        trust=TRUST.index(found) + 1,
        most_profiles=int(getattr(settings, "IDENTITY_HOT_PROFILES", HOT_PROFILES)),
        is_exclusive=found in EXCLUSIVE,
    )


def rules_now() -> dict[str, Rule]:
    """Return kind → rule of the current group."""
    rules = {kind.value: default_rule(kind) for kind in TRUST}
    for row in IdentityRule.objects.all():
        rules[row.kind] = Rule(
            kind=row.kind,
            is_linking=row.is_linking,
            trust=row.trust,
            most_profiles=row.most_profiles,
            is_exclusive=row.is_exclusive,
            is_group_wide=row.is_group_wide,
        )
    return rules


def hot_profiles(kind: str) -> int:
    """Return the number of a brand's profiles above which an identity of a kind is hot there."""
    return rules_now()[kind].most_profiles
