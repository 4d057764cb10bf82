"""Which field wins where a file says something else than what is stored.

A member's row says of what instant its data are (`as_of`) and the rank of the source that said
them last. A row of a file *loses* against it, or wins:

- `newest`: it wins unless what is stored is newer. Its instant is its own column “updated”, else
  the moment its file was uploaded.
- `priority`: of two sources the one of higher rank wins, whatever came when; of equal rank the
  newest.

A winner's empty cells blank what is stored, unless the rules keep what is filled. A loser changes
nothing, except that it fills what is empty where the rules keep what is filled: then two files end
in one state, whichever comes first. `priority` always keeps what is filled.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from members.imports.errors import ImportRefused
from members.models import ImportJob

NEWEST, PRIORITY = "newest", "priority"
# A column of members_profile that files fill → what is empty there.
_EMPTY = {
    "gender": "''",
    "store_id": "NULL",
    "registered_on": "NULL",
    "tier": "''",
    "points": "NULL",
}


@dataclass(frozen=True)
class Rules:
    """Say which of two values stays; `as_of` and `rank` are the file's."""

    as_of: dt.datetime
    wins: str = NEWEST
    keeps_filled: bool = False
    rank: int = 0

    @classmethod
    def of(cls, job: ImportJob) -> Rules:
        """Return the rules of a job, which it has from its source."""
        kept = clean(job.rules)
        return cls(
            as_of=job.created_at or timezone.now(),
            wins=kept["wins"],
            keeps_filled=kept["keeps_filled"],
            rank=job.source.rank if job.source_id and job.source else 0,
        )

    @property
    def keeps(self) -> bool:
        """Tell whether an empty cell leaves what is stored."""
        return self.keeps_filled or self.wins == PRIORITY

    def loses(
        self, as_of: dt.datetime | None, stored: dt.datetime | None, stored_rank: int
    ) -> bool:
        """Tell whether a row of the file loses against the one that is stored.

        `as_of` is the row's own instant; None where it says none.
        """
        if self.wins == PRIORITY and self.rank != stored_rank:
            return self.rank < stored_rank
        return stored is not None and (as_of or self.as_of) < stored

    def merged(
        self,
        said: Mapping[str, str],
        stored: Mapping[str, str],
        *,
        columns: Collection[str],
        loses: bool,
    ) -> dict[str, str]:
        """Return a member's contact fields after a row; empty fields are left out of each side.

        `columns` are the fields that the file has a column for.
        """
        if loses:
            return {**said, **stored} if self.keeps else dict(stored)
        if self.keeps:
            return {**stored, **said}
        return {**{name: text for name, text in stored.items() if name not in columns}, **said}


def clean(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return rules as a job and a source keep them; raises ImportRefused for unknown ones."""
    wins = given.get("wins", NEWEST)
    if wins not in {NEWEST, PRIORITY}:
        raise ImportRefused(
            _("“%(rule)s” is no rule of imports. There are: newest, priority.") % {"rule": wins}
        )
    return {"wins": wins, "keeps_filled": bool(given.get("keeps_filled")) or wins == PRIORITY}


def words(given: Mapping[str, Any]) -> list[str]:
    """Say rules in sentences, for whoever imports by them."""
    kept = clean(given)
    if kept["wins"] == PRIORITY:
        said = [
            _(
                "The source of higher rank wins, whenever its file came; one of lower rank only "
                "fills what is empty."
            ),
            _("Between sources of one rank the newer row wins."),
        ]
    else:
        said = [
            _("The newer row wins: by its column “Updated”, else by when its file was uploaded.")
        ]
    if kept["keeps_filled"]:
        said.append(_("An empty cell leaves what is stored."))
    else:
        said.append(_("An empty cell of a column that is read blanks what is stored."))
    return said


# What a stage of member rows has beside the fields, for `changing_sql`.
STAGED = "as_of timestamptz, loses boolean"


def changing_sql(fields: Mapping[str, bool], rules: Rules) -> tuple[str, dict[str, object]]:
    """Return the query, with its parameters, of which stored members change, and to what.

    `fields` are columns of members_profile with whether the file has them. Reads incoming_member
    (with `STAGED`); gives profile_id, each field and what it was as old_…, as_of, source_rank.
    """
    sides = []
    for name, is_there in fields.items():
        sides.append(f"{_merged_sql(name, rules) if is_there else f'p.{name}'} AS {name}")
        sides.append(f"p.{name} AS old_{name}")
    names = ", ".join(fields)
    olds = ", ".join(f"old_{name}" for name in fields)
    query = f"""
        SELECT * FROM (
            SELECT p.id AS profile_id, {", ".join(sides)}, p.is_member, i.loses, i.has_contact,
                i.as_of AS own_as_of, p.as_of AS old_as_of, p.source_rank AS old_source_rank,
                CASE WHEN i.loses THEN p.as_of ELSE COALESCE(i.as_of, %(as_of)s) END AS as_of,
                CASE WHEN i.loses THEN p.source_rank ELSE %(rank)s END AS source_rank
            FROM incoming_member i JOIN members_profile p ON p.id = i.profile_id
            WHERE NOT i.is_new
        ) AS both_sides
        WHERE ({names}) IS DISTINCT FROM ({olds}) OR NOT is_member OR has_contact
            OR NOT loses AND own_as_of IS NOT NULL AND own_as_of IS DISTINCT FROM old_as_of
            OR %(by_rank)s AND source_rank <> old_source_rank
    """  # noqa: S608 - names of the code
    return query, {"as_of": rules.as_of, "rank": rules.rank, "by_rank": rules.wins == PRIORITY}


def _merged_sql(name: str, rules: Rules) -> str:
    empty = _EMPTY[name]
    is_stored = f"p.{name} IS DISTINCT FROM {empty}"
    if not rules.keeps:
        return f"CASE WHEN i.loses THEN p.{name} ELSE i.{name} END"
    return (
        f"CASE WHEN i.loses AND {is_stored} OR i.{name} IS NOT DISTINCT FROM {empty} "
        f"THEN p.{name} ELSE i.{name} END"
    )
