"""Persons are the connected components of profiles over identities, whatever the order."""

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from brands.models import Brand
from brands.wall import scope
from members import identity, locks
from members.models import Identity, IdentityLink, Person, PersonMerge, Profile

HOT = 4


def is_sibling(number: int) -> bool:
    """Tell whether a member is of the second brand."""
    return number >= 10


def is_cold(profile: int, holders: list[int]) -> bool:
    """Tell whether a key is hot in the brand of one of its holders."""
    of_brand = [other for other in holders if is_sibling(other) == is_sibling(profile)]
    return len(of_brand) > HOT


def components(links: dict[int, set[str]]) -> set[frozenset[int]]:
    """Return the partition by union-find; a key joins none of a brand's if it has more than HOT."""
    parent = {profile: profile for profile in links}

    def find(profile):
        while parent[profile] != profile:
            profile = parent[profile]
        return profile

    holders: dict[str, list[int]] = {}
    for profile, keys in links.items():
        for key in keys:
            holders.setdefault(key, []).append(profile)
    for profiles in holders.values():
        joined = [profile for profile in profiles if not is_cold(profile, profiles)]
        for profile in joined[1:]:
            parent[find(profile)] = find(joined[0])
    groups: dict[int, set[int]] = {}
    for profile in links:
        groups.setdefault(find(profile), set()).add(profile)
    return {frozenset(group) for group in groups.values()}


def write(changes: dict[int, set[str]]) -> None:
    """Set the keys of profiles as a bulk writer does, and resolve."""
    locks.hold_answers()
    brands = Brand.objects.order_by("pk")[:2]
    with connection.cursor() as cursor:
        identity.begin_touching(cursor)
        for number, keys in changes.items():
            profile = Profile.objects.filter(member_no=str(number)).first()
            touched = set()
            if profile is None:
                profile = Profile.objects.create(
                    brand=brands[is_sibling(number)],
                    member_no=str(number),
                    person=Person.objects.create(),
                )
                cursor.execute("INSERT INTO touched_profile VALUES (%s)", [profile.pk])
            before = {link.identity_id for link in profile.identity_links.all()}
            after = set()
            for key in keys:
                found, _new = Identity.objects.get_or_create(kind="phone", key=key.encode())
                after.add(found.pk)
            touched = before ^ after
            for pk in after - before:
                IdentityLink.objects.create(profile=profile, identity_id=pk)
            IdentityLink.objects.filter(profile=profile, identity_id__in=before - after).delete()
            if touched:
                cursor.execute("INSERT INTO touched_profile VALUES (%s)", [profile.pk])
                cursor.executemany(
                    "INSERT INTO touched_identity VALUES (%s)", [(pk,) for pk in touched]
                )
    identity.resolve()


def partition() -> set[frozenset[int]]:
    """Return the persons that stand, as sets of member numbers."""
    groups: dict[int, set[int]] = {}
    for number, person in Profile.objects.values_list("member_no", "person_id"):
        groups.setdefault(person, set()).add(int(number))
    return {frozenset(group) for group in groups.values()}


def assert_tidy() -> None:
    """Check that no person is without profiles, and that what joins its holders joins them all."""
    assert set(Person.objects.values_list("pk", flat=True)) == set(
        Profile.objects.values_list("person_id", flat=True)
    )
    for found in Identity.objects.prefetch_related("links__profile"):
        holders = {int(link.profile.member_no): link.profile for link in found.links.all()}
        joined = {
            profile.person_id
            for number, profile in holders.items()
            if not is_cold(number, list(holders))
        }
        assert found.is_hot == any(is_cold(number, list(holders)) for number in holders)
        assert holders
        assert len(joined) <= 1


@pytest.fixture
def bulk(in_acme, settings):
    """Open a bulk scope with a low bound of hot identities."""
    settings.IDENTITY_HOT_PROFILES = HOT
    with scope.bulk(reason="test"):
        yield


