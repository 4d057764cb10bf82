"""Members end with the right person and notice, whatever chunks and files they come in."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brands.models import Brand, Notice
from members.models import (
    Consent,
    Contact,
    Identity,
    IdentityLink,
    MaskedContact,
    Person,
    PersonMerge,
    Profile,
)

HOT = 3


def components(nodes):
    """Return the sets of nodes that share keys, directly or not: node → keys."""
    groups = []
    for node, keys in nodes.items():
        joined, rest = ({node}, set(keys)), []
        for group in groups:
            if group[1] & joined[1]:
                joined = (group[0] | joined[0], group[1] | joined[1])
            else:
                rest.append(group)
        groups = [*rest, joined]
    return [group for group, _keys in groups]


ROWS = st.lists(
    st.tuples(
        st.integers(1, 9),
        st.sampled_from(["", "13800138000", "13800138001", "13800138002"]),
        st.sampled_from(["", "C1", "C2", "C3"]),
        st.sampled_from(["", "1", "withdrawn"]),
        st.integers(1, 20),
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda row: row[0],
)


@pytest.mark.django_db
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(uploads=st.lists(st.tuples(st.sampled_from(["tea", "bakery"]), ROWS), max_size=3))
def test_any_files_in_any_chunks_end_in_the_right_persons_and_notices(importer, uploads):
    for model in (
        PersonMerge,
        IdentityLink,
        Identity,
        Consent,
        Contact,
        MaskedContact,
        Profile,
        Person,
    ):
        model.objects.all().delete()
    links: dict[tuple[str, str], set[str]] = {}
    for brand, rows in uploads:
        text = "member_no,phone,card_no,consent,consented_on\n" + "".join(
            f"M{number},{phone},{card},{consent},{f'2026-01-{day:02}' if consent else ''}\n"
            for number, phone, card, consent, day in rows
        )
        job = importer.members(text, brand=brand, chunk_rows=4, finish=False)
        assert (job.state, job.rows_rejected) == ("done", 0)
        for number, phone, card, *_answer in rows:
            links[brand, f"M{number}"] = {key for key in (phone, card) if key}
    profiles = {
        (profile.brand.code, profile.member_no): profile
        for profile in Profile.objects.select_related("brand", "contact", "masked")
    }
    persons: dict[int, set[tuple[str, str]]] = {}
    for name, profile in profiles.items():
        persons.setdefault(profile.person_id, set()).add(name)
    assert sorted(map(sorted, persons.values())) == sorted(map(sorted, components(links)))
    assert set(Person.objects.values_list("pk", flat=True)) == set(persons)
    notice = Notice.objects.get()
    says = {
        name: profile.consents.order_by("-answered_at", "is_given").first()
        for name, profile in profiles.items()
    }
    for name, profile in profiles.items():
        one = [says[other] for other in persons[profile.person_id] if says[other]]
        agrees = says[name] and all(answer.is_given for answer in one)
        wanted = notice if agrees else None
        assert profile.notice == profile.contact.notice == profile.masked.notice == wanted
    for consent in Consent.objects.select_related("profile"):
        assert consent.person_id == consent.profile.person_id
        assert consent.notice_id == consent.profile.notice_id
    for found in Identity.objects.prefetch_related("links__profile"):
        assert len({link.profile.person_id for link in found.links.all()}) == 1


def test_an_identity_that_a_file_makes_hot_links_nobody_of_that_brand(importer, settings):
    settings.IDENTITY_HOT_PROFILES = HOT
    importer.members("member_no,phone\n" + "".join(f"M{n},13800138000\n" for n in range(HOT)))
    assert Person.objects.count() == 1
    importer.members("member_no,phone\nB1,13800138000\n", brand="bakery")
    assert Person.objects.count() == 1
    importer.members(f"member_no,phone\nM{HOT},13800138000\n")
    assert Identity.objects.get().is_hot
    assert Person.objects.count() == HOT + 2
    # Siblings' members with that number stay one person, and one more joins them.
    importer.members("member_no,phone\nS1,13800138000\n", brand="spa")
    assert Person.objects.count() == HOT + 2
    siblings = Profile.objects.exclude(brand__code="tea")
    assert len(set(siblings.values_list("person_id", flat=True))) == 1


def test_whom_a_row_parts_from_a_no_has_the_notice_of_their_own_answer_and_no_wider_one(
    importer,
):
    """What was closed or open by the answer of whom a profile was joined to is worked out anew."""
    narrow = Notice.objects.create(version="2", title="Tea's alone", purposes="Service")
    narrow.recipients.set([Brand.objects.get(code="tea")])
    wide = Notice.objects.get(version="1")
    head = "member_no,phone,consent,consented_on\n"
    importer.members(f"{head}T1,13800138000,2,2026-01-05\nT2,13800138002,1,2026-01-05\n")
    importer.members(f"{head}B1,13800138000,1,2026-01-05\n", brand="bakery")
    importer.members(f"{head}B1,13800138000,withdrawn,2026-02-05\n", brand="bakery")
    importer.members(f"{head}B2,13800138002,withdrawn,2026-02-05\n", brand="bakery")

    def notices() -> dict[str, int | None]:
        return dict(Profile.objects.values_list("member_no", "notice_id"))

    assert notices() == dict.fromkeys(("T1", "T2", "B1", "B2"))
    # Rows that answer nothing, and join nobody any more.
    importer.members("member_no,phone\nT1,13800138008\nT2,13800138009\n")
    assert notices() == {"T1": narrow.pk, "T2": wide.pk, "B1": None, "B2": None}
    copies = Contact.objects.values_list("profile__member_no", "notice_id")
    assert dict(copies) == notices()
    # And joined again they are closed again, also by a sibling's file.
    importer.members("member_no,phone\nB1,13800138008\n", brand="bakery")
    assert notices() == {"T1": None, "T2": wide.pk, "B1": None, "B2": None}
