"""Write the impact assessment of a change of mode: a dated document with a digest (PIPL 55, 56)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from brands.changes.figures import Cutter
from brands.models import ImpactAssessment, ModeDraft, ModePreview
from brands.wall.visibility import Kind
from tenants.models import User

LEAST_YEARS = 3
# What a person writes, in the order of the document.
TEXTS = ("purpose", "necessity", "risks", "measures")
_CONTENT = (
    "draft_id",
    "number",
    "asked",
    *TEXTS,
    "kinds",
    "recipients",
    "persons",
    "legal_basis",
    "conclusion",
    "preview_number",
    "outline",
    "written_by_id",
    "written_by_name",
    "dated_on",
    "kept_until",
)


def assessment_write(
    *,
    draft: ModeDraft,
    preview: ModePreview,
    acting_user: User,
    text: dict[str, Any],
    years: int,
) -> ImpactAssessment:
    """Append the document; what opens for whom is taken from the preview it is written on."""
    dated_on = timezone.localdate()
    made = ImpactAssessment(
        draft=draft,
        number=draft.assessments.count() + 1,
        asked={
            "target": str(draft.brand or ""),
            "mode": draft.mode,
            "effective_at": draft.effective_at.isoformat() if draft.effective_at else "",
            "reason": draft.reason,
        },
        **{name: text[name].strip() for name in TEXTS},
        kinds=opened_kinds(preview),
        recipients=opened_recipients(preview),
        persons=persons_concerned(preview),
        legal_basis=text["legal_basis"],
        conclusion=text["conclusion"],
        preview_number=preview.number,
        outline=preview.outline,
        written_by=acting_user,
        written_by_name=str(acting_user)[:120],
        dated_on=dated_on,
        kept_until=kept_until(dated_on, years),
    )
    made.digest = digest_of(made)
    made.save()
    return made


def kept_until(day: dt.date, years: int) -> dt.date:
    """Return the same day so many years on, three at least; a leap day's is the day after."""
    year = day.year + max(years, LEAST_YEARS)
    try:
        return day.replace(year=year)
    except ValueError:
        return dt.date(year, 3, 1)


def digest_of(made: ImpactAssessment) -> str:
    """Return the SHA-256 of everything the document says."""
    content = {name: plain(getattr(made, name)) for name in _CONTENT}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def opened_kinds(preview: ModePreview) -> list[str]:
    """Return the kinds of data that open for someone."""
    return _named(str(Kind(row["kind"])) for row in _opening(preview))


def opened_recipients(preview: ModePreview) -> list[str]:
    """Return for whom something opens: "" for HQ, else the brand."""
    brands = preview.result["brands"]
    return _named(
        brands[str(row["side"])]["name"] if row["side"] else "" for row in _opening(preview)
    )


def persons_concerned(preview: ModePreview) -> list[list[Any]]:
    """Return (brand, persons) of the brands something opens of, as they may be read in any mode.

    The document outlives the mode it was written in, so its figures are cut for every brand.
    """
    brands = preview.result["brands"]
    concerned = {row["brand"] for row in _opening(preview)}
    cutter = Cutter(frozenset(concerned), preview.result["k"])
    found: dict[int, int] = {}
    for row in preview.result["persons"]:
        kept = row["persons"]
        found[row["brand"]] = kept["from"] if isinstance(kept, dict) else kept
    return [
        [brands[str(pk)]["name"], cutter.kept(found[pk], pk) if pk in found else None]
        for pk in sorted(concerned)
    ]


def _opening(preview: ModePreview) -> list[dict[str, Any]]:
    return [row for row in preview.result["cells"] if row["opens"]]


def _named(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def plain(value: Any) -> Any:
    """Return a value as JSON keeps it: days and instants as text."""
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else value
