"""Whatever is imported, decided and ruled, in whatever order, ends in the oracle's partition."""

import os

from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from brands.models import Brand
from brands.wall import scope
from members import identity, locks
from members.identity import whole
from members.identity.decisions import decide
from members.identity.partition import persons_differing
from members.models import (
    Identity,
    IdentityLink,
    IdentityRule,
    Person,
    PersonConflict,
    PersonDecision,
    PersonMerge,
    Profile,
)
from members.tests import identity_oracle as oracle

KINDS = ["unionid", "phone", "card"]
MEMBERS = st.integers(1, 9)
KEYS = st.fixed_dictionaries(
    {},
    optional={
        ("unionid", "A"): st.sampled_from("uvw"),
        ("unionid", "B"): st.sampled_from("uv"),
        ("phone", ""): st.sampled_from("pqr"),
        ("card", ""): st.sampled_from("cd"),
    },
)
SIDE = st.sets(MEMBERS, min_size=1, max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("arrive"), st.dictionaries(MEMBERS, KEYS, min_size=1, max_size=6)),
    st.tuples(st.just("links"), st.dictionaries(MEMBERS, KEYS, min_size=1, max_size=6)),
    st.tuples(st.just("join"), SIDE),
    st.tuples(st.just("part"), SIDE, SIDE),
    st.tuples(st.just("undo"), MEMBERS),
    st.tuples(st.just("rule"), st.sampled_from(["card", "unionid"]), st.sampled_from("lxt")),
)


def brand_of(member: int) -> str:
    """Return the brand of a member: two brands, so that own persons differ from the group's."""
    return "tea" if member < 6 else "bakery"


def _next_number(cursor, of: str) -> int:
    cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [f"members_{of}"])
    return cursor.fetchone()[0]


