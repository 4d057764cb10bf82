"""Answers come in from files: who answered what, when, through what, and who for whom."""

import pytest
from django.core.management import call_command

from brands.models import Notice
from members.imports.errors import ImportRefused
from members.models import Consent, Profile

MEMBERS = (
    "member_no,phone,card_no,email,birthday\n"
    "M1,13800138000,C1,a@example.com,\nM2,13800138001,C2,,\nM3,,,,2015-01-01\n"
)


@pytest.fixture
def members(importer):
    """Give tea three members, the last of them a child, and bakery the first of them."""
    importer.members(MEMBERS)
    importer.members("member_no,phone\nB1,13800138000\n", brand="bakery")


def opened():
    """Return the numbers of the members whose profile carries a notice."""
    return set(Profile.objects.exclude(notice=None).values_list("member_no", flat=True))


def test_a_file_of_answers_opens_and_closes(importer, members, counts):
    head = "会员号,手机号,卡号,告知版本,是否同意,同意时间,渠道,凭证,监护人\n"
    job = importer.consents(
        head
        # Written in full width, as input methods leave it.
        + "Ｍ１,,,１,是,2026-02-01,store,form 7,\n"
        + ",138-0013-8001,,1,同意,2026-02-01 10:00,,,\n"
        + "M3,,,1,yes,2026-02-01,,,是\n"
    )
    assert (job.state, job.error, counts(job)) == ("done", "", (3, 0, 0, 0))
    assert opened() == {"M1", "M2", "M3"}
    first = Consent.objects.get(profile__member_no="M1")
    assert (first.channel, first.evidence, first.is_to_group) == ("store", "form 7", False)
    assert Consent.objects.get(profile__member_no="M3").is_by_guardian
    job = importer.consents(head + ",,C2,,否,2026-03-01,,,\nM1,,,1,是,2026-02-01,,,\n")
    assert counts(job) == (1, 0, 1, 0)
    assert opened() == {"M1", "M3"}
    # A no that a sibling collected closes the person here as well.
    importer.consents("phone,answer,time\n13800138000,no,2026-04-01\n", brand="bakery")
    assert opened() == {"M3"}


def test_what_cannot_be_recorded_comes_back_with_its_reason(importer, members):
    ended = Notice.objects.create(version="old", title="Old", purposes="S")
    ended.endings.create(ends_at=ended.effective_from, decided_by_name="HQ")
    rows = {
        2: ("M9,,1,yes,2026-02-01,", "member_no", "no member “M9”"),
        3: ("B1,,1,yes,2026-02-01,", "member_no", "no member “B1”"),
        4: (",not a phone,1,yes,2026-02-01,", "phone", "no member"),
        5: (",,1,yes,2026-02-01,", "member_no", "names no member"),
        6: ("M1,,,yes,2026-02-01,", "notice", "Say which one"),
        7: ("M1,,7,yes,2026-02-01,", "notice", "no notice “7”"),
        8: ("M1,,old,yes,2026-02-01,", "notice", "has ended"),
        9: ("M1,,1,yes,2099-02-01,", "answered_at", "future"),
        10: ("M1,,1,perhaps,2026-02-01,", "answer", "neither yes nor no"),
        11: ("M3,,1,yes,2026-02-01,no", "answer", "under 14"),
    }
    text = "member_no,phone,notice,answer,answered_at,guardian\n"
    job = importer.consents(
        text + "".join(f"{row}\n" for row, *_rest in rows.values()) + "M2,,old,no,2026-02-01,\n"
    )
    assert (job.state, job.rows_created, job.rows_rejected) == ("done", 1, len(rows))
    rejected = {int(row["line"]): row for row in importer.rejected(job)}
    assert set(rejected) == set(rows)
    for line, (_row, column, words) in rows.items():
        assert (rejected[line]["column"], words in rejected[line]["reason"]) == (column, True)
    assert not Consent.objects.get().is_given


def test_a_number_that_several_members_have_names_nobody(importer, settings):
    settings.IDENTITY_HOT_PROFILES = 2
    importer.members(
        "member_no,phone,card_no\n" + "".join(f"M{n},13800138000,\n" for n in (1, 2, 3))
    )
    importer.members("member_no,card_no\nM4,C1\nM5,C1\n")
    text = "phone,card_no,notice,answer,time\n"
    job = importer.consents(text + "13800138000,,,no,2026-02-01\n,C1,1,yes,2026-02-01\n")
    assert [row["line"] for row in importer.rejected(job)] == ["2", "3"]
    # The two are one person, who says no in both.
    assert importer.consents(text + ",C1,,no,2026-02-01\n").rows_created == 1


def test_a_file_without_a_column_that_names_the_member_is_refused(importer):
    with pytest.raises(ImportRefused, match="no column that names the member"):
        importer.create("consents", "name,notice,answer,time\nx,1,yes,2026-02-01\n")


def test_a_command_imports_answers(importer, members, tmp_path, capsys):
    path = tmp_path / "answers.csv"
    path.write_text("member_no,notice,answer,answered_at\nM1,1,yes,2026-02-01\n")
    call_command("import_consents", "acme", "tea", str(path))
    assert "1 created" in capsys.readouterr().out
    assert opened() == {"M1"}
