"""Members come in once, with contact data sealed, persons resolved and consents kept."""

import datetime as dt

import pytest
from django.utils import timezone

from brands.models import Brand, Notice, Store
from members.contacts import unseal
from members.identity.keyed import Keyed
from members.imports.errors import ImportRefused
from members.imports.pipeline import CHUNK_ROWS
from members.keys import group_keys
from members.models import Consent, Contact, ImportJob, MaskedContact, Person, PersonMerge, Profile

HEAD = (
    "member_no,name,phone,email,unionid,card_no,birthday,gender,store_code,registered_on,"
    "consent,consented_on,generated\n"
)
ZHANG = (
    "M1,张伟,13800138000,Zhang@Example.com,oU1,C1,1990-01-02,female,tea-1,2026-01-05,"
    "1,2026-01-05,yes\n"
)
TABLES = [
    "members_profile",
    "members_contact",
    "members_maskedcontact",
    "members_identity",
    "members_identitylink",
    "members_consent",
    "members_person",
    "members_personmerge",
]


@pytest.fixture
def versions(rows_of):
    """Return a function that reads which transaction and place each member row is from."""

    def read(tables=TABLES):
        return {
            table: sorted(rows_of(f"SELECT xmin::text, cmin::text, ctid::text FROM {table}"))
            for table in tables
        }

    return read


def test_a_member_arrives_with_everything_the_row_says(importer, counts):
    job = importer.members(HEAD + ZHANG)
    assert (job.state, job.error, counts(job)) == ("done", "", (1, 0, 0, 0))
    profile = Profile.objects.get()
    assert (profile.member_no, profile.gender, profile.is_member) == ("M1", "f", True)
    assert profile.store == Store.objects.get(code="tea-1")
    assert profile.registered_on == dt.date(2026, 1, 5)
    contact = Contact.objects.get()
    assert unseal(group_keys(), contact) == {
        "name": "张伟",
        "phone": "+8613800138000",
        "email": "zhang@example.com",
        "unionid": "oU1",
        "card_no": "C1",
        "birthday": "1990-01-02",
    }
    assert contact.is_generated
    masked = MaskedContact.objects.get()
    assert (masked.name, masked.phone, masked.email) == ("张*", "138****8000", "z***@example.com")
    notice = Notice.objects.get()
    consent = Consent.objects.get()
    assert (consent.is_given, consent.answered_notice) == (True, notice)
    assert consent.answered_at.isoformat() == "2026-01-04T16:00:00+00:00"
    for row in (profile, contact, masked, consent):
        assert (row.brand.code, row.store.code, row.notice) == ("tea", "tea-1", notice)


def test_a_member_is_found_by_phone_card_and_email(importer):
    importer.members(HEAD + ZHANG)
    for text in ("+86 138 0013 8000", "13800138000", " ZHANG@example.com", "C1"):
        keys = Keyed(group_keys()).found_by(text)
        found = [Contact.objects.filter(**{f"{n}__in": some}) for n, some in keys.items()]
        assert any(rows.exists() for rows in found)


def test_no_contact_data_is_stored_in_clear(importer, rows_of):
    importer.members(HEAD + ZHANG)
    for table in (*TABLES, "members_importjob"):
        dump = str(rows_of(f"SELECT t::text FROM {table} t"))
        assert not any(text in dump for text in ("张伟", "13800138000", "zhang@", "oU1"))


def test_the_same_file_twice_changes_nothing(importer, counts, versions):
    rows = "".join(ZHANG.replace("M1", f"M{n}").replace("38000", f"38{n:03}") for n in range(9))
    importer.members(HEAD + rows)
    before = versions()
    job = importer.members(HEAD + rows)
    assert counts(job) == (0, 0, 9, 0)
    assert versions() == before


def test_headings_may_be_chinese_and_the_file_gb18030(importer, counts):
    text = (
        "会员号,姓名,手机号,邮箱,生日,性别,注册门店,入会时间,同意告知\n"
        "1,王芳,139-0013-9000,,1985年3月4日,女,tea-2,2026年1月9日,1\n"
    )
    job = importer.members(text.encode("gb18030"))
    assert counts(job) == (1, 0, 0, 0)
    profile = Profile.objects.get()
    assert (profile.gender, profile.store.code) == ("f", "tea-2")
    assert profile.registered_on == dt.date(2026, 1, 9)
    assert unseal(group_keys(), Contact.objects.get())["name"] == "王芳"
    assert Consent.objects.get().answered_at.isoformat() == "2026-01-08T16:00:00+00:00"


