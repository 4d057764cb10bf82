"""Every URL of both resolvers, for every role and for strangers: the status that the table says."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from brands.models import (
    Brand,
    BusinessUnit,
    ChannelAccount,
    Guide,
    ImpactAssessment,
    ModeChange,
    ModeDraft,
    Notice,
    NoticeDraft,
    SharingRecord,
    Store,
)
from brands.wall import scope
from brands.wall.visibility import brand_set
from config.tests.secrets_planted import REVEALED, TOLD, plant, told
from config.tests.url_matrix import GROUP, OPEN_REDIRECTS, PLATFORM, POSTS, ROLES
from members import contacts
from members.keys import group_keys
from members.models import (
    BrandSegment,
    ConsentEntry,
    ExportJob,
    GroupConsentEntry,
    GroupPersonRequest,
    GroupSegment,
    ImportJob,
    MaskedContact,
    Order,
    OwnView,
    Person,
    PersonRequest,
    Profile,
    Tag,
)
from tenants.audit import record
from tenants.context import tenant_transaction
from tenants.models import ApiToken, Domain, Engagement, Grant, ServiceProvider, Tenant

SITES = {
    "group": (settings.ROOT_URLCONF, "acme.localhost", GROUP),
    "platform": (settings.PLATFORM_URLCONF, "platform.localhost", PLATFORM),
}
NOTHING_SHARED = {
    "group": "",
    "names": {},
    **{part: [] for part in ("brands", "lines", "decisions", "notices", "contracts")},
}
# Beyond every number that the fixtures give out.
FAR = 900_000
# Roles that open some pages and not others; whoever opens none posts to none.
_WHO_MIGHT_POST = {"guide", "sibling_manager", "analyst"}
_PARAMETER = re.compile(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>")


def routes(urlconf: str) -> Iterator[str]:
    """Yield the full pattern of every URL of a URL conf."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            else:
                yield route

    yield from walk(get_resolver(urlconf).url_patterns, "")


