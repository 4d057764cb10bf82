"""Persons by hand: a merge undone as it was, suggestions, conflicts and the group's rules."""

import pytest
from django.db import connection

from brands.models import Brand, ChannelAccount, Notice
from members import identity, locks
from members.figures import compare
from members.identity.decisions import decisions_apply
from members.identity.suggestions import suggestions_refresh
from members.identity.whole import resolutions_run
from members.models import (
    BrandOverlap,
    Consent,
    GroupPersonEntry,
    Identity,
    IdentityLink,
    PersonConflict,
    PersonDecision,
    PersonEntry,
    PersonMerge,
    PersonSuggestion,
    PoolMetric,
    Profile,
    ResolutionJob,
)
from members.rollups import finish_pending
from members.services import consent_record
from members.tests.tokens import program
from tenants.models import AuditEvent

MEMBERS = "member_no,name,phone,email,unionid,birthday,store_code\n"


def state(acme, within) -> dict[str, object]:
    """Return everything that depends on who is one person, persons named by their members."""
    with within():
        persons: dict[int, set[str]] = {}
        rows = {}
        for row in Profile.objects.all():
            persons.setdefault(row.person_id, set()).add(row.member_no)
            rows[row.member_no] = (
                row.notice_id,
                row.no_automation,
                row.stratum,
                row.orders,
                row.sales,
                row.own_person_id,
            )
        consents = set(
            Consent.objects.values_list("profile__member_no", "answered_notice_id", "is_given")
        )
        pools = set(PoolMetric.objects.values_list("brand", "store", "members", "persons"))
        overlaps = set(
            (tuple(brands), persons)
            for brands, persons in BrandOverlap.objects.values_list("brands", "persons")
        )
        assert {name: count for name, count in compare(tenant=acme).items() if count} == {}
    return {
        "persons": {frozenset(one) for one in persons.values()},
        "rows": rows,
        "consents": consents,
        "pools": pools,
        "overlaps": overlaps,
    }


def answer(within, number: str, *, is_given: bool, days: int = 1) -> None:
    """Record an answer of a member."""
    import datetime as dt

    from django.utils import timezone

    with within():
        consent_record(
            profile=Profile.objects.get(member_no=number),
            notice=Notice.objects.get(),
            is_given=is_given,
            acting_user=None,
            at=timezone.now() - dt.timedelta(hours=days),
        )


def test_undoing_a_merge_restores_what_was_and_lasts(acme, cast, load, visit, within):
    load("members", MEMBERS + "T1,,13800138000,,,,\nT2,,13800138000,,,,\nT3,,,,,,\n")
    load("members", MEMBERS + "B1,,13800138009,b@x.cn,,,\nB2,,,b@x.cn,,,\n", brand="bakery")
    load(
        "orders",
        "order_no,line_no,member_no,ordered_at,amount\nO1,1,T1,2026-01-02,10\n"
        "O2,1,T2,2026-01-03,20\n",
    )
    answer(within, "T1", is_given=True, days=3)
    answer(within, "B1", is_given=False, days=2)
    with within():
        finish_pending(tenant=acme)
    before = state(acme, within)
    load("members", MEMBERS + "B1,,13800138000,b@x.cn,,,\n", brand="bakery")
    joined = state(acme, within)
    assert frozenset({"T1", "T2", "B1", "B2"}) in joined["persons"]
    # The no of the one closes the other while they are one person.
    assert joined["rows"]["T1"][0] is None
    assert before["rows"]["T1"][0] is not None
    with within():
        profile = Profile.objects.get(member_no="T1")
        merge = PersonMerge.objects.get(profile__member_no="B1", cause="phone")
        assert merge.by_name.startswith("Import ")
    page = visit(cast.group_admin).get(f"/members/{profile.pk}/person/")
    assert f'value="{merge.pk}"' in page.content.decode()
    client = visit(cast.group_admin)
    client.post(f"/members/{profile.pk}/person/", {"merge": merge.pk, "reason": "Two people"})
    assert decisions_apply(tenant=acme) == 1
    parted = state(acme, within)
    assert parted == before
    with within():
        entry = GroupPersonEntry.objects.get()
        assert (entry.state, entry.outcome) == ("applied", "")
        last = PersonMerge.objects.latest("pk")
        assert (last.cause, last.by_name) == ("decision", str(cast.group_admin))
    assert AuditEvent.objects.filter(action="person.part").exists()
    # No later file joins them again; who comes with the phone of both is nobody's to guess.
    load("members", MEMBERS + "B1,,13800138000,b@x.cn,,,\nB3,,13800138000,,,,\n", brand="bakery")
    assert {one for one in state(acme, within)["persons"] if len(one) > 1} == {
        frozenset({"T1", "T2"}),
        frozenset({"B1", "B2"}),
    }
    # A later decision beats it.
    with within():
        numbers = dict(Profile.objects.values_list("member_no", "pk"))
        locks.hold_answers()
        from members.identity.decisions import decide

        decide(what="join", sides=[[numbers["T1"], numbers["B1"]]])
        finish_pending(tenant=acme)
    assert frozenset({"T1", "T2", "B1", "B2"}) <= max(state(acme, within)["persons"], key=len)