def test_headings_may_be_chosen_by_hand(importer, counts):
    job = importer.create(
        "members", "mein Mitglied,Telefon\nM1,13800138000\n", is_mapped_later=True
    )
    assert (job.state, job.mapping) == ("uploaded", {})
    with pytest.raises(ImportRefused, match="member_no"):
        importer.create("members", "mein Mitglied,Telefon\nM1,13800138000\n")
    job = importer.create(
        "members",
        "mein Mitglied,Telefon\nM1,13800138000\n",
        mapping={"member_no": "mein Mitglied", "phone": "Telefon"},
    )
    assert counts(importer.run(job)) == (1, 0, 0, 0)


def test_changed_rows_are_rewritten_and_others_are_not(importer, counts, rows_of):
    other = ZHANG.replace("M1", "M2").replace("38000", "38001")
    other = other.replace("Zhang", "other").replace("oU1", "oU2").replace("C1", "C2")
    importer.members(HEAD + ZHANG + other)
    before = dict(rows_of("SELECT member_no, xmin::text || ctid::text FROM members_profile"))
    job = importer.members(HEAD + ZHANG.replace("tea-1", "tea-2") + other)
    assert counts(job) == (0, 1, 1, 0)
    after = dict(rows_of("SELECT member_no, xmin::text || ctid::text FROM members_profile"))
    assert (before["M1"] != after["M1"], before["M2"]) == (True, after["M2"])
    store = Store.objects.get(code="tea-2")
    for model in (Contact, MaskedContact, Consent):
        assert model.objects.get(profile__member_no="M1").store == store


def test_columns_that_the_file_lacks_keep_what_they_hold(importer, counts):
    importer.members(HEAD + ZHANG)
    job = importer.members("member_no,phone\nM1,13900139000\n")
    assert counts(job) == (0, 1, 0, 0)
    profile = Profile.objects.get()
    assert (profile.gender, profile.store.code) == ("f", "tea-1")
    contact = Contact.objects.get()
    fields = unseal(group_keys(), contact)
    assert (fields["phone"], fields["name"]) == ("+8613900139000", "张伟")
    assert contact.is_generated
    assert counts(importer.members("member_no,phone\nM1,13900139000\n")) == (0, 0, 1, 0)


def test_an_emptied_cell_takes_the_identity_away(importer):
    importer.members(HEAD + ZHANG)
    importer.members("member_no,phone,unionid,email,card_no\nM1,,oU1,,\n")
    assert set(unseal(group_keys(), Contact.objects.get())) == {"name", "unionid", "birthday"}
    assert Profile.objects.get().identity_links.count() == 1


def test_a_number_twice_in_a_file_keeps_its_last_row(importer):
    job = importer.members("member_no,name\nM1,first\nM2,other\nM1,last\n")
    assert (job.rows_created, job.rows_repeated, job.rows_rejected) == (2, 1, 0)
    assert job.repeated_lines == [2]
    contact = Contact.objects.get(profile__member_no="M1")
    assert unseal(group_keys(), contact)["name"] == "last"


def test_one_phone_in_two_brands_is_one_person(importer):
    importer.members("member_no,phone\nT1,13800138000\nT2,13800138001\n")
    importer.members("member_no,phone\nB1,+8613800138000\n", brand="bakery")
    person = dict(Profile.objects.values_list("member_no", "person_id"))
    assert person["T1"] == person["B1"] != person["T2"]
    assert Person.objects.count() == 2
    merge = PersonMerge.objects.get()
    assert (merge.profile.member_no, merge.to_person_id) == ("B1", person["T1"])
    assert (merge.cause, merge.by_name[:7]) == ("phone", "Import ")


def opened(*models):
    """Return the member numbers whose rows carry a notice, the same on every kind of row."""
    found = {
        frozenset(
            model.objects.exclude(notice=None).values_list(
                "member_no" if model is Profile else "profile__member_no", flat=True
            )
        )
        for model in (Profile, Contact, MaskedContact, *models)
    }
    assert len(found) == 1
    return set(found.pop())