KEYS = st.sets(st.sampled_from("abcdefgh"), max_size=3)
STEPS = st.lists(
    st.dictionaries(st.integers(1, 14), KEYS, min_size=1, max_size=6), min_size=1, max_size=5
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(
    steps=[
        {1: {"a"}, 7: {"d", "a"}},
        {14: {"d", "a"}, 8: {"d"}, 10: {"f", "d"}},
        {13: {"d", "a"}},
        {1: set()},
    ]
)
@example(
    steps=[
        {1: {"a"}, 10: {"a"}, 11: {"a"}},
        {number: {"a"} for number in range(2, 6)},
        {12: {"a"}, 13: {"a"}, 6: {"a"}},
        {14: {"a"}},
        {1: set(), 2: set()},
        {14: {"b"}},
        {number: set() for number in range(3, 7)},
    ]
)
@given(steps=STEPS)
def test_any_sequence_of_changes_ends_in_the_oracle_s_partition(bulk, steps):
    for model in (PersonMerge, IdentityLink, Identity, Profile, Person):
        model.objects.all().delete()
    links: dict[int, set[str]] = {}
    for step in steps:
        write(step)
        links.update(step)
        assert partition() == components(links)
        assert_tidy()


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (4, 3, 2, 1), (2, 4, 1, 3)])
def test_a_chain_is_one_person_in_whatever_order_it_came(bulk, order):
    chain = {1: {"a"}, 2: {"a", "b"}, 3: {"b", "c"}, 4: {"c"}}
    for number in order:
        write({number: chain[number]})
    assert partition() == {frozenset({1, 2, 3, 4})}


def test_a_long_chain_falls_in_few_rounds(bulk, django_assert_max_num_queries):
    order = (*range(0, 60, 2), *range(59, 0, -2))
    write({number: {f"k{number}", f"k{number + 1}"} for number in order})
    assert partition() == {frozenset(range(60))}
    with django_assert_max_num_queries(95), connection.cursor() as cursor:
        identity.begin_touching(cursor)
        cursor.execute("INSERT INTO touched_profile SELECT id FROM members_profile")
        assert identity.resolve().profiles_moved == 0


def test_an_identity_that_becomes_hot_splits_what_it_joined(bulk):
    write({number: {"shop"} for number in range(HOT)})
    assert len(partition()) == 1
    write({HOT: {"shop"}})
    assert len(partition()) == HOT + 1
    assert Identity.objects.get().is_hot
    assert PersonMerge.objects.filter(cause="split").count() == HOT - 1
    write({0: set()})
    assert partition() == {frozenset({0}), frozenset(range(1, HOT + 1))}
    assert_tidy()


def test_the_smallest_person_of_a_component_stays(bulk):
    write({1: {"a"}})
    write({2: {"b"}})
    first = Profile.objects.get(member_no="1").person_id
    second = Profile.objects.get(member_no="2").person_id
    write({3: {"a", "b"}})
    assert set(Profile.objects.values_list("person_id", flat=True)) == {min(first, second)}
    moves = PersonMerge.objects.filter(profile__member_no="2").values_list(
        "from_person_id", "to_person_id"
    )
    assert list(moves) == [(second, first)]


def test_a_split_leaves_the_person_with_its_oldest_profile(bulk):
    write({1: {"a"}, 2: {"a"}})
    person = Profile.objects.get(member_no="1").person_id
    write({2: {"b"}})
    assert Profile.objects.get(member_no="1").person_id == person
    assert Profile.objects.get(member_no="2").person_id != person
    assert_tidy()


def test_untouched_persons_are_not_rewritten(bulk, rows_of):
    write({1: {"a"}, 2: {"a"}, 3: {"c"}})
    read = "SELECT ctid::text, xmin::text, cmin::text FROM members_profile WHERE member_no <> '4'"
    before = rows_of(read)
    write({4: {"d"}})
    assert rows_of(read) == before
