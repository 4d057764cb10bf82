"""Whatever comes in whatever order, each profile carries the notice that the rule gives it."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from brands.models import Brand, Notice
from members.figures import compare
from members.models import Profile
from members.services import AnswerRefused, consent_record, expiries_close
from members.tests import consent_oracle
from members.tests.test_import_persons import components

ZONE = ZoneInfo("Asia/Shanghai")
NOW = timezone.now().replace(microsecond=0)
TODAY = NOW.astimezone(ZONE).date()
# The 14th birthday of someone who was under 14 two days ago, and of someone who still is.
FOURTEEN = {"": None, "just": TODAY - dt.timedelta(days=2), "not yet": TODAY + dt.timedelta(60)}
COPIES = ("notices on members", "notices and stores on contacts", "consents")
HEAD = "member_no,phone,birthday,consent,consented_on,guardian\n"

BRANDS = st.sampled_from(["tea", "bakery"])
NUMBERS = st.integers(1, 3)
HOURS = st.sampled_from([1, 2, 3, 47, 49, 71])
ROW = st.fixed_dictionaries(
    {
        "number": NUMBERS,
        "phone": st.sampled_from(["", "13800138000", "13800138001"]),
        "birthday": st.sampled_from(["", "", "just", "not yet"]),
        "consent": st.sampled_from(["", "1", "2", "withdrawn"]),
        "hours": HOURS,
        "guardian": st.booleans(),
    }
)
UPLOAD = st.tuples(
    st.just("upload"),
    BRANDS,
    st.lists(ROW, min_size=1, max_size=4, unique_by=lambda row: row["number"]),
)
ANSWER = st.tuples(
    st.just("answer"),
    st.tuples(BRANDS, NUMBERS),
    st.fixed_dictionaries(
        {
            "version": st.sampled_from(["1", "2"]),
            "yes": st.booleans(),
            "hours": HOURS,
            "to_group": st.booleans(),
            "guardian": st.booleans(),
        }
    ),
)
EXPIRY = st.tuples(st.just("expire"), st.sampled_from([20, 40]))


def filed(number, phone):
    """Return a line of a file: a member and a phone, nothing said."""
    said = {"birthday": "", "consent": "", "hours": 1, "guardian": False}
    return {"number": number, "phone": phone, **said}


def to_group(brand, number, *, yes, hours):
    """Return the step that records an answer to the group where it was given."""
    said = {"version": "1", "yes": yes, "hours": hours, "to_group": True, "guardian": False}
    return "answer", (brand, number), said


VICTIM = ("upload", "bakery", [filed(1, "13800138001")])
YES = to_group("tea", 1, yes=True, hours=3)
# Own members who say yes to the group and then turn out to be somebody else's member, by an own
# row that was changed or added; and a no that is merged, and leaves again.
MERGED_AFTER_A_YES = [
    VICTIM,
    ("upload", "tea", [filed(1, "13800138000")]),
    YES,
    ("upload", "tea", [filed(1, "13800138001")]),
]
MERGED_BEFORE_A_YES = [
    VICTIM,
    ("upload", "tea", [filed(1, "13800138001"), filed(2, "13800138001")]),
    YES,
    to_group("bakery", 1, yes=True, hours=2),
]
MERGED_AFTER_A_NO = [
    VICTIM,
    to_group("bakery", 1, yes=True, hours=3),
    ("upload", "tea", [filed(1, "13800138000")]),
    to_group("tea", 1, yes=False, hours=2),
    ("upload", "tea", [filed(1, "13800138001")]),
    to_group("tea", 1, yes=True, hours=1),
    ("upload", "tea", [filed(1, "13800138000")]),
]


def fourteenth(birthday):
    """Return the day that the oracle is told; birthdays here are on no leap day."""
    return FOURTEEN[birthday]


def born(birthday):
    """Return the birthday as a file writes it."""
    day = FOURTEEN[birthday]
    return "" if day is None else day.replace(year=day.year - 14).isoformat()


class Run:
    """Do each step in the product and in the oracle."""

    def __init__(self, importer):
        self.importer = importer
        self.closed_until = NOW
        self.phones = {}
        self.ledger = consent_oracle.Ledger(
            {
                1: consent_oracle.Notice(1, frozenset({"tea", "bakery", "spa"})),
                2: consent_oracle.Notice(2, frozenset({"tea"}), months=1),
            },
            day_of=lambda at: at.astimezone(ZONE).date(),
        )

    def is_refused(self, profile, answer):
        """Tell whether the profile's own birthday says that a guardian must answer."""
        fourteen = self.ledger.fourteen.get(profile)
        day = answer.at.astimezone(ZONE).date()
        return answer.yes and not answer.guardian and fourteen is not None and fourteen > day

    def upload(self, brand, rows):
        """Import a file of members."""
        text, rejected = HEAD, 0
        for row in rows:
            at = NOW - dt.timedelta(hours=row["hours"])
            consent = row["consent"]
            text += (
                f"M{row['number']},{row['phone']},{born(row['birthday'])},{consent},"
                f"{at.isoformat() if consent else ''},{'yes' if row['guardian'] else ''}\n"
            )
            profile = (brand, row["number"])
            before = self.ledger.fourteen.get(profile)
            if row["birthday"]:
                self.ledger.fourteen[profile] = fourteenth(row["birthday"])
            answer = None
            if consent:
                yes = consent != "withdrawn"
                answer = consent_oracle.Answer(
                    profile, at, int(consent) if yes else None, yes, guardian=row["guardian"]
                )
            if answer and self.is_refused(profile, answer):
                rejected += 1
                self.ledger.fourteen.pop(profile, None)
                if before:
                    self.ledger.fourteen[profile] = before
                continue
            self.ledger.brand_of[profile] = brand
            self.phones[profile] = {row["phone"]} - {""}
            if answer:
                self.ledger.answers.append(answer)
        job = self.importer.members(text, brand=brand, chunk_rows=2, finish=False)
        assert (job.state, job.rows_rejected) == ("done", rejected)

    def answer(self, profile, said):
        """Record an answer, where there is such a member."""
        if profile not in self.phones:
            return
        brand, number = profile
        at = NOW - dt.timedelta(hours=said["hours"])
        answer = consent_oracle.Answer(
            profile,
            at,
            int(said["version"]),
            said["yes"],
            to_group=said["to_group"],
            guardian=said["guardian"],
        )
        try:
            consent_record(
                profile=Profile.objects.get(brand__code=brand, member_no=f"M{number}"),
                notice=Notice.objects.get(version=said["version"]),
                is_given=said["yes"],
                is_to_group=said["to_group"],
                is_by_guardian=said["guardian"],
                at=at,
                acting_user=None,
            )
        except AnswerRefused:
            assert self.is_refused(profile, answer)
        else:
            assert not self.is_refused(profile, answer)
            # The same answer twice is the first one, guardian or not.
            same = [one for one in self.ledger.answers if _key(one) == _key(answer)]
            self.ledger.answers += [] if same else [answer]

    def expire(self, days):
        """Close what expires in the next days."""
        self.closed_until = max(self.closed_until, NOW + dt.timedelta(days=days))
        expiries_close(tenant=self.importer.tenant, until=NOW + dt.timedelta(days=days))

    def check(self):
        """Compare every profile with the oracle."""
        found = {
            (code, int(number[1:])): version
            for code, number, version in Profile.objects.values_list(
                "brand__code", "member_no", "notice__version"
            )
        }
        assert set(found) == set(self.phones)
        for persons in components(self.phones):
            for profile in persons:
                wanted = self.ledger.notice_of(profile, persons, closed_until=self.closed_until)
                assert found[profile] == (str(wanted) if wanted else None), profile


def _key(answer):
    return answer.profile, answer.at, answer.notice, answer.yes, answer.to_group


@pytest.mark.django_db
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(steps=MERGED_AFTER_A_YES)
@example(steps=MERGED_BEFORE_A_YES)
@example(steps=MERGED_AFTER_A_NO)
@given(steps=st.lists(st.one_of(UPLOAD, UPLOAD, ANSWER, ANSWER, EXPIRY), min_size=2, max_size=7))
def test_any_sequence_ends_as_the_rule_says(importer, steps):
    # Each example in a savepoint: what it wrote and locked is gone before the next one.
    with transaction.atomic():
        follow(importer, steps)
        transaction.set_rollback(True)


def follow(importer, steps):
    """Take the steps, and compare after each."""
    second = Notice.objects.create(version="2", title="Tea's", purposes="S", consent_months=1)
    second.recipients.set(Brand.objects.filter(code="tea"))
    run = Run(importer)
    for name, *told in steps:
        getattr(run, name)(*told)
        run.check()
    copies = compare(tenant=importer.tenant)
    assert {copies[name] for name in COPIES} == {0}