@dataclass
class Objects:
    """Hold what stands for each parameter of a pattern: one object of each sort."""

    # "app/model" of an admin address, or a parameter's name → its value.
    by_model: dict[str, object] = field(default_factory=dict)
    by_name: dict[str, object] = field(default_factory=dict)

    def path(self, route: str) -> str:
        """Return an address that the pattern matches."""
        model = re.match(r"admin/(\w+/\w+)/", route)

        def value(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            if name == "object_id":
                return str(self.by_model[model[1]])  # type: ignore[index]
            if name == "name":
                return str(self.by_name["panel of " + route.split("/")[0]])
            return str(self.by_name[name])

        return "/" + _PARAMETER.sub(value, route).replace("^", "").replace("$", "")


def _objects_of(tenant: Tenant, brand_code: str, *, first_id: int) -> Objects:
    """Make one object of every sort that belongs to a brand, and return their numbers."""
    with tenant_transaction(tenant):
        brand = Brand.objects.get(code=brand_code)
        store = brand.stores.order_by("code").first()
        far = first_id > FAR
        if far:
            unit = BusinessUnit.objects.create(pk=first_id, code="far", name="Far")
            brand = Brand.objects.create(pk=first_id, code="far", name="Far", business_unit=unit)
            store = Store.objects.create(pk=first_id, brand=brand, code="far-1", name="Far")
        guide = Guide.objects.create(pk=first_id, store=store, staff_no=f"G{first_id}", name="G")
        account = ChannelAccount.objects.create(
            pk=first_id, brand=brand, kind="wecom", name="Corp", external_id=f"corp{first_id}"
        )
        change = ModeChange.objects.create(
            pk=first_id, brand=brand, mode="member_max", decided_by_name="HQ"
        )
        asked = ModeDraft.objects.create(
            pk=first_id, brand=brand, mode="fan_max", reason="Test", requested_by_name="HQ"
        )
        assessment = ImpactAssessment.objects.create(
            pk=first_id,
            draft=asked,
            number=1,
            preview_number=1,
            dated_on=dt.date(2026, 1, 1),
            kept_until=dt.date(2029, 1, 1),
        )
        notice = Notice.objects.order_by("pk").first()
        if far:
            notice = Notice.objects.create(pk=first_id, version="far", title="Far")
        draft = NoticeDraft.objects.create(pk=first_id)
        SharingRecord.objects.create(
            number=first_id,
            sides=[brand.code],
            first_on=dt.date(2026, 1, 1),
            last_on=dt.date(2026, 1, 31),
            content=NOTHING_SHARED,
        )
        with scope.bulk(reason="test"):
            placed = {"brand": brand, "store": store}
            person = Person.objects.create()
            profile = Profile.objects.create(
                pk=first_id, person=person, member_no=f"M{first_id}", **placed
            )
            MaskedContact.objects.create(profile=profile, name="M**", **placed)
            Order.objects.create(
                pk=first_id,
                profile=profile,
                order_no=f"O{first_id}",
                ordered_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
                **placed,
            )
            ConsentEntry.objects.create(pk=first_id, what="no", profile=profile, **placed)
            asked_for = {
                "pk": first_id,
                "what": "export",
                "profile_id": profile.pk,
                "received_through": "store",
                "due_at": timezone.now(),
            }
            PersonRequest.objects.create(brand=brand, **asked_for)
            GroupPersonRequest.objects.create(brand_set=brand_set([]), **asked_for)
            kept = {"pk": first_id, "name": "Kept", "has_orders": True, "made_by_name": "HQ"}
            BrandSegment.objects.create(brand=brand, **kept)
            Tag.objects.create(pk=first_id, brand=brand, name="Kept")
            GroupSegment.objects.create(**kept)
            GroupConsentEntry.objects.create(
                pk=first_id, what="no", profile=profile, brand_set=brand_set([])
            )
            job = ImportJob.objects.create(
                pk=first_id,
                brand=brand,
                kind="members",
                state="done",
                file_name="m.csv",
                path="m.csv",
                rows_rejected=1,
            )
            job.rejected_path = f"imports/{tenant.schema_name}/rejected-{job.pk}.csv"
            job.save(update_fields=["rejected_path"])
            rejected = Path(settings.MEDIA_ROOT) / job.rejected_path
            rejected.parent.mkdir(parents=True, exist_ok=True)
            rejected.write_text("line,phone\n2,13800001111\n")
        event = record(acting_user=None, action="test", target=store)
    grant = Grant.objects.filter(tenant=tenant, place_id=brand.pk, level="brand").first()
    grant = grant or Grant.objects.filter(tenant=tenant).order_by("pk").first()
    with tenant_transaction(tenant), scope.bulk(reason="test"):
        export = ExportJob.objects.create(
            grant_id=grant.pk,
            created_by=grant.user,
            filters=contacts.seal_text(group_keys(), "{}"),
            language="en",
        )
        view = OwnView.objects.create(grant_id=grant.pk, name="Mine", has_orders=True)
    token = ApiToken.objects.create(
        grant=grant,
        name="Till",
        digest=str(first_id),
        prefix="slc_",
        actions=["members:read"],
        expires_at=timezone.now() + dt.timedelta(days=1),
    )
    return Objects(
        by_model={
            "brands/businessunit": brand.business_unit_id or FAR * 2,
            "brands/brand": brand.pk,
            "brands/store": store.pk,
            "brands/guide": guide.pk,
            "brands/channelaccount": account.pk,
            "brands/modechange": change.pk,
            "tenants/grant": grant.pk if grant else FAR * 2,
            "tenants/auditevent": event.pk,
            "members/profile": profile.pk,
            "members/importjob": job.pk,
            "tenants/tenant": tenant.pk,
            "tenants/domain": Domain.objects.get(tenant=tenant).pk,
            "tenants/user": grant.user_id if grant else FAR * 2,
            "tenants/serviceprovider": getattr(ServiceProvider.objects.first(), "pk", FAR * 2),
            "tenants/engagement": getattr(Engagement.objects.first(), "pk", FAR * 2),
        },
        by_name={
            "code": brand.code,
            "store_id": store.pk,
            "profile_id": profile.pk,
            "number": first_id,
            "job_id": job.pk,
            "export_id": export.pk,
            "token_id": token.pk,
            "entry_id": first_id,
            "group_entry_id": first_id,
            "own_view_id": view.pk,
            "person_request_id": first_id,
            "group_person_request_id": first_id,
            "group_segment_id": first_id,
            "brand_segment_id": first_id,
            "segment": f"group-{first_id}",
            "tag_id": first_id,
            "batch_id": export.pk,
            "notice_id": notice.pk,
            "change_id": change.pk,
            "draft_id": asked.pk,
            "assessment_id": assessment.pk,
            "notice_draft_id": draft.pk,
            "tenant_id": tenant.pk,
            "grant_id": grant.pk if grant else FAR * 2,
            "panel of group": "kpis",
            "panel of brands": "kpis",
            "panel of stores": "kpis",
            "app_label": "tenants",
            "url": "nothing-here",
            "token": "nonsense",
            "uidb36": "1",
            "key": "set-password",
        },
    )


@pytest.fixture
def objects(cast, acme) -> Objects:
    """Make one object of every sort in acme: all of brand tea and store tea-1."""
    made = _objects_of(acme, "tea", first_id=FAR - 1)
    plant(acme, made.by_name["profile_id"])
    return made


@pytest.fixture
def enter(cast, visit) -> Callable[[str, str], Client]:
    """Return a function that gives the client of a role at a host."""

    def client_of(role: str, host: str) -> Client:
        client = visit(None if role == "anonymous" else getattr(cast, role), host)
        client.raise_request_exception = False
        return client

    return client_of


def _row(words: str) -> dict[str, int]:
    return dict(zip(ROLES, map(int, words.split()), strict=True))


@pytest.mark.parametrize("site", SITES)
def test_every_url_has_its_row_and_every_row_its_url(site):
    urlconf, _host, table = SITES[site]
    found = set(routes(urlconf))
    assert found - set(table) == set(), "these URLs have no row in config/tests/url_matrix.py"
    assert set(table) - found == set(), "these rows have no URL any more"
    assert all(len(words.split()) == len(ROLES) for words in table.values())


@pytest.mark.exhaustive
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("site", SITES)
def test_every_url_answers_every_role_as_the_table_says(objects, enter, site, role):
    _urlconf, host, table = SITES[site]
    client = enter(role, host)
    wrong = []
    read: set[str] = set()
    for route, words in table.items():
        expected = _row(words)[role]
        path = objects.path(route)
        response = client.get(path)
        read |= told(response)
        if response.status_code != expected:
            wrong.append(f"{path}: {response.status_code}, the table says {expected}")
        if role == "anonymous" and response.status_code == 302 and route not in OPEN_REDIRECTS:
            assert "/login/?next=" in response["Location"], path
        # What may not be opened may not be posted to either.
        denied = expected == 404 and role in _WHO_MIGHT_POST
        if denied and client.post(path).status_code not in (404, 405):
            wrong.append(f"POST {path} is not refused")
    assert wrong == []
    # What the member's own brand is told is the control of all who are told nothing.
    assert read == (TOLD[role] if site == "group" else set())
    assert not scope.is_open()


@pytest.mark.exhaustive
@pytest.mark.parametrize("role", ROLES)
def test_what_is_only_posted_answers_every_role_as_the_table_says(objects, enter, role):
    wrong = []
    for (site, route), (data, words) in POSTS.items():
        _urlconf, host, _table = SITES[site]
        expected = _row(words)[role]
        response = enter(role, host).post(objects.path(route), data)
        if response.status_code != expected:
            wrong.append(f"{route}: {response.status_code}, the table says {expected}")
        if route == "members/<int:profile_id>/contact/":
            assert told(response) >= REVEALED[role]
            assert told(response) <= REVEALED[role] | TOLD[role]
    assert wrong == []


@pytest.mark.parametrize("role", [role for role in ROLES if role != "anonymous"])
def test_an_object_of_another_group_is_not_found(objects, enter, globex, role):
    """By the numbers and names of globex's objects, which acme does not have."""
    foreign = _objects_of(globex, "tea", first_id=FAR + 1)
    client = enter(role, "acme.localhost")
    asked = []
    for route in GROUP:
        names = [one[0] or one[1] for one in _PARAMETER.findall(route)]
        if not {
            "object_id",
            "code",
            "store_id",
            "profile_id",
            "job_id",
            "grant_id",
            "notice_id",
            "notice_draft_id",
        } & set(names):
            continue
        path = foreign.path(route)
        response = client.get(path)
        # The admin sends any number on to the page that then is not there.
        if response.status_code == 302 and response["Location"] == f"{path}change/":
            response = client.get(response["Location"])
        # A session opens nothing of the API.
        expected = (401,) if route.startswith("api/") else (404, 405)
        assert response.status_code in expected, path
        asked.append(path)
    assert len(asked) > 20


def test_the_objects_of_the_other_group_are_found_at_home(objects, enter, globex):
    """The control: the same addresses at the other group's own host."""
    foreign = _objects_of(globex, "tea", first_id=FAR + 1)
    client = enter("outsider", "globex.localhost")
    found = [
        client.get(foreign.path(route)).status_code
        for route in GROUP
        if "<str:code>" in route or "<int:store_id>" in route or "/brand/<path" in route
    ]
    assert found.count(200) >= 3


def test_a_stranger_cannot_tell_forbidden_from_absent(objects, enter):
    """The same answer, byte for byte, for a sibling's object and for one that never was."""
    client = enter("sibling_manager", "acme.localhost")
    absent = {
        "profile_id": FAR * 3,
        "store_id": FAR * 3,
        "code": "never-was",
    }
    for route in GROUP:
        names = {one[0] or one[1] for one in _PARAMETER.findall(route)}
        if not names & set(absent) or _row(GROUP[route])["sibling_manager"] != 404:
            continue
        never = Objects(objects.by_model, {**objects.by_name, **absent})
        forbidden, missing = client.get(objects.path(route)), client.get(never.path(route))
        assert forbidden.status_code == missing.status_code == 404
        assert _without_address(forbidden, objects.path(route)) == _without_address(
            missing, never.path(route)
        )
    assert connection.schema_name == "public"


def _without_address(response, path: str) -> str:
    text = response.content.decode().replace(path, "")
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text)
