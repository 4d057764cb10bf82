"""Which value wins is a rule of the import, and does not hang on which file came first."""

import datetime as dt
import os

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brands.models import Brand
from members.contacts import unseal
from members.imports.errors import ImportRefused
from members.imports.rules import NEWEST, PRIORITY, Rules, clean, words
from members.keys import group_keys
from members.models import Contact, ImportJob, ImportSource, Profile

HEAD = "member_no,name,phone,gender,store_code,updated_at\n"
EXAMPLES = int(os.environ.get("RULES_EXAMPLES", "6"))


@pytest.fixture
def sources(importer):
    """Return two sources, of low and of high rank."""
    tea = Brand.objects.get(code="tea")
    return [ImportSource.objects.create(brand=tea, name=str(rank), rank=rank) for rank in (1, 5)]


@pytest.fixture
def state():
    """Return a function: member number → all that is kept of it."""

    def read():
        contacts = {c.profile_id: unseal(group_keys(), c) for c in Contact.objects.all()}
        return {
            p.member_no: (
                *(p.gender, p.store and p.store.code, p.as_of, p.source_rank),
                contacts.get(p.pk),
            )
            for p in Profile.objects.select_related("store")
        }

    return read


def brought(importer, text, **rules):
    """Import members by rules."""
    source = rules.pop("source", None)
    return importer.run(importer.create("members", text, rules=rules, source=source))


def row(*cells, day=""):
    """Return a file of one member."""
    return HEAD + ",".join(("M1", *cells, day)) + "\n"


def test_an_older_row_changes_nothing(importer, state):
    brought(importer, row("张伟", "13800138001", "male", "tea-1", day="2026-03-01"))
    before = state()
    job = brought(importer, row("张芳", "13800138002", "female", "tea-2", day="2026-02-01"))
    assert (job.rows_unchanged, state()) == (1, before)
    job = brought(importer, row("张芳", "13800138002", "female", "tea-2", day="2026-03-02"))
    assert job.rows_updated == 1
    assert state()["M1"][0] == "f"


def test_a_file_without_instants_is_of_when_it_was_uploaded(importer, state):
    first, second = (
        importer.create("members", f"member_no,gender\nM1,{gender}\n")
        for gender in ("male", "female")
    )
    importer.run(second)
    assert importer.run(first).rows_unchanged == 1
    assert state()["M1"][0] == "f"
    # The same again writes nothing, also where it could say something of a later instant.
    assert importer.members("member_no,gender\nM1,female\n").rows_unchanged == 1


def test_an_empty_cell_blanks_or_leaves_what_is_stored(importer, state):
    full = row("张伟", "13800138001", "male", "tea-1")
    brought(importer, full)
    brought(importer, row("", "", "", ""), keeps_filled=True)
    assert state()["M1"][:2] == ("m", "tea-1")
    assert state()["M1"][4] == {"name": "张伟", "phone": "+8613800138001"}
    brought(importer, row("", "", "", ""))
    assert (state()["M1"][:2], state()["M1"][4]) == (("", None), {})


def test_contact_data_wins_by_the_same_rules(importer, state, sources):
    high, low = sources[1], sources[0]
    brought(importer, row("张伟", "13800138001", "male", "tea-1", day="2026-03-01"), source=high)
    by = {"wins": PRIORITY}

    def contact(text, **options):
        job = importer.run(importer.create("contacts", text, **options))
        return job.rows_updated, state()["M1"][-1]

    assert contact("member_no,phone,updated_at\nM1,13900139001,2026-02-01\n")[1] == {
        "name": "张伟",
        "phone": "+8613800138001",
    }
    text = "member_no,phone,email\nM1,13900139001,a@b.cn\n"
    found = {"name": "张伟", "phone": "+8613800138001", "email": "a@b.cn"}
    assert contact(text, source=low, rules=by) == (1, found)
    assert contact(text, source=low, rules=by) == (0, found)
    assert contact("member_no,phone\nM1,\n", rules={"keeps_filled": True}) == (0, found)
    assert contact("member_no,phone\nM1,13900139002\n")[1]["phone"] == "+8613900139002"


def test_a_source_of_lower_rank_only_fills_what_is_empty(importer, state, sources):
    low, high = sources
    brought(importer, row("张伟", "", "male", ""), wins=PRIORITY, source=high)
    brought(importer, row("张芳", "13800138001", "female", "tea-1"), wins=PRIORITY, source=low)
    kept = state()["M1"]
    assert (kept[:2], kept[3]) == (("m", "tea-1"), 5)
    assert kept[4] == {"name": "张伟", "phone": "+8613800138001"}
    again = brought(importer, row("张芳", "13800138001", "female", ""), wins=PRIORITY, source=low)
    assert again.rows_unchanged == 1


def cells_of(*values):
    """Return what a cell may say: nothing, or one of these."""
    return st.sampled_from(("", *values))


ROWS = st.lists(
    st.tuples(
        cells_of("张伟", "李娜"),
        cells_of("13800138001", "13800138002"),
        cells_of("male", "female"),
        cells_of("tea-1", "tea-2"),
    ),
    min_size=2,
    max_size=2,
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS, wins=st.sampled_from([NEWEST, PRIORITY]), keeps=st.booleans())
def test_two_files_end_in_one_state_whichever_comes_first(
    importer, state, sources, rows, wins, keeps
):
    days = ("2026-02-01", "2026-03-01") if wins == NEWEST else ("", "")
    ends = []
    # Both uploads are of one instant, so that nothing but rules can tell them apart.
    uploaded_at = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
    for order in ((0, 1), (1, 0)):
        point = transaction.savepoint()
        for place in order:
            job = importer.create(
                "members",
                row(*rows[place], day=days[place]),
                rules={"wins": wins, "keeps_filled": keeps},
                source=sources[place],
            )
            ImportJob.objects.filter(pk=job.pk).update(created_at=uploaded_at)
            importer.run(job, finish=False)
        ends.append(state())
        transaction.savepoint_rollback(point)
    assert ends[0] == ends[1]


def test_rules_are_said_and_unknown_ones_refused():
    assert clean({}) == {"wins": "newest", "keeps_filled": False}
    assert clean({"wins": "priority"})["keeps_filled"]
    assert "newer row wins" in words({})[0]
    assert "higher rank" in words({"wins": "priority"})[0]
    with pytest.raises(ImportRefused, match="no rule"):
        clean({"wins": "loudest"})
    rules = Rules(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert not rules.loses(None, None, 3)
