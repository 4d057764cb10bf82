"""Keep the sources of a brand's files, and what was chosen for the columns of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.models import Brand
from members.imports.errors import ImportRefused
from members.imports.mapping import FIELDS, map_automatically
from members.imports.rules import clean
from members.models import ImportJob, ImportSource
from tenants import audit
from tenants.models import User

# What a heading hardly is, and a cell of a file without a heading line is soon.
_A_CELL = re.compile(r"\d{5}|@")


class SourceRefused(ValueError):
    """Say why a source was not kept as asked."""


def sources_of(brand_ids: frozenset[int] | set[int]) -> QuerySet[ImportSource]:
    """Return the sources of brands that are offered, each with its last import."""
    return (
        ImportSource.objects.filter(brand__in=brand_ids, removed_at=None)
        .select_related("brand")
        .annotate(last_import=Max("imports__created_at"), last_job=Max("imports__pk"))
        .order_by("brand__code", "-rank", "name")
    )


def mapping_for(
    source: ImportSource | None, kind: str, headings: list[str]
) -> tuple[dict[str, str], bool]:
    """Return field → heading for a new file, and whether it is as the source's last file was.

    What was chosen last counts for headings that the file has once; the others are recognised.
    """
    saved = (source.mappings.get(kind) or {}) if source else {}
    times = Counter(headings)
    fields = {field.name for field in FIELDS[kind]}
    known = {
        name: heading
        for name, heading in saved.items()
        if name in fields and times.get(heading) == 1
    }
    if not known:
        return map_automatically(kind, headings), False
    taken = set(known.values())
    # A column that the source's person left out stays out; a new one is recognised.
    seen = set(saved.get("", []))
    found = map_automatically(kind, [one for one in headings if one not in taken | seen])
    return {**found, **known}, True


@transaction.atomic
def source_create(
    *, brand: Brand, name: str, acting_user: User | None, rank: int = 0
) -> ImportSource:
    """Keep a new source of a brand; raises SourceRefused where the name is taken."""
    name = " ".join(name.split())[:80]
    if not name:
        raise SourceRefused(_("The source has no name. Nothing was kept."))
    if ImportSource.objects.filter(brand=brand, name=name, removed_at=None).exists():
        raise SourceRefused(_("The brand already has a source of this name."))
    source = ImportSource.objects.create(
        brand=brand,
        name=name,
        rank=rank,
        created_by=acting_user,
        created_by_name=str(acting_user)[:120] if acting_user else "system",
    )
    audit.record(
        acting_user=acting_user,
        action="import_source.create",
        target=source,
        changes={"brand": ["", brand.code], "name": ["", name], "rank": ["", rank]},
    )
    return source


def source_named(
    brand: Brand, name: str, *, acting_user: User | None = None
) -> ImportSource | None:
    """Return a brand's source by its name, made where it is new; None for an empty name."""
    name = " ".join(name.split())
    if not name:
        return None
    known = ImportSource.objects.filter(brand=brand, name=name, removed_at=None).first()
    return known or source_create(brand=brand, name=name, acting_user=acting_user)


@transaction.atomic
def source_change(
    *,
    source: ImportSource,
    acting_user: User | None,
    rank: int | None = None,
    rules: Mapping[str, Mapping[str, Any]] | None = None,
) -> ImportSource:
    """Change a source's rank or rules (kind → rules); rows that came before keep what they have."""
    source = ImportSource.objects.select_for_update().get(pk=source.pk)
    changes: dict[str, list[Any]] = {}
    if rank is not None and rank != source.rank:
        changes["rank"] = [source.rank, rank]
        source.rank = rank
    for kind, given in (rules or {}).items():
        kept = clean(given)
        if source.rules.get(kind) != kept:
            changes[f"rules of {kind}"] = [source.rules.get(kind, ""), kept]
            source.rules = {**source.rules, kind: kept}
    if changes:
        source.save(update_fields=["rank", "rules"])
        audit.record(
            acting_user=acting_user, action="import_source.change", target=source, changes=changes
        )
    return source


@transaction.atomic
def source_remove(*, source: ImportSource, acting_user: User | None) -> ImportSource:
    """Offer a source no more; raises SourceRefused for one that files came from."""
    source = ImportSource.objects.select_for_update().get(pk=source.pk)
    if ImportJob.objects.filter(source=source).exists():
        raise SourceRefused(
            _("Files came from this source, and their imports name it. It was not removed.")
        )
    source.removed_at = timezone.now()
    source.save(update_fields=["removed_at"])
    audit.record(acting_user=acting_user, action="import_source.remove", target=source)
    return source


@transaction.atomic
def source_remember(
    *, source: ImportSource, kind: str, mapping: Mapping[str, str], headings: list[str]
) -> None:
    """Keep what was chosen for a file's columns, for the source's next file of this kind.

    Of a file whose first line looks like a row nothing is kept: its headings would be a member.
    """
    if any(map(_A_CELL.search, headings)):
        return
    left_out = sorted({one for one in headings if one and one not in mapping.values()})
    kept = {**mapping, "": left_out}
    locked = ImportSource.objects.select_for_update().get(pk=source.pk)
    if locked.mappings.get(kind) != kept:
        locked.mappings = {**locked.mappings, kind: kept}
        locked.save(update_fields=["mappings"])


def rules_for(source: ImportSource | None, kind: str) -> dict[str, Any]:
    """Return the rules that a new import has from its source."""
    try:
        return clean(source.rules.get(kind) or {}) if source else {}
    except ImportRefused:
        return {}
