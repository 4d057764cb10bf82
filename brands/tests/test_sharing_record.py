"""The sharing record: what the decisions opened, when, for whom; numbered and never changed."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone
from hypothesis import given, settings

from brands.facts import facts
from brands.models import Brand, ModeChange, Notice, NoticeEnding, SharingRecord
from brands.records.lines import HQ, lines
from brands.selectors import effective_modes, notice_terms
from brands.services import mode_change
from brands.tests import wall_rows
from brands.tests.test_wall_property import _CHANGES, HOUR, SHORT
from brands.wall import scope
from brands.wall.visibility import Kind, Sight, Viewer, decide
from members.models import AnswerMetric
from members.tests.pools import fill
from tenants.context import tenant_transaction
from tenants.models import AuditEvent


@pytest.fixture
def period() -> dict[str, str]:
    """Return the last month, up to today."""
    last = timezone.localdate()
    return {"first": (last - dt.timedelta(days=30)).isoformat(), "last": last.isoformat()}


# Each world is asked at many instants.
@settings(SHORT, max_examples=12)
@given(changes=_CHANGES)
def test_at_every_instant_the_lines_say_what_the_wall_showed(walled_acme, changes):
    """Compared with the wall's own table, asked instant by instant through the database."""
    places, now = walled_acme, timezone.now()
    with transaction.atomic():
        Brand.objects.update(created_at=now - 100 * HOUR)
        ModeChange.objects.update(effective_at=now - 99 * HOUR)
        Brand.objects.filter(code="spa").update(left_at=now - HOUR)
        notice = Notice.objects.order_by("pk").first()
        Notice.objects.filter(pk=notice.pk).update(effective_from=now - 2 * HOUR)
        NoticeEnding.objects.create(notice=notice, ends_at=now - HOUR / 2)
        for brand, mode, hours in changes:
            ModeChange.objects.create(
                brand_id=places.brands[brand] if brand else None,
                mode=mode,
                effective_at=now + hours * HOUR,
            )
        found = lines(facts(at=now), begin=now - 100 * HOUR, until=now)
        viewers = {HQ: Viewer(is_hq=True)}
        viewers |= {pk: Viewer(brands=frozenset({pk})) for pk in places.brands.values()}
        for halves in range(-8, 1):
            at = now + halves * HOUR / 2 + HOUR / 8 * (halves < 0)
            modes, terms = effective_modes(at=at), notice_terms(at=at)
            shown = {
                (line.brand_id, one, kind): (line.sight, line.notices)
                for line in found
                if line.since <= at and (line.until is None or line.until > at)
                for one in line.recipients
                for kind in line.kinds
            }
            for pk in places.brands.values():
                for one, viewer in viewers.items():
                    if one == pk:
                        continue
                    for kind in Kind:
                        cell = decide(viewer, pk, kind, modes, terms)
                        said = shown.get((pk, one, kind), (Sight.NONE, frozenset()))
                        assert said == (cell.sight, cell.notices), (at - now, pk, one, kind)
        transaction.set_rollback(True)


def _page(client, period) -> str:
    answer = client.get("/sharing-records/draft/", period)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_record_names_basis_approver_and_contract(acme, cast, visit, period):
    with tenant_transaction(acme):
        Brand.objects.update(created_at=timezone.now() - dt.timedelta(days=60))
        mode_change(mode="fan_max", acting_user=cast.second_admin, reason="Tried for a season")
    page = _page(visit(cast.group_admin), period)
    assert "second_admin" in page
    assert "Tried for a season" in page
    assert "Consent to notice 1" in page
    assert '<th scope="row">Provider</th>' in page
    assert "none: not issued yet" in page


def test_a_brand_reads_its_own_part_alone(acme, cast, visit, period):
    with tenant_transaction(acme):
        Brand.objects.update(created_at=timezone.now() - dt.timedelta(days=60))
        spa = Brand.objects.get(code="spa")
        mode_change(mode="fan_max", acting_user=None)
        mode_change(mode="brand_max", brand=spa, acting_user=cast.second_admin, reason="To be sold")
    assert "To be sold" in _page(visit(cast.group_admin), period)
    page = _page(visit(cast.brand_manager), period)
    assert "To be sold" not in page
    assert "second_admin" not in page
    # What the sibling shared with tea is there, and not with whom else.
    bakery = page.split("<h4>Bakery</h4>")[1].split("<h4>")[0]
    assert "Tea House" in bakery
    assert "Spa" not in bakery
    assert "HQ" not in bakery