def test_two_unionids_of_one_account_are_two_people_and_shown_as_a_conflict(
    acme, cast, load, visit, within
):
    load("members", MEMBERS + "T1,,13800138000,,u1,,\nT2,,13800138000,,u2,,\n")
    with within():
        assert len({row.person_id for row in Profile.objects.all()}) == 2
        conflict = PersonConflict.objects.get()
        assert (conflict.kind, conflict.members, conflict.persons) == ("phone", 2, 2)
    assert "T1</" in visit(cast.brand_manager).get("/persons/?tab=conflicts").content.decode()
    assert "T1</" not in visit(cast.sibling_manager).get("/persons/?tab=conflicts").content.decode()
    # One human with two accounts: by hand, and it lasts.
    with within():
        pks = list(Profile.objects.values_list("pk", flat=True))
    wish = {"conflict": f"{conflict.cluster_id} phone", "member": pks}
    visit(cast.sibling_manager).post("/persons/", wish)
    assert decisions_apply(tenant=acme) == 0
    visit(cast.brand_manager).post("/persons/", wish)
    assert decisions_apply(tenant=acme) == 1
    load("members", MEMBERS + "T3,,13800138000,,u2,,\n")
    with within():
        assert len({row.person_id for row in Profile.objects.all()}) == 1
        assert not PersonConflict.objects.exists()


def test_a_conflict_ends_with_the_row_that_had_it_wrong(load, within):
    load("members", MEMBERS + "T1,,13800138000,,u1,,\nT2,,13800138000,,u2,,\n")
    load("members", MEMBERS + "T2,,13800138000,,u1,,\n")
    with within():
        assert len({row.person_id for row in Profile.objects.all()}) == 1
        assert not PersonConflict.objects.exists()


def test_a_unionid_counts_inside_one_open_platform_account(acme, load, within):
    with within():
        brands = {brand.code: brand for brand in Brand.objects.all()}
        for code, external, platform in (
            ("tea", "wx1", "A"),
            ("bakery", "wx2", "B"),
            ("spa", "wx3", "A"),
        ):
            ChannelAccount.objects.create(
                brand=brands[code],
                kind="mini_program",
                name=external,
                external_id=external,
                open_platform_account=platform,
            )
    head = "member_no,unionid,openid,account\n"
    load("members", head + "T1,u1,,\nT2,,o1,wx1\n")
    load("members", head + "B1,u1,,\nB2,,o1,\n", brand="bakery")
    load("members", head + "S1,u1,,\n", brand="spa")
    with within():
        person = dict(Profile.objects.values_list("member_no", "person_id"))
        spaces = set(Identity.objects.values_list("kind", "space"))
    assert person["T1"] == person["S1"] != person["B1"]
    assert person["T2"] != person["B2"]
    assert spaces == {("unionid", "A"), ("unionid", "B"), ("openid", "wx1"), ("openid", "wx2")}
    with within():
        ChannelAccount.objects.create(
            brand=brands["tea"],
            kind="official_account",
            name="2nd",
            external_id="wx9",
            open_platform_account="C",
        )
    job = load("members", head + "T3,u1,,\nT4,u1,,wx9\nT5,u1,,wx1\nT6,,o1,nobody\n")
    assert (job.rows_created, job.rows_rejected) == (2, 2)
    with within():
        person = dict(Profile.objects.values_list("member_no", "person_id"))
    assert person["T5"] == person["S1"] != person["T4"]
    # A file without openids leaves them as they are; one that empties the cell takes them away.
    load("members", "member_no,gender\nT2,f\n")
    with within():
        assert IdentityLink.objects.filter(profile__member_no="T2").count() == 1
    load("members", "member_no,openid,account\nT2,,wx1\n")
    with within():
        assert not IdentityLink.objects.filter(profile__member_no="T2").exists()


