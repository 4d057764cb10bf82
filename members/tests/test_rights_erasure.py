"""Erasing people: nothing tells of them any more, and of nobody else anything is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from members import contacts, folders
from members.figures import compare
from members.keys import group_keys
from members.models import (
    ConsentEvidence,
    ExportJob,
    ImportJob,
    Order,
    Person,
    PersonRequest,
    Profile,
)
from members.rights.work import rights_run
from tenants.models import AuditEvent, Grant

HEADINGS = "member_no,name,phone,email,card_no,unionid,birthday,registered_on,consent,consented_on"
ORDERS = "order_no,line_no,member_no,store_code,ordered_at,product_name,amount"


def identifiers(number: int) -> dict[str, str]:
    """Return what one invented member is found by; no two of it are alike."""
    return {
        "member_no": f"NO-{number:06}",
        "name": f"Zaphod{number:06}",
        "phone": f"138{number:08}",
        "email": f"zaphod.{number:06}@example.com",
        "card_no": f"CARD{number:08}",
        "unionid": f"oUnion{number:020}",
    }


def rows(numbers: range, extra: str = "1990-05-17,2024-01-02,1,2026-11-21") -> str:
    lines = [f"{','.join(identifiers(number).values())},{extra}" for number in numbers]
    return "\n".join([HEADINGS, *lines]) + "\n"


def ask(cast, numbers: range | list[int], what: str = "erasure", brand: str = "tea", **fields):
    """Hand in a request for each member, checked already, as the brand's manager would."""
    grant = Grant.objects.get(user=cast.brand_manager)
    wanted = [identifiers(number)["member_no"] for number in numbers]
    found = Profile.objects.filter(brand__code=brand, member_no__in=wanted)
    return PersonRequest.objects.bulk_create(
        PersonRequest(
            brand_id=profile.brand_id,
            what=what,
            profile_id=profile.pk,
            received_through="store",
            checked="document",
            due_at=timezone.now(),
            entered_by=cast.brand_manager,
            grant_id=grant.pk,
            **fields,
        )
        for profile in found.order_by("pk")
    )


def dump() -> str:
    """Return every row of the group's schema and of the public one, as a dump writes them."""
    parts = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname IN ('acme', 'public')"
        )
        for (table,) in cursor.fetchall():
            with cursor.copy(f"COPY (SELECT * FROM {table}) TO STDOUT") as copy:
                parts += [bytes(block).decode() for block in copy]
    return "".join(parts)


def media() -> str:
    found = [path.read_bytes() for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    return b"".join(found).decode("utf-8", "replace")


_SHAPES = re.compile(
    r"NO-(\d{6})|Zaphod(\d{6})|138(\d{8})|zaphod\.(\d{6})@|CARD(\d{8})|oUnion(\d{20})"
)


def keys_of(number: int, keys) -> set[str]:
    """Return the keys that a member is found by, in hex."""
    known = identifiers(number)
    pairs = [("phone", f"+86{known['phone']}"), ("email", known["email"])]
    pairs += [("card", known["card_no"]), ("unionid", known["unionid"])]
    return {contacts.identity_key(keys, kind, text).hex() for kind, text in pairs}


def found_in(text: str, numbers: range, keys) -> dict[str, int]:
    """Return of how many members an identifier in clear, or all keys in hex, or one, is there."""
    clear = {int(next(filter(None, match))) for match in _SHAPES.findall(text)}
    hexes = set(re.findall(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", text))
    hashed = [keys_of(number, keys) for number in numbers]
    return {
        "clear": len(clear & set(numbers)),
        "some key": sum(bool(one & hexes) for one in hashed),
        "all keys": sum(one <= hexes for one in hashed),
    }


@pytest.fixture
def export_file(cast, in_acme):
    """Return what makes an export's file that holds some text."""

    def make(text: str, **filters: str) -> Path:
        grant = Grant.objects.get(user=cast.brand_manager)
        path = folders.fresh_path("exports", "acme", grant.pk)
        place = folders.own_file(path, "exports", "acme", grant.pk)
        folders.make_folder(place)
        place.write_text(text)
        ExportJob.objects.create(
            grant_id=grant.pk,
            created_by=cast.brand_manager,
            filters=contacts.seal(group_keys(), filters),
            language="en",
            visible_digest="x",
            state=ExportJob.State.DONE,
            path=path,
        )
        return place

    return make


def test_of_a_thousand_erased_nothing_is_left_and_of_a_thousand_others_everything(
    importer, cast, export_file
):
    gone, kept = range(1000), range(1000, 2000)
    importer.members(rows(range(2000)))
    lines = [
        f"O{number},1,{identifiers(number)['member_no']},tea-1,2026-11-0{number % 9 + 1},Tea,10.00"
        for number in (*range(200), *range(1000, 1200))
    ]
    importer.orders("\n".join([ORDERS, *lines]))
    # Files that hold some of them: rejected rows, an upload that waits, an export.
    bad = [rows(range(n, n + 1), "never,,,").splitlines()[1] for n in (3, 1003)]
    rejected = importer.members("\n".join([HEADINGS, *bad]))
    waiting = importer.create("members", rows(range(5, 6)), is_mapped_later=True)
    other = importer.create("members", rows(range(1005, 1006)), is_mapped_later=True)
    theirs = export_file(identifiers(7)["phone"] + ",x", q=identifiers(7)["phone"])
    others = export_file(identifiers(1007)["phone"] + ",x")
    keys = group_keys()
    before = dump() + media()
    everything = {"clear": 1000, "some key": 1000, "all keys": 1000}
    assert found_in(before, gone, keys) == found_in(before, kept, keys) == everything
    sales = Order.objects.values_list("order_no", "amount", "lines")
    sold = sorted(sales)

    requests = ask(cast, gone)
    assert rights_run(tenant=importer.tenant, at_once=400) == 1000

    after = dump() + media()
    assert found_in(after, gone, keys) == {"clear": 0, "some key": 0, "all keys": 0}
    assert found_in(after, kept, keys) == everything
    assert Profile.objects.count() == Person.objects.count() == 1000
    # The law has orders kept: of nobody, in the same sums.
    assert sorted(sales) == sold
    assert Order.objects.filter(profile=None).count() == 200
    assert set(compare(tenant=importer.tenant).values()) == {0}
    assert ConsentEvidence.objects.count() == 1000
    assert [row["line"] for row in importer.rejected(rejected)] == ["3"]
    waiting.refresh_from_db(), other.refresh_from_db()
    assert (waiting.state, other.state) == (ImportJob.State.CANCELLED, ImportJob.State.UPLOADED)
    assert (theirs.exists(), others.exists()) == (False, True)
    first = PersonRequest.objects.get(pk=requests[0].pk)
    assert first.state == PersonRequest.State.DONE
    assert first.certificate["counts"]["members.Profile"] == 1
    assert AuditEvent.objects.filter(action="personrequest.certify").count() == 1000
