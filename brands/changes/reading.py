"""Turn a preview, as it is kept, into what its page shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from brands import words
from brands.changes import rules, setup
from brands.changes.differences import Difference
from brands.changes.figures import Figure, figure, total
from brands.changes.registry import samplers
from brands.models import ModePreview
from brands.modes import Mode
from brands.wall.visibility import Kind, Sight, Visible
from tenants.wording import listed

# Brands of which rows are shown, and rows of each: enough to know them by.
_SAMPLED_BRANDS = 3
_SAMPLE_ROWS = 2
HIDDEN = "●●●"


@dataclass
class Line:
    """Be one kind of data of one brand, or of several alike, for one viewer."""

    kind: str
    brands: list[str]
    before: str
    after: str
    opens: bool
    closes: bool
    opened: Figure
    closed: Figure
    # Each brand, and the question of "who sees what" about it as a query; "" where there is none.
    asked: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Viewed:
    """Be what opens and closes for one viewer."""

    viewer: str
    is_hq: bool
    lines: list[Line]
    opened: Figure
    closed: Figure
    # The kinds that change, and for each brand what opens and closes of each.
    kinds: list[str] = field(default_factory=list)
    by_brand: list[tuple[str, list[tuple[Figure, Figure, str]]]] = field(default_factory=list)


@dataclass(frozen=True)
class Gap:
    """Be the persons of a brand who have not agreed to what its sharing would need."""

    brand: str
    persons: Figure
    # For HQ: how many, and whether any notice would do at all.
    lacking_hq: Figure | None
    has_notice_hq: bool
    # For the sibling that lacks most.
    lacking_sibling: Figure | None
    siblings_without_notice: list[str]


@dataclass(frozen=True)
class SampleTable:
    """Be a few rows of one kind that opens or closes, masked; or only their shape."""

    kind: str
    brand: str
    headings: list[str]
    rows: list[list[str]]
    is_real: bool


@dataclass
class Reading:
    """Be a preview ready to be shown."""

    moved: list[tuple[str, str, str]]
    viewers: list[Viewed]
    gaps: list[Gap]
    handovers: list[rules.Handover]
    affected: list[dict[str, Any]]
    setup: list[tuple[str, str, str]]
    k: int
    has_protected: bool
    seconds: float
    samples: list[SampleTable] = field(default_factory=list)


@dataclass(frozen=True)
class Asking:
    """Write questions of "who sees what" that a draft's page links to."""

    codes: Mapping[int, str]
    draft_id: int | None = None

    def query(self, row: dict[str, Any]) -> str:
        """Return the question of one cell: its viewer, its brand and its kind, now and then."""
        if self.draft_id is None:
            return ""
        side = row["side"]
        who = "hq" if side is None else f"brand:{self.codes[side]}"
        asked = {"who": who, "of": self.codes[row["brand"]], "kind": row["kind"]}
        return "?" + urlencode({**asked, "draft": self.draft_id})


NOTHING_ASKED = Asking({})


def _in_readers_language(kept: str) -> str:
    # Kept in the language of who asked; English words are found again in the reader's.
    return _(kept)


def read_preview(preview: ModePreview, visible: Visible) -> Reading:
    """Return a finished preview ready to be shown; samples are read in the viewer's own scope."""
    result = preview.result
    names = {int(pk): row["name"] for pk, row in result["brands"].items()}
    codes = {int(pk): row["code"] for pk, row in result["brands"].items()}
    before = {int(pk): Mode(row["before"]) for pk, row in result["brands"].items()}
    after = {int(pk): Mode(row["after"]) for pk, row in result["brands"].items()}
    return Reading(
        moved=[(names[pk], str(before[pk].label), str(after[pk].label)) for pk in result["moved"]],
        viewers=_viewers(result["cells"], names, Asking(codes, preview.draft_id)),
        gaps=_gaps(result["persons"], names),
        handovers=rules.handovers(result["moved"], names, before, after),
        affected=[
            {
                **row,
                "label": _in_readers_language(row["label"]),
                "brand": names.get(row["brand"], ""),
                **{
                    name: None if row.get(name) is None else figure(row[name])
                    for name in ("count", "after")
                },
            }
            for row in result["affected"]
        ],
        setup=[
            (names.get(row["brand"], ""), str(setup.WORDS[row["code"]]), listed(row["accounts"]))
            for row in result["setup"]
        ],
        k=result["k"],
        has_protected=bool(result["protected"]),
        seconds=result["seconds"],
        samples=_samples(result["cells"], names, visible),
    )