def test_a_member_is_found_by_what_a_platform_gave_them_where_contact_data_is_seen(
    acme, load, within, visit, cast
):
    with within():
        for code, kind, number in (
            ("tea", "official_account", "wx1"),
            ("tea", "official_account", "wx2"),
            ("tea", "wecom", "ww1"),
            ("bakery", "official_account", "wx3"),
        ):
            brand = Brand.objects.get(code=code)
            ChannelAccount.objects.create(brand=brand, kind=kind, name=number, external_id=number)
    head = "member_no,openid,external_userid,account\n"
    load("members", head + "T1,oAbcdefgh,,wx1\nT2,oAbcdefgh,,wx2\nT3,oOthers,,wx1\nT4,,wmAbc,ww1\n")
    load("members", head + "B1,oAbcdefgh,,\n", brand="bakery")

    def found(who: str, text: str) -> set[str]:
        page = visit(getattr(cast, who)).get("/members/", {"q": text})
        return {row.member_no for row, *_rest in page.context["rows"]}

    # Exactly, and of every account of the brand's.
    assert found("brand_manager", " oAbcdefgh") == {"T1", "T2"}
    assert found("brand_manager", "oabcdefgh") == found("brand_manager", "oAbcdefg") == set()
    assert found("brand_manager", "wmAbc") == {"T4"}
    assert found("sibling_manager", "oAbcdefgh") == {"B1"}
    assert found("unit_manager", "oAbcdefgh") == {"T1", "T2", "B1"}
    # Whoever is shown no contact data finds nobody by it; nor does HQ without a consent.
    for who in ("provider_operator", "group_admin", "analyst"):
        assert found(who, "oAbcdefgh") == set(), who
    with within():
        # Who is restricted is found by those who answer the person, and marked.
        Profile.objects.filter(member_no="T1").update(is_restricted=True)
    assert found("brand_manager", "oAbcdefgh") == {"T1", "T2"}
    page = visit(cast.brand_manager).get("/members/?q=oAbcdefgh").content.decode()
    assert page.count(">restricted<") == 1
    listed = program(cast.brand_manager.acting_grant).get("/api/v1/members/").json()["members"]
    assert [one["member_no"] for one in listed if one["is_restricted"]] == ["T1"]
    load("members", head + "T2,,,wx2\n")
    assert found("brand_manager", "oAbcdefgh") == {"T1"}


@pytest.fixture
def alike(acme, load, within):
    """Return two members of a store who look like one, in brand tea, and of a sibling."""
    rows = (
        "{0}1,Li Wei,1380013800{1},,,1990-01-02,{2}-1\n"
        "{0}2,Li  WEI,1380013801{1},,,1990-01-02,{2}-1\n"
    )
    load("members", MEMBERS + rows.format("T", 1, "tea"))
    load("members", MEMBERS + rows.format("B", 2, "bakery"), brand="bakery")
    assert suggestions_refresh(tenant=acme) == 2
    with within():
        return dict(Profile.objects.values_list("member_no", "pk"))