def test_a_yes_in_a_file_opens_its_own_brand_and_a_no_closes_every_brand(importer):
    importer.members("member_no,phone\nT1,13800138000\n")
    agreeing = "member_no,phone,consent,consented_on\n{},13800138000,1,2026-02-01\n"
    importer.members(agreeing.format("B1"), brand="bakery")
    assert opened(Consent) == {"B1"}
    importer.members(agreeing.format("T1"))
    assert opened(Consent) == {"T1", "B1"}
    importer.members("member_no,consent,consented_on\nT1,withdrawn,2026-03-01\n")
    assert opened(Consent) == set()
    assert Consent.objects.count() == 3
    # What the brand files later is not the other's to undo, until it says so itself.
    importer.members(agreeing.format("B1").replace("02-01", "04-01"), brand="bakery")
    assert opened(Consent) == set()
    importer.members(agreeing.format("T1").replace("02-01", "05-01"))
    assert opened(Consent) == {"T1", "B1"}


def test_of_merged_persons_the_narrower_answer_holds_and_a_split_gives_each_its_own(importer):
    importer.members("member_no,phone,consent,consented_on\nT1,13800138000,1,2026-02-01\n")
    importer.members(
        "member_no,card_no,consent,consented_on\nB1,X1,withdrawn,2026-01-01\n", brand="bakery"
    )
    assert opened() == {"T1"}
    importer.members("member_no,card_no,phone\nB1,X1,13800138000\n", brand="bakery")
    assert opened() == set()
    importer.members("member_no,card_no,phone\nB1,X1,\n", brand="bakery")
    assert opened() == {"T1"}


def test_a_file_says_how_and_by_whom_an_answer_was_given(importer):
    Notice.objects.update(consent_months=12)
    importer.members(
        "会员号,同意告知,同意时间,监护人同意,同意渠道,同意凭证\n"
        "M1,1,2026-02-28 10:00,是,store,form\t7\nM2,1,2026-02-28 10:00,,,\n"
    )
    first, second = Consent.objects.order_by("profile__member_no")
    assert (first.is_by_guardian, first.channel, first.evidence) == (True, "store", "form 7")
    assert (second.is_by_guardian, second.channel, second.evidence) == (False, "import", "")
    assert first.expires_at.isoformat() == "2027-02-28T02:00:00+00:00"
    assert not first.is_to_group


def test_a_yes_of_someone_under_14_is_rejected_in_words_unless_a_guardian_gave_it(importer):
    head = "member_no,birthday,consent,consented_on,guardian\n"
    rows = (
        "M1,2012-03-01,1,2026-02-28,\nM2,2012-03-01,1,2026-03-01,\nM3,2012-03-01,1,2026-02-28,y\n"
    )
    job = importer.members(head + rows)
    (row,) = importer.rejected(job)
    assert (row["line"], row["column"]) == ("2", "consent")
    assert "guardian" in row["reason"]
    assert opened(Consent) == {"M2", "M3"}
    assert Contact.objects.get(profile__member_no="M2").minor_until == dt.date(2026, 3, 1)
    # The birthday is known by now, though this file says nothing of it.
    job = importer.members("member_no,consent,consented_on\nM2,1,2026-02-28\nM3,1,2026-03-02\n")
    assert [row["line"] for row in importer.rejected(job)] == ["2"]


def test_a_birthday_that_arrives_later_closes_what_was_open(importer):
    importer.members("member_no,phone,consent,consented_on\nT1,13800138000,1,2026-02-01\n")
    importer.members("member_no,phone\nB1,13800138000\n", brand="bakery")
    assert opened() == {"T1"}
    importer.members("member_no,phone,birthday\nB1,13800138000,2015-01-01\n", brand="bakery")
    assert opened() == set()
    importer.members("member_no,phone,birthday\nB1,13800138000,2001-01-01\n", brand="bakery")
    assert opened() == {"T1"}


def test_nobody_agrees_to_a_notice_that_has_ended_and_everybody_may_say_no(importer):
    notice = Notice.objects.get()
    notice.endings.create(ends_at=timezone.now(), decided_by_name="HQ")
    job = importer.members("member_no,consent,consented_on\nM1,1,2026-01-05\nM2,no,2026-01-05\n")
    (row,) = importer.rejected(job)
    assert "has ended" in row["reason"]
    assert Consent.objects.get().answered_notice is None