class Run:
    """Hold the oracle's world, and do to the database what is done to it."""

    def __init__(self) -> None:
        for model in (PersonDecision, PersonConflict, PersonMerge, IdentityLink, Identity):
            model.objects.all().delete()
        Profile.objects.all().delete()
        Person.objects.all().delete()
        IdentityRule.objects.all().delete()
        self.world = oracle.World(
            linking=set(KINDS), exclusive={"unionid"}, trust=list(KINDS), most=3
        )
        self.brands = dict(Brand.objects.values_list("code", "pk"))

    def pk(self, member: int) -> int:
        """Return the number of record of a member."""
        return Profile.objects.get(member_no=str(member)).pk

    def links(self, changes: dict[int, dict[tuple[str, str], str]]) -> None:
        """Set what members carry, who are stored before they are resolved."""
        self._carry(changes, has_arriving=False)

    def arrive(self, changes: dict[int, dict[tuple[str, str], str]]) -> None:
        """Set what members carry, as files do: new ones are stored with the person they have."""
        self._carry(changes, has_arriving=True)

    def _carry(self, changes: dict[int, dict[tuple[str, str], str]], *, has_arriving: bool) -> None:
        arriving = {}
        with connection.cursor() as cursor:
            identity.begin_touching(cursor)
            for member, keys in changes.items():
                wanted = {(kind, space, text) for (kind, space), text in keys.items()}
                brand = self.brands[brand_of(member)]
                pk = Profile.objects.filter(member_no=str(member)).values_list("pk").first()
                if pk:
                    pk = pk[0]
                elif has_arriving:
                    pk, person = (_next_number(cursor, one) for one in ("profile", "person"))
                    arriving[pk] = member
                    cursor.execute(
                        "INSERT INTO arriving_profile VALUES (%s, %s, %s)", [pk, person, brand]
                    )
                else:
                    pk = Profile.objects.create(
                        brand_id=brand, member_no=str(member), person=Person.objects.create()
                    ).pk
                gone = IdentityLink.objects.filter(profile_id=pk)
                before = set(gone.values_list("identity_id", flat=True))
                after = {
                    Identity.objects.get_or_create(
                        kind=key[0], space=key[1], key=oracle.key_bytes(key)
                    )[0].pk
                    for key in wanted
                }
                for one in after - before:
                    IdentityLink.objects.create(profile_id=pk, identity_id=one)
                gone.filter(identity_id__in=before - after).delete()
                if pk not in arriving:
                    cursor.execute("INSERT INTO touched_profile VALUES (%s)", [pk])
                for one in before ^ after:
                    cursor.execute("INSERT INTO touched_identity VALUES (%s)", [one])
                self.world.links[member] = wanted
                self.world.brand[member] = brand_of(member)
            identity.resolve()
            cursor.execute("SELECT * FROM arriving_profile")
            for pk, person, brand, own in cursor.fetchall():
                Profile.objects.create(
                    pk=pk,
                    brand_id=brand,
                    member_no=str(arriving[pk]),
                    person_id=person,
                    own_person_id=own,
                )

    def decide(self, *sides: set[int]) -> None:
        """Join or part members by hand, those that are there."""
        placed = [sorted(side & set(self.world.links)) for side in sides]
        if len(placed) == 2:
            placed[1] = [one for one in placed[1] if one not in placed[0]]
        if not all(placed) or len(placed) == 1 and len(placed[0]) < 2:
            return
        decide(
            what="join" if len(placed) == 1 else "part",
            sides=[[self.pk(member) for member in side] for side in placed],
        )
        self.world.decisions.append(tuple(map(tuple, placed)))

    def undo(self, member: int) -> None:
        """Part a person again as it was before its last merge, as HQ does on a person's page."""
        from members.identity.decisions import DecisionRefused, merge_sides

        merges = PersonMerge.objects.filter(profile__member_no=str(member))
        merge = merges.exclude(cause="split").order_by("-at", "-pk").first()
        if merge is None:
            return
        numbers = dict(Profile.objects.values_list("pk", "member_no"))
        try:
            first, second = merge_sides(merge)
        except DecisionRefused:
            return
        self.decide({int(numbers[pk]) for pk in first}, {int(numbers[pk]) for pk in second})

    def rule(self, kind: str, what: str) -> None:
        """Change what a kind of identifier does, and resolve the group by the new rule."""
        world = self.world
        if what == "l":
            world.linking ^= {kind}
        elif what == "x":
            world.exclusive ^= {kind}
        else:
            world.trust = [*[one for one in world.trust if one != kind], kind]
        for one in KINDS:
            IdentityRule.objects.update_or_create(
                kind=one,
                defaults={
                    "is_linking": one in world.linking,
                    "is_exclusive": one in world.exclusive,
                    "trust": world.trust.index(one) + 1,
                    "most_profiles": world.most,
                },
            )
        whole._resolve_after(0)

    def check(self) -> None:
        """Compare persons, and the brands' own, with the oracle and with the whole resolution."""
        groups: dict[int, set[int]] = {}
        own: dict[int, set[int]] = {}
        for pk, number, person, of_brand in Profile.objects.values_list(
            "pk", "member_no", "person_id", "own_person_id"
        ):
            groups.setdefault(person, set()).add(int(number))
            own.setdefault(of_brand or pk, set()).add(int(number))
        assert {frozenset(one) for one in groups.values()} == oracle.persons(self.world)
        wanted = oracle.persons(self.world.of("tea")) | oracle.persons(self.world.of("bakery"))
        assert {frozenset(one) for one in own.values()} == wanted
        assert set(Person.objects.values_list("pk", flat=True)) == set(groups)
        with connection.cursor() as cursor:
            assert set(persons_differing(cursor).values()) == {0}


@settings(
    max_examples=int(os.environ.get("SLUICE_EXAMPLES", "12")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(
    # The last one shares the phone of two who were parted: it is nobody's to guess whose it is.
    steps=[
        ("links", {1: {("phone", ""): "p"}, 7: {("phone", ""): "p"}}),
        ("links", {2: {("phone", ""): "p"}}),
        ("undo", 2),
        ("links", {3: {("phone", ""): "p"}}),
        ("join", {2, 3}),
    ]
)
@example(
    # Two of whom nothing is known share the phone of two who contradict: they stay alone.
    steps=[
        (
            "links",
            {
                1: {("phone", ""): "p", ("unionid", "A"): "u"},
                7: {("phone", ""): "p", ("unionid", "A"): "v"},
                2: {("phone", ""): "p"},
                8: {("phone", ""): "p"},
            },
        ),
        ("links", {8: {("phone", ""): "p", ("unionid", "A"): "v"}}),
    ]
)
@given(steps=st.lists(STEPS, min_size=2, max_size=6))
def test_any_sequence_ends_in_the_oracle_s_partition(in_acme, settings, steps):
    settings.IDENTITY_HOT_PROFILES = 3
    locks.hold_answers()
    with scope.bulk(reason="test"):
        run = Run()
        for name, *rest in steps:
            getattr(run, "decide" if name in ("join", "part") else name)(*rest)
            run.check()
