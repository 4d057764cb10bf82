"""What HQ is shown of persons is by the links of brands that it reads, and by no closed brand's."""

import re

import pytest
from django.urls import reverse

from brands.selectors import visible_for_grant
from brands.wall import scope
from brands.wall.meeting import meet
from members.figures import compare
from members.identity.suggestions import suggestions_refresh
from members.identity.whole import resolve_group
from members.models import GroupMetric, GroupOverlap, OpenPerson, Profile
from members.rollups import group_finish
from members.selectors import siblings_of
from tenants.context import tenant_transaction

HEAD = "member_no,name,phone,email,unionid,birthday,store_code\n"
# Of tea, which are alike; of the bakery; and of both, with one phone and two unionids.
TEA = (
    "T1,Ann,13800138001,,,1990-01-02,tea-1\nT2,Ann,,t2@example.com,,1990-01-02,tea-1\n"
    "T3,,13800138003,,u3,,\nT4,,13800138004,,u4,,\n"
)
BAKERY = "O2,,,o2@example.com,,,\nO3,,13800138003,,u5,,\nO4,,13800138004,,,,\n"
# Joins tea's with tea's and the bakery's, is a third of those who contradict, and parts O4 from T4.
SPA = (
    "S1,,13800138001,t2@example.com,,,\nS2,,13800138001,o2@example.com,,,\n"
    "S3,,13800138003,,,,\nS4,,13800138004,,u9,,\n"
)
NOBODYS = "N1,,13700000001,n1@example.com,,,\n"
SECRETS = re.compile(
    rb'(name="(csrfmiddlewaretoken|request_key)" value="[^"]*"|nonce="[^"]*"|X-CSRFToken[^}]*})'
)


@pytest.fixture
def pages(acme, visit, cast, seeing):
    """Return a function that reads every page, and figure, that shows HQ who is one person."""

    def read() -> dict[str, bytes]:
        suggestions_refresh(tenant=acme)
        with tenant_transaction(acme), scope.bulk(reason="test"):
            pks = dict(Profile.objects.exclude(brand__code="spa").values_list("member_no", "pk"))
        paths = {"persons": "/persons/", "conflicts": "/persons/?tab=conflicts"}
        for number, pk in pks.items():
            paths[number] = reverse("members:person", args=[pk])
            paths[f"{number} member"] = reverse("members:detail", args=[pk])
        client = visit(cast.group_admin)
        found = {name: SECRETS.sub(b"", client.get(path).content) for name, path in paths.items()}
        with seeing(cast.group_admin):
            figures = [
                sorted(GroupMetric.objects.values_list("brands", "persons")),
                sorted(GroupOverlap.objects.values_list("measure", "brands", "persons")),
            ]
        return {**found, "figures": repr(figures).encode()}

    return read


def seen_in_a_look(acme, cast, number: str) -> list[str]:
    """Return whom the member's page names beside it, to HQ that looks as a manager of both."""
    with tenant_transaction(acme):
        role, hq = (
            visible_for_grant(user.acting_grant, k=acme.k)
            for user in (cast.unit_manager, cast.group_admin)
        )
        met = meet(role, hq)
        with scope.open(met):
            profile = Profile.objects.get(member_no=number)
            return [one.member_no for one in siblings_of(profile, met)]


def checked(acme) -> None:
    assert {name: count for name, count in compare(tenant=acme).items() if count} == {}


def test_no_row_of_a_closed_brand_moves_what_hq_is_shown_of_persons(
    acme, load, switch, pages, visit, cast
):
    switch("brand_max", "spa")
    load("members", HEAD + TEA)
    load("members", HEAD + BAKERY, brand="bakery")
    load("members", HEAD + NOBODYS, brand="spa")
    before = pages()
    assert b"T1</" in before["persons"]
    assert b"T3</" in before["conflicts"]
    assert b"O4" in before["T4"]
    # T1, T2, T3, O2 and O3 in one brand each, T4 and O4 in two.
    assert b"[(1, 5), (2, 1)]" in before["figures"]
    load("members", HEAD + SPA, brand="spa")
    assert pages() == before
    with tenant_transaction(acme), scope.bulk(reason="test"):
        persons = Profile.objects.filter(member_no__in=["T1", "T2", "O2", "S1", "S2"])
        assert persons.values("person_id").distinct().count() == 1
        assert OpenPerson.objects.exists()
    assert seen_in_a_look(acme, cast, "T1") == []
    # Nor where everybody is looked at anew, nor by what is worked out after a change of mode.
    resolve_group(tenant=acme)
    assert pages() == before
    checked(acme)
    # The twin: HQ reads an open brand's members, and what its rows join.
    switch("", "spa")
    group_finish(tenant=acme)
    opened = pages()
    assert b"T1</" not in opened["persons"]
    assert b"S1" in opened["T1"]
    assert b"O2" in opened["T1"]
    assert b"O4" not in opened["T4"]
    assert seen_in_a_look(acme, cast, "T1") == ["O2"]
    switch("brand_max", "spa")
    # Until a worker has looked each member is alone.
    assert b"O4" not in pages()["T4"]
    group_finish(tenant=acme)
    assert pages() == before
    # What HQ parts it parts as it sees them.
    client = visit(cast.group_admin)
    with tenant_transaction(acme), scope.bulk(reason="test"):
        pk = Profile.objects.get(member_no="T4").pk
    page = client.get(reverse("members:person", args=[pk]))
    assert page.context["merges"] == []
    assert [one.member_no for one, _masked in page.context["mates"]] == ["O4", "T4"]


def test_members_whom_an_open_brand_joins_too_are_one_for_hq(acme, load, switch, pages):
    switch("brand_max", "spa")
    load("members", HEAD + SPA, brand="spa")
    load("members", HEAD + TEA)
    alone = pages()
    assert b"O2" not in alone["T1"]
    load("members", HEAD + "O1,,13800138001,t2@example.com,,,\n", brand="bakery")
    joined = pages()
    assert b"T1</" not in joined["persons"]
    assert b"O1" in joined["T1"]
    assert joined["T2 member"] != alone["T2 member"]
    checked(acme)


def test_no_row_of_a_brand_out_of_sight_makes_two_members_one_for_who_works_for_both(
    acme, load, switch, visit, cast
):
    """A unit's manager reads members of tea and the bakery in full, and of the spa none."""
    switch("brand_max", "spa")
    load("members", HEAD + TEA + "T5,,13800138001,t5@example.com,,,\n")
    load("members", HEAD + BAKERY + "O5,,,t5@example.com,,,\n", brand="bakery")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        pks = dict(Profile.objects.values_list("member_no", "pk"))

    def shown(number: str) -> list[str]:
        page = visit(cast.unit_manager).get(reverse("members:detail", args=[pks[number]]))
        return [one.member_no for one in page.context["siblings"]]

    # By the unit's own rows: of one phone, and over T5, who has T1's phone and O5's address.
    before = {number: shown(number) for number in ("T1", "T4", "O2", "O5")}
    assert before == {"T1": ["O5"], "T4": ["O4"], "O2": [], "O5": ["T1", "T5"]}
    load("members", HEAD + SPA.replace("u9", ""), brand="spa")
    with tenant_transaction(acme), scope.bulk(reason="test"):
        persons = Profile.objects.filter(member_no__in=["T1", "T2", "O2", "S1"])
        assert persons.values("person_id").distinct().count() == 1
    assert {number: shown(number) for number in before} == before
