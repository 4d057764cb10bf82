"""A preview counts what a real change then does, and tells nothing that may not be counted."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from brands.changes import registry, setup
from brands.changes.differences import differences, is_within, opens, sides
from brands.changes.figures import Cutter, figure, total
from brands.changes.preview import count_change
from brands.changes.registry import Affected
from brands.models import Brand, ChannelAccount, ModePreview, Notice
from brands.modes import Mode
from brands.selectors import effective_modes, notice_terms
from brands.services import mode_change
from brands.tests import oracle
from brands.wall import scope
from brands.wall.visibility import Cell, Kind, NoticeTerms, Reason, Sight, decide, visibility
from members.models import Contact, Profile
from members.tests.pools import fill
from tenants.context import tenant_transaction

MODES = list(Mode)
NOBODY = Cutter(frozenset(), 10)


def _seen(tables: dict[Kind, list[Any]]) -> dict[tuple, set]:
    """Return (side, brand, kind) → keys of the rows that each side reads, as the app role."""
    modes, notices = effective_modes(), notice_terms()
    found: dict[tuple, set] = {}
    for side in sides(modes):
        with scope.open(visibility(side.viewer, modes, notices)), connection.cursor() as cursor:
            for kind, models in tables.items():
                for model in models:
                    cursor.execute(f'SELECT brand_id, {_key(model)} FROM "{model._meta.db_table}"')
                    for brand, key in cursor.fetchall():
                        rows = found.setdefault((side.brand_id, brand, str(kind)), set())
                        rows.add((model.__name__, key))
    return found


def _key(model: Any) -> str:
    return f'"{model._meta.pk.column}"'


@pytest.mark.parametrize(
    ("start", "brand", "mode"),
    [
        (("member_max",) * 3, None, "fan_max"),
        (("fan_max",) * 3, "spa", "brand_max"),
        (("fan_max", "brand_max", "fan_max"), "bakery", "fan_max"),
        (("fan_max", "member_max", "brand_max"), "tea", "member_max"),
    ],
)
def test_the_counts_are_the_rows_that_open_and_close_in_the_database(
    walled_acme, start, brand, mode
):
    # Notices that carry the rows' numbers, one for each sort of recipient.
    for pk, (names_group, recipients) in zip(
        (901, 902, 903), [(True, ["tea"]), (False, ["tea", "spa"]), (True, [])], strict=True
    ):
        notice = Notice.objects.create(
            pk=pk,
            version=str(pk),
            title="N",
            names_group=names_group,
            covers_contact=pk != 903,
            covers_activity=pk == 902,
        )
        notice.recipients.set(Brand.objects.filter(code__in=recipients))
    for code, held in zip(("tea", "bakery", "spa"), start, strict=True):
        mode_change(mode=held, brand=Brand.objects.get(code=code), acting_user=None)
    if brand is None:
        for code in ("tea", "bakery", "spa"):
            mode_change(mode="", brand=Brand.objects.get(code=code), acting_user=None)
    wished = Brand.objects.get(code=brand) if brand else None
    with scope.bulk(reason="test"):
        counted = count_change(
            brand_id=wished.pk if wished else None, mode=mode, at=None, cutter=NOBODY
        )
    before = _seen(registry.counted_models)
    mode_change(mode=mode, brand=wished, acting_user=None)
    after = _seen(registry.counted_models)
    expected = {}
    for key in {*before, *after}:
        was, will = before.get(key, set()), after.get(key, set())
        if was != will:
            expected[key] = (len(will - was), len(was - will))
    found = {
        (cell["side"], cell["brand"], cell["kind"]): (cell["opened"], cell["closed"])
        for cell in counted.result["cells"]
        if cell["opened"] or cell["closed"]
    }
    assert found == expected
    assert expected, "a preview of nothing proves nothing"


def test_persons_who_have_not_agreed_are_counted_once_per_brand(acme, in_acme):
    fill(acme, "tea", members=20, agreeing=8)
    # The same persons again in other profiles of the brand: three of them agree there.
    with scope.bulk(reason="test"):
        tea, notice = Brand.objects.get(code="tea"), Notice.objects.first()
        for number in range(7, 12):
            Profile.objects.create(
                brand=tea, person_id=900_000 + number, member_no=f"X{number}", notice=notice
            )
        result = count_change(brand_id=None, mode="fan_max", at=None, cutter=NOBODY).result
    rows = {(row["side"], row["brand"]): row for row in result["persons"]}
    for side in (None, Brand.objects.get(code="spa").pk):
        assert rows[side, tea.pk]["persons"] == 20
        assert rows[side, tea.pk]["lacking"] == 20 - 11
    bakery = Brand.objects.get(code="bakery")
    assert rows[None, bakery.pk]["lacking"] == 0


def test_small_cells_of_brands_in_brand_max_stay_out_of_the_preview(acme, cast, steps, seeing):
    with tenant_transaction(acme):
        mode_change(mode="brand_max", brand=Brand.objects.get(code="spa"), acting_user=None)
    fill(acme, "spa", members=14, agreeing=11, orders=1)
    draft = steps.draft("fan_max", "spa")
    first = steps.previews(draft)[-1].result
    # One person more: no figure tells that there is one more.
    fill(acme, "spa", members=1, agreeing=1, first=500, orders=1)
    second = steps.again(draft).result
    spa = next(pk for pk, row in first["brands"].items() if row["code"] == "spa")
    for result in (first, second):
        opening = [row for row in result["cells"] if row["brand"] == int(spa) and row["opens"]]
        assert opening
        averages = [row["opened"] for row in opening if row["after"] == "averages"]
        assert averages == [0] * len(averages)
        kept = [row["opened"] for row in opening if row["after"] != "averages"] + [
            row[name] for row in result["persons"] for name in ("persons", "lacking")
        ]
        assert all(one["from"] % 10 == 0 for one in kept)
        contacts = next(row for row in opening if row["kind"] == "contact" and not row["side"])
        assert contacts["opened"] == {"from": 10}
        # Three have not agreed: under ten, and not more than that.
        assert figure(result["persons"][0]["lacking"]).is_small
    assert [row["opened"] for row in first["cells"] if row["kind"] != "metrics"] == [
        row["opened"] for row in second["cells"] if row["kind"] != "metrics"
    ]
    assert first["persons"] == second["persons"]
    assert "14" not in json.dumps([first["persons"], first["cells"]]).replace('"', " ").split()


def test_figures_of_other_brands_are_exact_beside_a_cut_one(acme, cast, steps):
    fill(acme, "tea", members=14, agreeing=11, orders=1)
    draft = steps.draft("fan_max", "tea")
    row = next(
        row
        for row in steps.previews(draft)[-1].result["cells"]
        if row["kind"] == "contact" and row["side"] is None
    )
    assert row["opened"] == 11


@given(st.lists(st.integers(0, 60), min_size=2, max_size=6), st.integers(2, 12))
@settings(max_examples=60, deadline=None)
def test_no_cut_figure_nor_a_difference_of_two_names_a_count_below_k(counts, k):
    cutter = Cutter(frozenset({1}), k)
    kept = [figure(cutter.kept(count, 1)) for count in counts]
    for count, one in zip(counts, kept, strict=True):
        assert one.least <= count < one.least + k
        assert one.is_small == (count < k)
    for one, other in product(kept, kept):
        # Each stands for k counts: their difference is never known within fewer than k.
        assert (one.least - other.least) % k == 0
    assert total(cutter.kept(count, 1) for count in counts).least <= sum(counts)
    assert total([cutter.kept(counts[0], 2)]).is_exact


def test_a_preview_is_read_in_the_modes_of_its_day_only(acme, cast, visit, steps, seeing):
    fill(acme, "spa", members=3, agreeing=2, orders=1)
    draft = steps.draft("fan_max")
    with seeing(cast.group_admin):
        assert ModePreview.objects.count() == 1
    with seeing(cast.brand_manager):
        assert ModePreview.objects.count() == 0
    with tenant_transaction(acme):
        mode_change(mode="brand_max", brand=Brand.objects.get(code="spa"), acting_user=None)
    with seeing(cast.group_admin), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM brands_modepreview")
        assert cursor.fetchone() == (0,)
    page = visit(cast.group_admin).get(f"/mode/drafts/{draft.pk}/").content.decode()
    assert "made in other modes than today" in page


def test_samples_are_real_and_masked_only_where_the_reader_reads_them_today(
    acme, cast, visit, steps
):
    fill(acme, "spa", members=12, agreeing=12, orders=1)
    draft = steps.draft("fan_max", "spa")
    text = visit(cast.group_admin).get(f"/mode/drafts/{draft.pk}/").content.decode()
    samples = text[text.index("What such rows look like") :]
    # Member-max: HQ reads profiles without names, and neither contact data nor orders.
    assert "S●●●2" in samples
    assert "SPA-12" not in samples
    assert "Person" not in samples
    assert "P***" not in samples
    assert samples.count("shape only") == 3
    with tenant_transaction(acme):
        mode_change(mode="fan_max", brand=Brand.objects.get(code="spa"), acting_user=None)
    draft = steps.draft("member_max", "spa")
    text = visit(cast.group_admin).get(f"/mode/drafts/{draft.pk}/").content.decode()
    samples = text[text.index("What such rows look like") :]
    assert "****" in samples
    assert "Person Number" not in samples
    assert "shape only" not in samples
    # An analyst never handles contact data.
    text = visit(cast.analyst).get(f"/mode/drafts/{draft.pk}/").content.decode()
    assert "****" not in text[text.index("What such rows look like") :]


def test_a_preview_that_fails_says_so_and_can_be_made_again(acme, cast, visit, steps, monkeypatch):
    draft = steps.draft("fan_max", "spa")

    def broken(before: object, after: object) -> list:
        raise LookupError("of 13800000001")

    monkeypatch.setitem(registry.affected_counters, "x", registry.AffectedCounter("x", "X", broken))
    with pytest.raises(AssertionError, match="LookupError"):
        steps.again(draft)
    page = visit(cast.group_admin).get(f"/mode/drafts/{draft.pk}/").content.decode()
    assert "13800000001" not in page
    assert "could not be made (LookupError)" in page
    monkeypatch.setitem(
        registry.affected_counters,
        "x",
        registry.AffectedCounter(
            "x", "Segments", lambda before, after: [Affected(3, "lose recipients")]
        ),
    )
    steps.again(draft)
    page = visit(cast.group_admin).get(f"/mode/drafts/{draft.pk}/").content.decode()
    assert "Segments" in page
    assert "lose recipients" in page


def test_what_a_modes_channels_need_is_named_until_it_is_there(in_acme):
    tea, bakery = Brand.objects.get(code="tea"), Brand.objects.get(code="bakery")
    after = {one.pk: Mode.FAN_MAX for one in (tea, bakery)}

    def codes(moved: list[Brand], modes: dict[int, Mode]) -> set[str]:
        return {one.code for one in setup.missing([one.pk for one in moved], modes)}

    def account(kind: str, brand: Brand | None, **fields: str) -> ChannelAccount:
        number = ChannelAccount.objects.count()
        return ChannelAccount.objects.create(
            kind=kind, brand=brand, name=f"{kind} {number}", external_id=str(number), **fields
        )

    assert codes([tea], after) == {"no_hub", "no_corp"}
    own = account("mini_program", tea)
    assert codes([tea], after) == {"no_hub", "no_corp", "no_open_platform"}
    account("mini_program", None, part="hub", open_platform_account="op1")
    ChannelAccount.objects.filter(pk=own.pk).update(open_platform_account="op2")
    account("wecom", tea)
    account("wecom", bakery)
    assert codes([tea], after) == {"several_open_platforms", "corps_apart"}
    ChannelAccount.objects.filter(pk=own.pk).update(open_platform_account="op1")
    with scope.bulk(reason="test"):
        ChannelAccount.objects.filter(kind="wecom", brand=bakery).delete()
    assert codes([tea], after) == set()
    closed = {tea.pk: Mode.BRAND_MAX, bakery.pk: Mode.MEMBER_MAX}
    assert codes([bakery], closed) == {"no_mini_program", "no_own_corp"}
    assert codes([tea], closed) == {"shared_open_platform"}
    assert codes([tea], {**closed, tea.pk: Mode.MEMBER_MAX}) == set()


SIGHTS = [Sight.ALL, Sight.CONSENTED, Sight.SUPPRESSED, Sight.AVERAGES, Sight.NONE]


@given(
    before=st.tuples(*[st.sampled_from(MODES)] * 3),
    after=st.tuples(*[st.sampled_from(MODES)] * 3),
    notices=st.lists(
        st.tuples(st.booleans(), st.frozensets(st.sampled_from([1, 2, 3]))), max_size=3
    ),
)
@settings(max_examples=150, deadline=None)
def test_a_change_that_only_closes_shows_nobody_a_row_they_did_not_see(before, after, notices):
    kinds = frozenset({Kind.PROFILE, Kind.CONTACT, Kind.ACTIVITY})
    terms = [
        NoticeTerms(number, group, brands, kinds)
        for number, (group, brands) in enumerate(notices, start=10)
    ]
    old, new = (dict(zip((1, 2, 3), modes, strict=True)) for modes in (before, after))
    worlds = [
        oracle.World(
            {brand: str(mode) for brand, mode in modes.items()},
            {
                one.id: oracle.Notice(one.names_group, one.brands, frozenset(map(str, one.kinds)))
                for one in terms
            },
        )
        for modes in (old, new)
    ]
    rows = [
        oracle.Row(brand, store, notice, count)
        for brand in (1, 2, 3)
        for store in (None, 7)
        for notice in (None, *[one.id for one in terms])
        for count in (3, 30)
    ]
    viewers = [oracle.Viewer("HQ", hq=True)] + [
        oracle.Viewer(str(brand), brands=frozenset({brand})) for brand in (1, 2, 3)
    ]
    new_rows = [
        (viewer.name, kind, row)
        for viewer, kind, row in product(viewers, map(str, Kind), rows)
        if oracle.may_read(worlds[1], viewer, kind, row)
        and not oracle.may_read(worlds[0], viewer, kind, row)
    ]
    if not opens([old], new, terms):
        assert new_rows == []
    elif not new_rows:
        # Averages open without a row of their own.
        opened = [one for one in differences(old, new, terms) if one.opens]
        assert {one.after.sight for one in opened} == {Sight.AVERAGES}


def test_a_part_is_told_from_a_whole(in_acme):
    def cell(sight: Sight, *notices: int) -> Cell:
        return Cell(sight, Reason.HQ_FAN_MAX, frozenset(notices))

    assert is_within(cell(Sight.CONSENTED, 1), cell(Sight.CONSENTED, 1, 2))
    assert not is_within(cell(Sight.CONSENTED, 1, 2), cell(Sight.CONSENTED, 1))
    assert not is_within(cell(Sight.AVERAGES), cell(Sight.NONE))
    modes = effective_modes()
    brand = next(iter(modes))
    for side in sides(modes):
        own = decide(side.viewer, brand, Kind.PROFILE, modes, notice_terms())
        assert is_within(own, own)
    assert Contact in registry.counted_models[Kind.CONTACT]
