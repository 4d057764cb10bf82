"""Bring the demo's two groups in through the product's own provisioning and imports.

Every step looks at what is there already, so a load that was stopped goes on where it was.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext, gettext_noop

from brands.models import Brand, BusinessUnit, ChannelAccount, Guide, ModeChange, Notice, Store
from brands.modes import Mode
from brands.selectors import effective_modes
from brands.services import mode_change
from brands.wall import scope
from config.demo import GroupFiles, big, harbor, journey
from config.demo.logins import LOGINS, PASSWORD, Login
from config.demo.mode_story import tell_mode_story
from members import rollups
from members.imports.services import import_create, import_run
from members.models import GroupSegment, GroupStratumRule, ImportJob, PoolMetric, Stratum
from members.segment_services import segment_create
from members.segments import Filter
from members.stratify import strata_refresh
from members.stratum_rules import rule_add
from tenants.context import tenant_transaction
from tenants.models import Engagement, Grant, ServiceProvider, Tenant, User
from tenants.provisioning import tenant_provision, tenant_request
from tenants.roles import Level, Role

__all__ = ["LOGINS", "PASSWORD", "is_loaded", "load_demo"]

Progress = Callable[[str, int, int], None]

_MODES = {"fan-max": Mode.FAN_MAX, "member-max": Mode.MEMBER_MAX, "brand-max": Mode.BRAND_MAX}
# Language, title and words of each group's notice.
_NOTICE = (
    (
        "en",
        "How %(group)s uses your data",
        "%(group)s and its brands use your membership and your orders to serve you across the "
        "group. You may take this consent back at any time, in any brand.",
    ),
    (
        "zh-hans",
        "%(group)s如何使用您的信息",
        "%(group)s及旗下各品牌使用您的会员信息与订单，以便在集团范围内为您服务。您可随时在任一品牌撤回同意。",
    ),
)
_GUIDE_NAMES = ("Lin Yue", "Chen Mo", "Zhao Qing", "Sun Wei", "He Lan", "Ma Rui")


def is_loaded() -> bool:
    """Tell whether the last step of a load, the logins, was done."""
    emails = [login.email for login in LOGINS]
    return User.objects.filter(email__in=emails).count() == len(emails)


def load_demo(*, progress: Progress, as_is: bool = False, is_big: bool = False) -> None:
    """Load both groups and their people; goes on where an earlier load was stopped.

    `is_big` puts two million invented members in the place of the real group's.
    """
    folder = settings.VAR_DIR / "demo"
    for files in (
        _big_files(folder / "journey-big", progress)
        if is_big
        else _journey_files(folder / "journey", progress, as_is=as_is),
        _harbor_files(folder / "harbor"),
    ):
        plan = json.loads(files.hierarchy.read_text(encoding="utf-8"))
        tenant = _group(plan)
        _hierarchy(tenant, plan)
        _modes(tenant, plan)
        _imports(tenant, files, progress)
        _rules(tenant, progress)
        _segments(tenant)
    _people()
    tell_mode_story(
        schema_name="journey",
        asking="hq@journey.example",
        second="hq2@journey.example",
        progress=partial(progress, "Journey: changes of mode"),
    )


def _journey_files(folder: Path, progress: Progress, *, as_is: bool) -> GroupFiles:
    # Written once: another week would move the times and make other orders of the same numbers.
    done = folder / ".written"
    if not done.exists():
        files = journey.write_files(
            folder,
            as_is=as_is,
            progress=lambda lines, total: progress("Journey: files", lines, total),
        )
        done.touch()
        return files
    return _files_in(folder)


def _big_files(folder: Path, progress: Progress) -> GroupFiles:
    done = folder / ".written"
    if not done.exists():
        files = big.write_files(
            folder, progress=lambda rows, total: progress("Journey: files", rows, total)
        )
        done.touch()
        return files
    return _files_in(folder)


def _harbor_files(folder: Path) -> GroupFiles:
    done = folder / ".written"
    if not done.exists():
        files = harbor.write_files(folder)
        done.touch()
        return files
    return _files_in(folder)


def _files_in(folder: Path) -> GroupFiles:
    def by_brand(kind: str) -> dict[str, Path]:
        return {
            path.stem.removeprefix(f"{kind}-"): path
            for path in sorted(folder.glob(f"{kind}-*.csv"))
        }

    return GroupFiles(
        folder=folder,
        hierarchy=folder / "hierarchy.json",
        members=by_brand("members"),
        orders=by_brand("orders"),
    )


def _group(plan: dict) -> Tenant:
    tenant = Tenant.objects.filter(schema_name=plan["tenant"]).first() or tenant_request(
        schema_name=plan["tenant"],
        name=plan["name"],
        acting_user=None,
        currency=plan["currency"],
        time_zone=plan["time_zone"],
        locale=plan["locale"],
    )
    return tenant_provision(tenant=tenant)


def _hierarchy(tenant: Tenant, plan: dict) -> None:
    with tenant_transaction(tenant):
        if Brand.objects.exists():
            return
        units = {
            unit["code"]: BusinessUnit.objects.create(code=unit["code"], name=_both(unit))
            for unit in plan["units"]
        }
        for row in plan["brands"]:
            brand = Brand.objects.create(
                code=row["code"], name=_both(row), business_unit=units[row["unit"]]
            )
            stores = Store.objects.bulk_create(
                Store(brand=brand, code=store["code"], name=store["name"])
                for store in row["stores"]
            )
            Guide.objects.bulk_create(
                Guide(store=store, staff_no=f"{store.code}-{number}", name=name)
                for store in stores[:3]
                for number, name in enumerate(_GUIDE_NAMES[:2], start=1)
            )
            ChannelAccount.objects.create(
                brand=brand,
                kind=ChannelAccount.Kind.MINI_PROGRAM,
                part=ChannelAccount.Part.SATELLITE,
                name=f"{row['name']} mini-program",
                external_id=f"wxdemo{tenant.schema_name}{brand.code}",
            )
        ChannelAccount.objects.create(
            kind=ChannelAccount.Kind.MINI_PROGRAM,
            part=ChannelAccount.Part.HUB,
            name=f"{tenant.name} mini-program",
            external_id=f"wxdemo{tenant.schema_name}",
        )
        notice = Notice.objects.create(
            version=plan["notice_version"],
            title=f"{tenant.name} member notice",
            purposes="Service and offers across the group's brands",
            names_group=True,
            covers_profile=True,
            covers_contact=True,
            covers_activity=True,
            # In the group's own zone: elsewhere it would begin on the last day of 2009.
            effective_from=dt.datetime(2010, 1, 1, tzinfo=ZoneInfo(tenant.time_zone)),
        )
        notice.recipients.set(Brand.objects.all())
        for language, title, text in _NOTICE:
            notice.texts.create(
                language=language,
                title=title % {"group": tenant.name},
                text=text % {"group": tenant.name},
            )


def _both(row: dict) -> str:
    """Return a name in both languages, unless it holds both already."""
    chinese = row.get("name_zh", "")
    return row["name"] if not chinese or chinese in row["name"] else f"{row['name']} {chinese}"


def _imports(tenant: Tenant, files: GroupFiles, progress: Progress) -> None:
    for kind, paths in (
        (ImportJob.Kind.MEMBERS, files.members),
        (ImportJob.Kind.ORDERS, files.orders),
    ):
        total = sum(path.stat().st_size for path in paths.values())
        before = memory = 0
        step = f"{tenant.name}: {kind.label} (bytes)"
        for code, path in sorted(paths.items()):
            with tenant_transaction(tenant), scope.bulk(reason="demo"):
                brand = Brand.objects.get(code=code)
                job = ImportJob.objects.filter(brand=brand, kind=kind, file_name=path.name).first()
            if job is None:
                with tenant_transaction(tenant), scope.bulk(reason="demo"):
                    job = import_create(brand=brand, kind=kind, path=path, file_name=path.name)
            if not job.is_finished:
                show = partial(_show, progress, step, before, total)
                job = import_run(tenant=tenant, job_id=job.pk, progress=show, finish=False)
            if job.state != ImportJob.State.DONE or job.rows_rejected:
                raise RuntimeError(
                    f"{path.name} was not imported whole ({job.get_state_display()}, "
                    f"{job.rows_rejected} rows rejected): {job.error}"
                )
            before += path.stat().st_size
            memory = max(memory, job.peak_memory)
        progress(step, total, total)
        # Of the whole process, with all that it did before.
        progress(f"{tenant.name}: {kind.label}, at most {memory / 2**20:,.0f} MB of memory", 1, 1)
    progress(f"{tenant.name}: figures", 0, 0)
    rollups.finish_pending(tenant=tenant)
    progress(f"{tenant.name}: figures", 1, 1)


def _show(progress: Progress, step: str, before: int, total: int, job: ImportJob) -> None:
    # The step ends when the last file does, not at the last byte of it.
    progress(step, before + min(job.checkpoint, total - before - 1), total)


def _modes(tenant: Tenant, plan: dict) -> None:
    with tenant_transaction(tenant):
        # The first change is the seed every group starts with.
        if ModeChange.objects.count() > 1:
            return
        mode_change(
            mode=_MODES[plan["mode"]], acting_user=None, reason=gettext_noop("The demo's mode")
        )
        for row in plan["brands"]:
            if row["mode"]:
                mode_change(
                    mode=_MODES[row["mode"]],
                    brand=Brand.objects.get(code=row["code"]),
                    acting_user=None,
                    reason=gettext_noop("The demo's override"),
                )


def _rules(tenant: Tenant, progress: Progress) -> None:
    """Write the group's rule of strata, and one brand's own."""
    step = f"{tenant.name}: strata"
    with tenant_transaction(tenant), scope.bulk(reason="demo"):
        if not GroupStratumRule.objects.exists():
            rule_add(brand=None, acting_user=None, favourable_orders=2, true_love_orders=5)
            closed = [pk for pk, mode in effective_modes().items() if mode == Mode.BRAND_MAX]
            for brand in Brand.objects.filter(pk__in=closed).order_by("code")[:1]:
                rule_add(brand=brand, acting_user=None, favourable_orders=1, true_love_orders=3)
    strata_refresh(tenant=tenant, progress=partial(progress, step))


def _segments(tenant: Tenant) -> None:
    """Keep a segment of the group, and one of each brand whose manager has a login."""
    with (
        tenant_transaction(tenant),
        scope.bulk(reason="demo"),
        translation.override(tenant.locale),
    ):
        if GroupSegment.objects.exists():
            return
        segment_create(
            owner=None,
            name=gettext("True-love, all brands"),
            asked=Filter(stratum=Stratum.TRUE_LOVE),
            acting_user=None,
        )
        for brand in Brand.objects.filter(code__in=["pantry", "fuel", "tea"]):
            segment_create(
                owner=brand,
                name=gettext("Favourable, close to true-love"),
                asked=Filter(stratum=Stratum.FAVOURABLE),
                acting_user=None,
            )


def _people() -> None:
    provider, _created = ServiceProvider.objects.get_or_create(name="Canal Agency")
    today = timezone.now().date()
    for login in LOGINS:
        user = User.objects.filter(email=login.email).first()
        if user is None:
            user = User.objects.create_user(login.email, PASSWORD, name=login.who)
        user.grants.all().delete()
        tenant = Tenant.objects.get(schema_name=login.tenant) if login.tenant else None
        place = _place(tenant, login)
        Grant.objects.create(
            user=user,
            role=login.role,
            level=login.level,
            tenant=tenant,
            provider=provider if login.level is Level.PROVIDER else None,
            place_id=place.pk if place else None,
            place_name=str(place) if place else "",
        )
        if login.engaged:
            journey_group = Tenant.objects.get(schema_name="journey")
            engagement, _created = Engagement.objects.get_or_create(
                provider=provider,
                tenant=journey_group,
                defaults={
                    "purpose": "Operate the market brand",
                    "starts_on": today,
                    "ends_on": today + dt.timedelta(days=365),
                },
            )
            with tenant_transaction(journey_group):
                market = Brand.objects.get(code="market")
            Grant.objects.create(
                user=user,
                role=Role.BRAND_MANAGER,
                level=Level.BRAND,
                tenant=journey_group,
                place_id=market.pk,
                place_name=str(market),
                engagement=engagement,
            )


def _place(tenant: Tenant | None, login: Login) -> BusinessUnit | Brand | Store | None:
    if tenant is None or not login.place:
        return None
    with tenant_transaction(tenant):
        if login.level is Level.UNIT:
            return BusinessUnit.objects.get(code=login.place)
        if login.level is Level.BRAND:
            return Brand.objects.get(code=login.place)
        brand = Brand.objects.get(code=login.place.split("/")[0])
        # The store with the most members has the most to show.
        with scope.bulk(reason="demo"):
            busiest = (
                PoolMetric.objects.filter(brand=brand, store__isnull=False)
                .order_by("-members", "store_id")
                .values_list("store_id", flat=True)
                .first()
            )
        return Store.objects.get(pk=busiest)
