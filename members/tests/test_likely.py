"""Likely pairs: a model's suggestions of one brand's members, an extra that is off by default."""

import pytest

from members.identity.decisions import decisions_apply
from members.identity.likely import likely_refresh, the_extra_is_installed
from members.identity.suggestions import suggestions_refresh
from members.models import PersonSuggestion, Profile
from members.tasks import look_for_likely

HEAD = "member_no,name,phone,birthday,store_code\n"
# A digit of the phone that differs; a birthday's day; both alike but the name's last letter.
ROWS = (
    "{0}1,欧阳菁,13800138{1}01,1990-01-02,{2}-1\n{0}2,欧阳菁,13800138{1}07,1990-01-02,\n"
    "{0}3,Margaret Hill,13900139{1}03,1975-05-06,{2}-1\n"
    "{0}4,Margaret Hill,13900139{1}08,1975-05-07,{2}-1\n"
    "{0}5,赵敏,13700137{1}05,1988-08-08,{2}-1\n{0}6,周伟,13600136{1}66,1966-06-06,{2}-1\n"
)


@pytest.fixture
def pairs(acme, load, within):
    """Return a function that says which pairs are suggested, by number; some are in two brands."""
    load("members", HEAD + ROWS.format("T", 1, "tea"))
    load("members", HEAD + ROWS.format("B", 2, "bakery"), brand="bakery")

    def now() -> set[tuple[str, str]]:
        with within():
            rows = PersonSuggestion.objects.values_list("first__member_no", "second__member_no")
            return {(one, other) for one, other in rows}

    return now


def test_a_model_suggests_whom_slips_of_the_hand_keep_apart(
    acme, cast, pairs, visit, within, settings
):
    settings.LIKELY_SUGGESTIONS = True
    ours, theirs = {("T1", "T2"), ("T3", "T4")}, {("B1", "B2"), ("B3", "B4")}
    assert likely_refresh(tenant=acme) == 4
    # Never two of different brands, though T1 and B1 have all but a phone in common.
    assert pairs() == ours | theirs
    page = visit(cast.brand_manager).get("/persons/").content.decode()
    assert "T1</" in page
    assert "% likely" in page
    assert "B1</" not in page
    # What the list looks for in any case does not take them away, and they are found once.
    assert suggestions_refresh(tenant=acme) == 0
    assert pairs() == ours | theirs
    assert look_for_likely() >= 4
    assert pairs() == ours | theirs
    # Who is restricted is compared with nobody; what a person decided is not asked again.
    with within():
        Profile.objects.filter(member_no="T3").update(is_restricted=True)
        numbers = {one.first.member_no: one.pk for one in PersonSuggestion.objects.all()}
    visit(cast.brand_manager).post("/persons/", {"suggestion": numbers["T1"], "act": "part"})
    visit(cast.sibling_manager).post("/persons/", {"suggestion": numbers["B1"], "act": "join"})
    assert decisions_apply(tenant=acme) == 2
    assert likely_refresh(tenant=acme) == 1
    assert pairs() == {("B3", "B4")}
    # Switched off, nothing is looked for and nothing stays.
    settings.LIKELY_SUGGESTIONS = False
    assert look_for_likely() == 0
    assert pairs() == set()


def test_one_name_birthday_and_store_needs_no_probability(acme, load, within):
    row = "T{0},欧阳菁,1380013810{0},1990-01-02,tea-1\n"
    load("members", HEAD + row.format(1) + row.format(2))
    likely_refresh(tenant=acme)
    with within():
        assert PersonSuggestion.objects.get().probability > 0.9
    suggestions_refresh(tenant=acme)
    likely_refresh(tenant=acme)
    with within():
        assert PersonSuggestion.objects.get().probability is None


def test_who_switches_it_on_without_its_packages_is_told(settings, monkeypatch):
    settings.LIKELY_SUGGESTIONS = True
    assert the_extra_is_installed(None) == []
    monkeypatch.setattr("members.identity.likely.find_spec", lambda name: None)
    (said,) = the_extra_is_installed(None)
    assert "requirements-likely.txt" in said.hint
    settings.LIKELY_SUGGESTIONS = False
    assert the_extra_is_installed(None) == []
