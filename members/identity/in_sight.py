"""Which memberships the rows that a viewer reads in full make one person themselves.

Who works for several brands sees the members of each, and by `Profile.person_id` would be told what
a row of a brand out of sight knows: that two of theirs are one. So they are shown as one person
where identifiers that the viewer reads join them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Count

from brands.wall.visibility import Kind, Visible
from members.contacts import IDENTIFIERS
from members.identity.rules import rules_now
from members.models import Contact, PlatformKey, Profile

# What an identifier is, and its key.
_Carried = tuple[str, bytes]


def sees_all_members(visible: Visible) -> bool:
    """Tell whether no brand is out of the viewer's sight, so that nothing is told by persons."""
    return visible.kinds[Kind.PROFILE].all_brands.issuperset(visible.modes)


def joined_in_sight(profile: Profile, mates: Iterable[Profile]) -> set[int]:
    """Return which of a person's memberships the identifiers that the viewer reads join to one."""
    members = [profile, *mates]
    groups: dict[object, set[int]] = defaultdict(set)
    for one in members:
        groups["own", one.own_person_id or -one.pk].add(one.pk)
    for pk, carried in _carried([one.pk for one in members]):
        groups[carried].add(pk)
    found, waiting = {profile.pk}, [profile.pk]
    while waiting:
        at = waiting.pop()
        for group in groups.values():
            if at in group:
                waiting += group - found
                found |= group
    return found


def _carried(profiles: list[int]) -> list[tuple[int, _Carried]]:
    """Return (profile, identifier) of all that the viewer reads and that joins persons."""
    rules = rules_now()
    found: list[tuple[int, _Carried]] = []
    for _name, kind, column in IDENTIFIERS:
        if rules[kind].is_linking:
            rows = Contact.objects.filter(profile_id__in=profiles, **{f"{column}__isnull": False})
            pairs = [(pk, bytes(key)) for pk, key in rows.values_list("profile_id", column)]
            hot = _hot(column, {key for _pk, key in pairs}, rules[kind].most_profiles)
            found += [(pk, (str(kind), key)) for pk, key in pairs if key not in hot]
    for pk, kind, key in PlatformKey.objects.filter(profile_id__in=profiles).values_list(
        "profile_id", "kind", "key"
    ):
        if rules[kind].is_linking:
            found.append((pk, (kind, bytes(key))))
    return found


def _hot(column: str, keys: set[bytes], most: int) -> set[bytes]:
    """Return the keys that too many members of one brand carry to name one human."""
    rows = Contact.objects.filter(**{f"{column}__in": keys}).values_list("brand_id", column)
    return {bytes(key) for _brand, key, times in rows.annotate(n=Count("pk")) if times > most}