def test_numbers_of_people_are_those_that_the_wall_lets_one_count(acme, cast, visit, period):
    fill(acme, "tea", members=12, orders=0, agreeing=12)
    with tenant_transaction(acme):
        Brand.objects.update(created_at=timezone.now() - dt.timedelta(days=60))
        mode_change(mode="fan_max", acting_user=None)
        with scope.bulk(reason="test"):
            tea = Brand.objects.get(code="tea")
            AnswerMetric.objects.filter(brand=tea).delete()
            AnswerMetric.objects.create(
                brand=tea,
                day=timezone.localdate(),
                state="given",
                answered_notice=Notice.objects.get(version="1"),
                people=12,
                counted_at=timezone.now(),
            )

    def people_of_tea(person) -> str:
        page = _page(visit(getattr(cast, person)), period)
        return page.split("<h4>Tea House</h4>")[1].split("</table>")[0]

    assert ">12<" in people_of_tea("group_admin")
    assert ">12<" in people_of_tea("brand_manager")
    with tenant_transaction(acme):
        mode_change(mode="brand_max", brand=tea, acting_user=None)
    # The time that is over is still told; how many people it was is not.
    said = people_of_tea("group_admin")
    assert ">12<" not in said
    assert "over" in said


def test_an_issued_record_is_numbered_dated_digested_and_does_not_change(
    acme, cast, visit, period, rows_of
):
    client = visit(cast.group_admin)
    for number in (1, 2):
        answer = client.post("/sharing-records/issue/", period)
        assert answer["Location"] == f"/sharing-records/{number}/"
    page = client.get("/sharing-records/1/").content.decode()
    with tenant_transaction(acme):
        first = SharingRecord.objects.get(number=1)
    assert str(first) in page
    assert first.digest in page
    assert "says what was issued" in page
    assert AuditEvent.objects.filter(action="sharing_record.issue").count() == 2
    # What is decided later is not in it.
    with tenant_transaction(acme):
        mode_change(mode="fan_max", acting_user=cast.second_admin, reason="Decided later")
    assert "Decided later" not in client.get("/sharing-records/1/").content.decode()
    assert "Decided later" in _page(client, period)
    # The table's owner can change it, and the page says that somebody did.
    with tenant_transaction(acme):
        first.content["group"] = "Another group"
        first.save()
    page = client.get("/sharing-records/1/").content.decode()
    assert "was changed after it was issued" in page
    assert "was changed after" not in client.get("/sharing-records/2/").content.decode()


def test_the_web_may_add_records_and_change_none(seeing, cast, in_acme):
    SharingRecord.objects.create(
        number=1, first_on=timezone.localdate(), last_on=timezone.localdate()
    )
    for statement in (
        "UPDATE brands_sharingrecord SET digest = ''",
        "DELETE FROM brands_sharingrecord",
    ):
        with (
            seeing(cast.group_admin),
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_a_record_of_one_brand_is_not_there_for_another(cast, visit, period):
    assert visit(cast.brand_manager).post("/sharing-records/issue/", period).status_code == 302
    statuses = {
        name: visit(getattr(cast, name)).get("/sharing-records/1/").status_code
        for name in ("brand_manager", "unit_manager", "group_admin", "sibling_manager", "guide")
    }
    assert statuses == {
        "brand_manager": 200,
        "unit_manager": 200,
        "group_admin": 200,
        "sibling_manager": 404,
        "guide": 404,
    }
    # The whole group's is HQ's alone, in the list as well.
    visit(cast.group_admin).post("/sharing-records/issue/", period)
    assert visit(cast.brand_manager).get("/sharing-records/2/").status_code == 404
    assert "/sharing-records/2/" in visit(cast.analyst).get("/sharing-records/").content.decode()
    listed = visit(cast.brand_manager).get("/sharing-records/").content.decode()
    assert "/sharing-records/1/" in listed
    assert "/sharing-records/2/" not in listed
    assert visit(cast.sibling_manager).get("/sharing-records/999/").status_code == 404


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-02-01", "2026-01-01", "first day is after the last"),
        ("2026-01-01", "2999-01-01", "not decided yet"),
        ("1999-01-01", "2026-01-01", "10 years at most"),
        ("x", "2026-01-01", "Enter a valid date"),
        ("", "", "required"),
    ],
)
def test_a_period_that_cannot_be_is_refused_in_words(cast, visit, first, last, words):
    client = visit(cast.group_admin)
    asked = {"first": first, "last": last}
    answer = client.get("/sharing-records/draft/", asked, follow=True)
    assert words in answer.content.decode()
    answer = client.post("/sharing-records/issue/", asked, follow=True)
    assert words in answer.content.decode()
    assert "No record was issued yet" in answer.content.decode()


def test_a_brand_that_joins_later_received_nothing_before(in_acme):
    now = timezone.now()
    Brand.objects.update(created_at=now - 10 * HOUR)
    mode_change(mode="fan_max", acting_user=None)
    ModeChange.objects.update(effective_at=now - 9 * HOUR)
    new = Brand.objects.create(code="new", name="New")
    Brand.objects.filter(pk=new.pk).update(created_at=now - HOUR)
    found = lines(facts(at=now), begin=now - 10 * HOUR, until=now)
    received = [line for line in found if new.pk in line.recipients]
    assert {line.since for line in received} == {now - HOUR}
    # No notice names it, so figures alone came to it.
    assert {kind for line in received for kind in line.kinds} == {Kind.METRICS}
    with connection.cursor() as cursor:
        old = wall_rows.Places.read(cursor).brands["tea"]
    assert any(Kind.PROFILE in line.kinds for line in found if old in line.recipients)
