"""Who sees what, and why: one function gives the answer and the chain it rests on."""

from __future__ import annotations

import datetime as dt
from itertools import product

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.http import http_date
from hypothesis import given, settings

from brands.facts import facts
from brands.models import Brand, ModeChange, Notice, NoticeEnding
from brands.parties import brand_party, hq_parties, store_party
from brands.selectors import effective_modes, notice_terms
from brands.services import mode_change
from brands.tests import wall_rows
from brands.tests.test_wall_property import _CHANGES, HOUR, SHORT
from brands.tests.test_wall_table import set_modes
from brands.wall.reasons import Step, explain
from brands.wall.visibility import Kind, Reason, Sight, Viewer, decide
from tenants.context import tenant_transaction
from tenants.models import Grant

HQ = Viewer(is_hq=True)
MODES = ("fan_max", "member_max", "brand_max")


# Each world is asked at many instants.
@settings(SHORT, max_examples=12)
@given(changes=_CHANGES)
def test_the_decisions_read_once_give_the_modes_and_notices_of_the_wall_at_every_instant(
    walled_acme, changes
):
    places, now = walled_acme, timezone.now()
    with transaction.atomic():
        for brand, mode, hours in changes:
            ModeChange.objects.create(
                brand_id=places.brands[brand] if brand else None,
                mode=mode,
                effective_at=now + hours * HOUR,
            )
        Brand.objects.filter(code="spa").update(left_at=now - HOUR)
        notice = Notice.objects.order_by("pk").first()
        NoticeEnding.objects.create(notice=notice, ends_at=now + HOUR)
        held = facts(at=now)
        for hours in range(-4, 3):
            at = now + hours * HOUR
            assert held.modes(at=at) == effective_modes(at=at)
            assert held.terms(at=at) == notice_terms(at=at)
        transaction.set_rollback(True)


@pytest.mark.parametrize("modes", product(MODES, MODES), ids=" and ".join)
def test_every_answer_is_the_tables_own_and_its_chain_ends_in_it(in_acme, modes):
    with connection.cursor() as cursor:
        places = wall_rows.Places.read(cursor)
    set_modes(places, *modes)
    held = facts()
    brands = list(held.brands.values())
    parties = [
        *hq_parties(),
        *(brand_party(one) for one in brands),
        *(store_party(one) for one in brands),
    ]
    modes_now, notices_now = effective_modes(), notice_terms()
    for party, brand, kind in product(parties, brands, Kind):
        answer = explain(viewer=party.viewer, brand_id=brand.pk, kind=kind, facts=held, reader=HQ)
        cell = decide(party.viewer, brand.pk, kind, modes_now, notices_now)
        assert answer.cell == cell
        last = answer.chain[-1]
        assert (last.step, last.opens) == (Step.RULE, cell.sight is not Sight.NONE)
        steps = [link.step for link in answer.chain]
        by_mode = cell.reason not in {
            Reason.OWN_BRAND,
            Reason.OWN_STORE,
            Reason.ROLE_WITHOUT_CONTACT,
            Reason.STORE_SEES_ITS_OWN,
        }
        assert (Step.MODE in steps) == by_mode
        # People who agreed are seen through a notice, and the chain names it.
        counted = [one for one in answer.chain if one.step is Step.NOTICE and one.opens]
        assert len(counted) == len(cell.notices)


def _answer(viewer: Viewer, brand: Brand, kind: Kind, reader: Viewer = HQ) -> list[str]:
    return [
        f"{one.step}: {one.words}"
        for one in explain(
            viewer=viewer, brand_id=brand.pk, kind=kind, facts=facts(), reader=reader
        ).chain
    ]


def test_the_chain_names_the_decision_the_notices_and_what_they_lack(in_acme):
    tea, bakery = (Brand.objects.get(code=code) for code in ("tea", "bakery"))
    mode_change(mode="fan_max", acting_user=None)
    narrow = Notice.objects.create(version="2", title="Tea alone", covers_contact=False)
    narrow.recipients.set([tea])
    ended = Notice.objects.create(
        version="3", title="Over", ends_at=timezone.now() - dt.timedelta(hours=1)
    )
    ended.recipients.set([bakery])
    Notice.objects.filter(pk=narrow.pk).update(names_group=True)
    said = "\n".join(_answer(Viewer(brands=frozenset({bakery.pk})), tea, Kind.PROFILE))
    assert "mode: Tea House is Fan-maximizing, as the group is." in said
    assert "mode: Bakery is Fan-maximizing, as the group is." in said
    assert "“1 – Group notice” names the recipient and covers" in said
    assert "“2 – Tea alone” does not name this recipient." in said
    assert "“3 – Over” is ended." in said
    said = "\n".join(_answer(HQ, tea, Kind.CONTACT))
    assert "“2 – Tea alone” names the recipient, and does not cover this kind" in said


def test_why_hq_keeps_a_brand_apart_is_told_to_the_two_of_them_alone(in_acme, cast):
    tea, bakery = (Brand.objects.get(code=code) for code in ("tea", "bakery"))
    mode_change(mode="brand_max", brand=tea, acting_user=cast.second_admin)
    sibling, own = (Viewer(brands=frozenset({one.pk})) for one in (bakery, tea))
    told = {
        name: "second_admin" in "\n".join(_answer(sibling, tea, Kind.PROFILE, reader))
        for name, reader in (("HQ", HQ), ("own", own), ("sibling", sibling))
    }
    assert told == {"HQ": True, "own": True, "sibling": False}