def test_a_brand_decides_about_its_own_members_alone(acme, cast, alike, visit, within):
    tea, bakery = (
        visit(one).get("/persons/").content.decode()
        for one in (cast.brand_manager, cast.sibling_manager)
    )
    assert "T1</" in tea
    assert "B1</" not in tea
    assert "B1</" in bakery
    assert "T1</" not in bakery
    with within():
        numbers = {
            row.first.member_no: row.pk for row in PersonSuggestion.objects.select_related("first")
        }
    client = visit(cast.brand_manager)
    client.post("/persons/", {"suggestion": numbers["B1"], "act": "join"})
    with within():
        assert not PersonEntry.objects.exists()
    client.post("/persons/", {"suggestion": numbers["T1"], "act": "join"})
    client = visit(cast.sibling_manager)
    client.post("/persons/", {"suggestion": numbers["B1"], "act": "part"})
    assert decisions_apply(tenant=acme) == 2
    with within():
        person = dict(Profile.objects.values_list("member_no", "person_id"))
        own = dict(Profile.objects.values_list("member_no", "own_person_id"))
        assert person["T1"] == person["T2"]
        assert own["T1"] == own["T2"] == alike["T1"]
        assert person["B1"] != person["B2"]
    # Neither is suggested again.
    assert suggestions_refresh(tenant=acme) == 0
    # Whose members are not one's own nobody names, whatever stands in the entry.
    with within():
        PersonEntry.objects.create(
            brand_id=Brand.objects.get(code="tea").pk,
            what="join",
            profile_id=alike["T1"],
            first_side=[alike["T1"]],
            second_side=[alike["B1"]],
        )
    decisions_apply(tenant=acme)
    with within():
        assert PersonEntry.objects.latest("pk").state == "refused"
        assert PersonDecision.objects.count() == 2


def test_what_waits_is_read_by_who_sees_both_members(cast, alike, seeing, switch, rows_of):
    for mode, sees in (("member_max", 2), ("brand_max", 0), ("fan_max", 0)):
        if mode != "member_max":
            switch(mode)
        with seeing(cast.group_admin):
            assert PersonSuggestion.objects.count() == sees
            assert rows_of("SELECT count(*) FROM members_personsuggestion") == [(sees,)]
        for person, count in ((cast.brand_manager, 1), (cast.unit_manager, 2)):
            with seeing(person):
                assert PersonSuggestion.objects.count() == count
                assert rows_of("SELECT count(*) FROM members_personsuggestion") == [(count,)]


def test_a_merge_over_brands_is_told_to_who_sees_all_members_of_both(
    cast, load, seeing, switch, rows_of, visit, within
):
    load("members", MEMBERS + "T1,,13800138000,,,,\n")
    load("members", MEMBERS + "B1,,13800138000,,,,\n", brand="bakery")
    with within():
        pks = dict(Profile.objects.values_list("member_no", "pk"))
    for person, mode, count in (
        (cast.group_admin, "", 1),
        (cast.unit_manager, "", 1),
        (cast.brand_manager, "", 0),
        (cast.sibling_manager, "fan_max", 0),
        (cast.group_admin, "brand_max", 0),
    ):
        if mode:
            switch(mode)
        with seeing(person):
            assert PersonMerge.objects.count() == count
            assert rows_of("SELECT count(*) FROM members_personmerge") == [(count,)]
    # A brand's page of the person names its own members alone.
    page = visit(cast.brand_manager).get(f"/members/{pks['T1']}/person/").content.decode()
    assert "T1</" in page
    assert "B1</" not in page


def test_a_sibling_s_row_moves_no_brand_s_number_of_persons(acme, load, within):
    load("members", MEMBERS + "T1,,13800138000,,,,\nT2,,,t@x.cn,,,\n")
    tea = {"brand__code": "tea", "store": None}
    with within():
        assert PoolMetric.objects.get(**tea).persons == 2
    load("members", MEMBERS + "B1,,13800138000,t@x.cn,,,\n", brand="bakery")
    with within():
        assert len({row.person_id for row in Profile.objects.all()}) == 1
        assert PoolMetric.objects.get(**tea).persons == 2
    load("members", MEMBERS + "T3,,13800138000,t@x.cn,,,\n")
    with within():
        assert PoolMetric.objects.get(**tea).persons == 1


