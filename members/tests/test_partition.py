"""A whole group's partition, worked out in arrays, is the one that links and decisions say."""

import numpy as np
import pytest
from django.db import connection

from brands.models import Brand
from brands.wall import scope
from members.identity import columns
from members.identity.components import label_components, one_of_each
from members.identity.partition import partition, persons_differing
from members.models import Identity, IdentityLink, Person, Profile


def smallest_with_each(links: np.ndarray) -> dict[int, int]:
    """Return profile → the smallest profile that identities join it with, by union-find."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for profile, identity in links.tolist():
        one, other = root(profile), root(-identity)
        parent[max(one, other)] = min(one, other)
    parts: dict[int, list[int]] = {}
    for node in list(parent):
        if node > 0:
            parts.setdefault(root(node), []).append(node)
    return {profile: min(part) for part in parts.values() for profile in part}


@pytest.mark.parametrize("apart", [1, 1_000_003], ids=["close together", "far apart"])
def test_components_are_union_find_s_wherever_numbers_lie(apart):
    for seed in range(20):
        random = np.random.default_rng(seed)
        links = random.integers(1, 400, (300, 2)) * apart
        hubs = one_of_each(links[:, 0], links[:, 1])
        found = label_components(links[:, 0], hubs)
        assert np.all(np.diff(found.profiles) > 0)
        right = smallest_with_each(links)
        assert dict(zip(found.profiles.tolist(), found.labels.tolist(), strict=True)) == right


def test_a_chain_of_any_order_falls_into_one_component():
    order = np.random.default_rng(1).permutation(100_000) + 1
    for chain in (np.arange(1, 100_001), order):
        found = label_components(chain[:-1], chain[1:])
        assert len(found.profiles) == 100_000
        assert np.all(found.labels == 1)


@pytest.fixture
def three(in_acme):
    """Write three members, the first two of whom share a phone; return their numbers."""
    with scope.bulk(reason="test"):
        brand = Brand.objects.order_by("pk").first()
        people = [
            Profile.objects.create(
                brand=brand, member_no=f"partition {number}", person=Person.objects.create()
            )
            for number in range(3)
        ]
        phones = [Identity.objects.create(kind="phone", key=key) for key in (b"p", b"q")]
        for member, phone in zip(people, (phones[0], phones[0], phones[1]), strict=True):
            IdentityLink.objects.create(profile=member, identity=phone)
        yield people


def test_profiles_that_are_with_other_people_than_links_say_are_counted(three):
    with connection.cursor() as cursor:
        before = persons_differing(cursor)
        three[1].person = three[0].person
        three[1].save()
        Profile.objects.filter(pk__in=[three[0].pk, three[1].pk]).update(own_person_id=three[0].pk)
        assert persons_differing(cursor) == {
            "persons": before["persons"] - 1,
            "persons of brands' own": before["persons of brands' own"] - 2,
            "persons of open brands": 0,
        }
        three[2].person = three[0].person
        three[2].save()
        assert persons_differing(cursor)["persons"] == before["persons"]


def test_a_table_is_read_whole_part_by_part(three, monkeypatch):
    monkeypatch.setattr(columns, "PAGES_AT_ONCE", 1)
    with connection.cursor() as cursor:
        # As many as several pages hold.
        cursor.execute(
            "WITH made AS (INSERT INTO members_identity (kind, key, is_hot) "
            "SELECT 'card', int8send(n), false FROM generate_series(1, 1000) AS n RETURNING id) "
            "INSERT INTO members_identitylink (profile_id, identity_id) "
            "SELECT %s, id FROM made",
            [three[2].pk],
        )
        found = columns.read_columns(cursor, "members_identitylink", ["profile_id", "identity_id"])
        rows = list(zip(*(column.tolist() for column in found), strict=True))
        assert sorted(rows) == sorted(IdentityLink.objects.values_list("profile_id", "identity_id"))
        label = partition(cursor).persons.of(np.array([three[1].pk, three[2].pk]))
        assert label.tolist() == [three[0].pk, three[2].pk]