def test_a_brand_that_left_is_said_to_have_left(in_acme):
    tea = Brand.objects.get(code="tea")
    mode_change(mode="fan_max", acting_user=None)
    assert "has left" not in "\n".join(_answer(HQ, tea, Kind.PROFILE))
    Brand.objects.filter(pk=tea.pk).update(left_at=timezone.now())
    said = "\n".join(_answer(HQ, tea, Kind.PROFILE))
    assert "left: Tea House has left the group" in said


# --- The page ------------------------------------------------------------------------------------


def test_hq_asks_about_any_two_and_a_brand_about_its_own_side(cast, visit):
    asked = "/visibility/?who=brand:{}&of={}&kind=profile"
    hq, tea = visit(cast.group_admin), visit(cast.brand_manager)
    for client, who, of, status in (
        (hq, "bakery", "spa", 200),
        (tea, "bakery", "tea", 200),
        (tea, "tea", "bakery", 200),
        (hq, "nobody", "spa", 404),
        (hq, "bakery", "nothing", 404),
    ):
        answer = client.get(asked.format(who, of))
        assert answer.status_code == status, (who, of)
        if status == 200:
            assert "s-chain" in answer.content.decode()
    assert tea.get("/visibility/?who=hq&of=tea&kind=contact").status_code == 200
    assert hq.get("/visibility/?who=hq&of=tea&kind=secrets").status_code == 404


@pytest.mark.parametrize("pair", ["who=brand:bakery&of=spa", "who=analyst&of=spa", "who=hq&of=spa"])
def test_a_brand_that_asks_about_two_others_is_told_what_it_may_ask(cast, visit, pair):
    """The page offers whoever looks and whose data apart, so that such a pair is easily chosen."""
    page = visit(cast.brand_manager).get(f"/visibility/?{pair}&kind=contact")
    assert page.status_code == 200
    assert "You may ask about your own side" in page.content.decode()
    assert "s-chain" not in page.content.decode()
    assert page.context["answer"] is page.context["then"] is None
    assert "s-chain" in visit(cast.group_admin).get(f"/visibility/?{pair}&kind=contact").text


def test_one_s_own_answer_names_grant_and_contract(cast, visit):
    asked = "/visibility/?who=me&of=tea&kind=contact"
    page = visit(cast.provider_operator).get(asked).content.decode()
    assert "Provider&#x27;s contract: Operate; without contact data." in page
    assert "contract does not include contact data" in page
    page = visit(cast.brand_manager).get(asked).content.decode()
    assert "You act as Brand manager · Tea House." in page
    assert "contract" not in page.split('id="answer"')[1].split("</section>")[0]


def test_a_brand_s_table_shows_no_answer_between_two_others(cast, visit, acme):
    with tenant_transaction(acme):
        mode_change(mode="fan_max", brand=Brand.objects.get(code="spa"), acting_user=None)
    page = visit(cast.brand_manager).get("/visibility/?of=spa").content.decode()
    assert 'id="viewers"' not in page
    page = visit(cast.brand_manager).get("/visibility/?of=tea").content.decode()
    assert 'id="viewers"' in page


def test_an_old_bookmark_answers_like_an_absent_page_once_the_grant_has_ended(cast, visit):
    client = visit(cast.brand_manager)
    bookmark = "/visibility/?who=me&of=tea&kind=profile"
    assert client.get(bookmark).status_code == 200
    Grant.objects.filter(user=cast.brand_manager).update(valid_until=timezone.now())
    gone = client.get(bookmark)
    assert gone.status_code == 404
    assert "Tea House" not in gone.content.decode()


def test_no_answer_is_kept_by_a_browser_or_compared_by_a_tag(cast, visit):
    for path in ("/visibility/?who=me&of=tea&kind=profile", "/sharing-records/"):
        answer = visit(cast.brand_manager).get(path)
        assert set(answer["Cache-Control"].split(", ")) == {"private", "no-store"}
        assert "ETag" not in answer
        assert "Last-Modified" not in answer


def test_a_page_kept_from_before_a_switch_is_never_said_to_be_still_good(cast, visit, acme):
    client, path = visit(cast.group_admin), "/visibility/?who=hq&of=tea&kind=profile"
    assert "Member-maximizing" in client.get(path).content.decode()
    with tenant_transaction(acme):
        mode_change(mode="brand_max", acting_user=None)
    asked = {
        "if-none-match": "*",
        "if-modified-since": http_date((timezone.now() + dt.timedelta(hours=1)).timestamp()),
    }
    again = client.get(path, headers=asked)
    assert again.status_code == 200
    assert "HQ sees figures without small cells, and no person" in again.content.decode()


def test_the_table_asks_as_little_of_thirty_brands_as_of_six(cast, visit, acme, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    client = visit(cast.group_admin)
    counted = []
    for code, number in (("a", 3), ("b", 24)):
        with tenant_transaction(acme):
            Brand.objects.bulk_create(
                Brand(code=f"{code}{one:02}", name=f"Brand {code}{one}") for one in range(number)
            )
        with CaptureQueriesContext(connection) as queries:
            page = client.get("/visibility/").content.decode()
        counted.append(len(queries))
    assert counted[0] == counted[1]
    # Those who see the same stand together, so that thirty fit on a screen.
    assert "and 25 more" in page