def test_a_change_of_the_rules_resolves_the_group_anew(acme, cast, load, visit, within):
    load("members", MEMBERS + "T1,,,t@x.cn,,,\nT2,,,t@x.cn,,,\n")
    client = visit(cast.group_admin)
    page = client.get("/persons/rules/")
    assert page.status_code == 200
    wanted = {}
    for form in page.context["forms"]:
        for name in form.fields:
            value = form.initial[name]
            if value is not False:
                wanted[f"{form.prefix}-{name}"] = "on" if value is True else value
    assert client.post("/persons/rules/", wanted).status_code == 302
    with within():
        assert not ResolutionJob.objects.exists()
    del wanted["email-is_linking"]
    assert client.post("/persons/rules/", wanted).status_code == 302
    assert resolutions_run(tenant=acme) == 1
    with within():
        assert len({row.person_id for row in Profile.objects.all()}) == 2
        job = ResolutionJob.objects.get()
        assert (job.state, job.percent) == ("done", 100)
        assert PersonMerge.objects.latest("pk").cause == "split"
    event = AuditEvent.objects.get(action="identityrule.change")
    assert event.changes == {"is_linking": [True, False]}
    wanted["email-trust"] = wanted["phone-trust"]
    assert client.post("/persons/rules/", wanted).status_code == 422
    assert visit(cast.analyst).post("/persons/rules/", wanted).status_code == 404


def test_a_worker_that_is_killed_goes_on_where_it_stopped(acme, cast, load, monkeypatch, within):
    from members.identity import whole

    load("members", "member_no\n" + "".join(f"T{number}\n" for number in range(5)))
    monkeypatch.setattr(whole, "AT_ONCE", 2)
    seen = []
    real = whole.touch_profiles

    def touch(cursor, profiles, params, **options):
        real(cursor, profiles, params, **options)
        cursor.execute("SELECT count(*) FROM touched_profile")
        seen.append(cursor.fetchone()[0])
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(whole, "touch_profiles", touch)
    with within():
        ResolutionJob.objects.create(brand_set="")
    with pytest.raises(KeyboardInterrupt):
        resolutions_run(tenant=acme)
    with within():
        assert ResolutionJob.objects.get().checkpoint > 0
    assert resolutions_run(tenant=acme) == 1
    assert seen == [2, 2, 2, 1, 0]


def test_a_card_counts_inside_a_brand_where_the_group_says_so(acme, load, within):
    from members.models import IdentityRule

    load("members", "member_no,card_no\nT1,1\nT2,1\n")
    load("members", "member_no,card_no\nB1,1\n", brand="bakery")
    with within():
        assert len({row.person_id for row in Profile.objects.all()}) == 1
    with within():
        IdentityRule.objects.create(
            kind="card",
            is_linking=True,
            trust=5,
            most_profiles=50,
            is_exclusive=False,
            is_group_wide=False,
        )
        ResolutionJob.objects.create(brand_set="")
    # What was keyed for the whole group is keyed anew from what is sealed.
    assert resolutions_run(tenant=acme) == 1
    load("members", "member_no,card_no\nB2,1\n", brand="bakery")
    with within():
        person = dict(Profile.objects.values_list("member_no", "person_id"))
    assert person["T1"] == person["T2"] != person["B1"] == person["B2"]


def test_no_name_or_number_is_kept_with_a_suggestion(alike, within, rows_of):
    with within():
        (row,) = rows_of("SELECT row_to_json(c)::text FROM members_contact c LIMIT 1")
    assert "Li" not in row[0]
    assert "1990" not in row[0]


def test_resolution_without_work_writes_nothing(acme, load, within, rows_of):
    load("members", MEMBERS + "T1,,13800138000,,u1,,\nT2,,13800138000,,u2,,\n")
    read = "SELECT ctid::text, xmin::text FROM members_profile ORDER BY id"
    with within():
        before = rows_of(read)
        locks.hold_answers()
        with connection.cursor() as cursor:
            identity.begin_touching(cursor)
            cursor.execute("INSERT INTO touched_profile SELECT id FROM members_profile")
        assert identity.resolve().profiles_moved == 0
        assert rows_of(read) == before