def test_bad_rows_come_back_and_the_rest_is_imported(importer):
    tomorrow = (timezone.now() + dt.timedelta(days=2)).date().isoformat()
    rows = {
        3: ("M2,abc,,,,,,,,,\n", "phone", "phone number"),
        4: ("M3,,not-mail,,,,,,,,\n", "email", "e-mail"),
        5: ("M4,,,,,,,,nowhere,,\n", "store_code", "no store “nowhere”"),
        6: (",,,,,,,,,,\n", "member_no", "empty"),
        7: ("M6,,,,,robot,,,,,\n", "gender", "no gender"),
        8: ("M7,,,,3/4/1990,,,,,,\n", "birthday", "two different days"),
        9: ("M8,,,,,,,9,,2026-01-01,\n", "consent", "no notice “9”"),
        10: (f"M9,,,,,,,1,,{tomorrow},\n", "consented_on", "future"),
        11: ("M10,,,,,,,1,,,\n", "consent", "when"),
        12: ("M11,,,,,,maybe,,,,\n", "generated", "neither yes nor no"),
        13: (f"M12,,,{'u' * 65},,,,,,,\n", "unionid", "too long"),
        14: ("M\\13,,,,,,,,,,\n", "member_no", "backslash"),
    }
    head = (
        "member_no,phone,email,unionid,birthday,gender,generated,consent,store_code,"
        "consented_on,note\n"
    )
    job = importer.members(
        head
        + "M1,,,,,,,,,,=cmd\n"
        + "".join(row for row, _column, _words in rows.values())
        + "M99,,,,,,,,,,\n"
    )
    assert (job.state, job.rows_created, job.rows_rejected) == ("done", 2, len(rows))
    rejected = {int(row["line"]): row for row in importer.rejected(job)}
    assert set(rejected) == set(rows)
    for line, (_row, column, words) in rows.items():
        assert rejected[line]["column"] == column
        assert words in rejected[line]["reason"]


def test_every_fault_of_a_row_is_named(importer):
    job = importer.members("member_no,phone,email\nM1,x,y\n")
    (row,) = importer.rejected(job)
    assert row["column"] == "phone; email"


def test_a_withdrawal_without_a_day_is_refused(importer):
    job = importer.members("member_no,consent,registered_on\nM1,撤回,2026-01-01\n")
    assert (job.rows_created, job.rows_rejected) == (0, 1)


def test_members_of_two_brands_may_share_a_number(importer):
    importer.members("member_no\n1\n")
    importer.members("member_no\n1\n", brand="spa")
    assert Profile.objects.filter(brand__code="tea").count() == 1
    assert Profile.objects.filter(brand__code="spa").count() == 1
    assert Person.objects.count() == 2


def test_a_job_belongs_to_its_brand_and_is_audited(importer, cast):
    job = importer.create("members", "member_no\n1\n", acting_user=cast.brand_manager)
    assert job.brand == Brand.objects.get(code="tea")
    assert job.created_by_name == str(cast.brand_manager)
    assert ImportJob.objects.get().state == "queued"
    assert CHUNK_ROWS["members"] > 1


def test_nobody_agrees_to_a_notice_that_may_still_be_changed(importer):
    later = Notice.objects.create(
        version="2",
        title="Next year's",
        purposes="Service",
        effective_from=timezone.now() + dt.timedelta(days=3),
    )
    text = "member_no,consent,consented_on\nM1,2,2026-01-05\n"
    job = importer.members(text)
    (row,) = importer.rejected(job)
    assert "no notice “2”" in row["reason"]
    assert not Consent.objects.exists()
    Notice.objects.filter(pk=later.pk).update(effective_from=timezone.now())
    assert importer.members(text).rows_rejected == 0
    assert Profile.objects.get().notice == later


def test_no_brand_counts_its_siblings_members_by_the_numbers_of_its_own(importer, monkeypatch):
    drawn = iter([10, 700_000, 0])
    monkeypatch.setattr("members.imports.members.randbelow", lambda below: next(drawn))
    importer.members("member_no\nT1\nT2\n")
    importer.members("member_no\nB1\n", brand="bakery")
    importer.members("member_no\nT3\n")
    # Members who are known draw no numbers.
    importer.members("member_no\nT3\nT1\n")
    ids = dict(Profile.objects.values_list("member_no", "pk"))
    assert ids["T2"] - ids["T1"] == 1
    assert ids["B1"] - ids["T2"] == 1_000 + 700_000 + 2
    assert ids["T3"] - ids["B1"] == 1_000 + 2
    assert next(drawn, None) is None