def _viewers(
    cells: Iterable[dict[str, Any]], names: dict[int, str], asking: Asking = NOTHING_ASKED
) -> list[Viewed]:
    by_side: dict[int | None, list[dict[str, Any]]] = defaultdict(list)
    for cell in cells:
        by_side[cell["side"]].append(cell)
    found = []
    for side, given in by_side.items():
        rows = _without_masks(given) if side is None else given
        # Brands that change alike are one line.
        alike: dict[tuple, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            alike[row["kind"], row["before"], row["after"]].append(row)
        kinds = [kind for kind in Kind if any(row["kind"] == kind for row in rows)]
        found.append(
            Viewed(
                viewer=_("HQ") if side is None else names[side],
                is_hq=side is None,
                lines=[
                    _line(group, names, asking)
                    for kind in kinds
                    for key, group in alike.items()
                    if key[0] == kind
                ],
                opened=total(row["opened"] for row in rows),
                closed=total(row["closed"] for row in rows),
                kinds=[str(words.KINDS[kind]) for kind in kinds],
                by_brand=_by_brand(rows, kinds, names, asking),
            )
        )
    return found


def _without_masks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out masked contact data where contact data itself opens and closes with it."""
    contact = {
        (row["brand"], row["before"], row["after"]) for row in rows if row["kind"] == Kind.CONTACT
    }
    return [
        row
        for row in rows
        if row["kind"] != Kind.MASKED or (row["brand"], row["before"], row["after"]) not in contact
    ]


def _line(rows: list[dict[str, Any]], names: dict[int, str], asking: Asking) -> Line:
    return Line(
        kind=str(words.KINDS[Kind(rows[0]["kind"])]),
        brands=[names[row["brand"]] for row in rows],
        before=str(words.SIGHTS[Sight(rows[0]["before"])]),
        after=str(words.SIGHTS[Sight(rows[0]["after"])]),
        opens=any(row["opens"] for row in rows),
        closes=any(row["closes"] for row in rows),
        opened=total(row["opened"] for row in rows),
        closed=total(row["closed"] for row in rows),
        asked=[(names[row["brand"]], asking.query(row)) for row in rows],
    )


def _by_brand(
    rows: list[dict[str, Any]], kinds: list[Kind], names: dict[int, str], asking: Asking
) -> list[tuple[str, list[tuple[Figure, Figure, str]]]]:
    cells = {(row["brand"], row["kind"]): row for row in rows}
    found = []
    for brand in dict.fromkeys(row["brand"] for row in rows):
        of_kinds = []
        for kind in kinds:
            row = cells.get((brand, kind))
            of_kinds.append(
                (figure(row["opened"]), figure(row["closed"]), asking.query(row))
                if row
                else (figure(0), figure(0), "")
            )
        found.append((names[brand], of_kinds))
    return found


def _gaps(pairs: Iterable[dict[str, Any]], names: dict[int, str]) -> list[Gap]:
    by_brand: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for pair in pairs:
        by_brand[pair["brand"]].append(pair)
    found = []
    for brand, rows in by_brand.items():
        hq = next((row for row in rows if row["side"] is None), None)
        siblings = [row for row in rows if row["side"] is not None]
        most = max(
            (figure(row["lacking"]) for row in siblings), key=lambda one: one.least, default=None
        )
        found.append(
            Gap(
                brand=names[brand],
                persons=figure(rows[0]["persons"]),
                lacking_hq=figure(hq["lacking"]) if hq else None,
                has_notice_hq=bool(hq and hq["has_notice"]),
                lacking_sibling=most,
                siblings_without_notice=[
                    names[row["side"]] for row in siblings if not row["has_notice"]
                ],
            )
        )
    return found


def _samples(
    cells: Iterable[dict[str, Any]], names: dict[int, str], visible: Visible
) -> list[SampleTable]:
    """Return rows as they look: real ones where the viewer may read the brand's today."""
    wanted: dict[tuple[Kind, int], None] = {}
    for cell in cells:
        kind = Kind(cell["kind"])
        if kind in samplers and (cell["opens"] or cell["closes"]):
            wanted[kind, cell["brand"]] = None
    found = []
    brands = list(dict.fromkeys(brand for _kind, brand in wanted))[:_SAMPLED_BRANDS]
    for kind, brand in sorted(wanted, key=lambda key: (list(Kind).index(key[0]), key[1])):
        if brand not in brands:
            continue
        sampler = samplers[kind]
        rows: list[list[str]] = []
        # Masked rows stand for contact data: whoever may read neither is shown the shape alone.
        if visible.cell(brand, kind).sight in {Sight.ALL, Sight.CONSENTED}:
            rows = sampler.rows(brand, _SAMPLE_ROWS)
        found.append(
            SampleTable(
                kind=str(words.KINDS[kind]),
                brand=names[brand],
                headings=[str(heading) for heading in sampler.headings],
                rows=rows or [[HIDDEN] * len(sampler.headings)],
                is_real=bool(rows),
            )
        )
    return found


def in_words(found: Iterable[Difference], names: dict[int, str]) -> list[Viewed]:
    """Return differences ready to be shown, without counts."""
    cells = [
        {
            "side": one.side.brand_id,
            "brand": one.brand_id,
            "kind": str(one.kind),
            "before": str(one.before.sight),
            "after": str(one.after.sight),
            "opens": one.opens,
            "closes": one.closes,
            "opened": 0,
            "closed": 0,
        }
        for one in found
    ]
    return _viewers(cells, names)
