"""Write a chunk of tags: which members carry which of the brand's tags."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext as _

from members import locks
from members.imports import cells
from members.imports.columns import Columns, Counts, read_columns
from members.imports.files import BadRow, Chunk
from members.imports.known import find_members
from members.models import ImportJob
from members.staging import copy_into, stage
from members.tags import INCOMING, tag_ids, tags_merge
from tenants.models import Tenant

# Between the tags of one cell, as exports of several systems write them.
_BETWEEN = re.compile(r"[;,|、/\n]+")
_LONGEST = 60
_MOST = 100


def read_tags(cell: str) -> str:
    """Return the tags of a cell, one in a line; a problem where there are none or too many."""
    text = unicodedata.normalize("NFKC", cell).replace("\r", "\n")
    names = [" ".join(name.split()) for name in _BETWEEN.split(text)]
    names = sorted({name for name in names if name})
    if not names:
        return cells.Problem(_("The cell is empty."))
    if len(names) > _MOST:
        return cells.Problem(
            _("The cell has %(number)d tags; %(most)d is the most.")
            % {"number": len(names), "most": _MOST}
        )
    for name in names:
        if len(name) > _LONGEST or "\\" in name or not name.isprintable():
            return cells.Problem(
                _("“%(name)s” can be no tag: it is too long, or has characters that no name has.")
                % {"name": cells.shortened(name)}
            )
    return "\n".join(names)


class TagChunks:
    """Import the tags of one brand's members, chunk by chunk; new tags are made."""

    tables = ("members_profile", "members_profiletag")

    def __init__(self, tenant: Tenant, job: ImportJob, columns: dict[str, int]) -> None:
        zone = ZoneInfo(tenant.time_zone)
        self.brand_id = job.brand_id
        # Of what instant a row without one speaks: of when its file was handed over.
        self.as_of = (job.created_at or timezone.now()).isoformat()
        self.columns = columns
        self.headings = job.mapping
        read_instant = cells.read_instant(zone, latest=timezone.now() + dt.timedelta(days=1))
        read = cells.Reader
        self.readers = {
            "member_no": read(cells.read_code(longest=64)),
            "tags": read(read_tags),
            "set_at": read(lambda cell: read_instant(cell) if cell.strip() else ""),
        }
        self.defaults = {"set_at": ""}

    def write(self, chunk: Chunk) -> tuple[Counts, list[BadRow]]:
        """Write the chunk's rows in the caller's transaction; return counts and rejected rows."""
        locks.hold_brand(self.brand_id, "tags")
        locks.hold_answers(is_shared=True)
        read = read_columns(chunk, self.columns, self.headings, self.readers, self.defaults)
        counts = Counts()
        with connection.cursor() as cursor:
            find_members(cursor, self.brand_id, read)
            counts.repeated = read.keep_last("profile_id", "tags")
            if len(read):
                self._write(cursor, read, counts)
        return counts, read.bad

    def _write(self, cursor: CursorWrapper, read: Columns, counts: Counts) -> None:
        names = {name for cell in set(read["tags"]) for name in cell.split("\n")}
        ids = tag_ids(cursor, self.brand_id, names)
        stage(cursor, "incoming_tag", f"line bigint, is_dated boolean, {INCOMING}")
        rows = []
        for line, profile, cell, instant in zip(
            read.lines, read["profile_id"], read["tags"], read["set_at"], strict=True
        ):
            dated = "t" if instant else "f"
            for name in cell.split("\n"):
                rows.append(
                    f"{line}\t{dated}\t{profile}\t{ids[name]}\t{instant or self.as_of}\t"
                    f"{cells.NULL}\timport\n"
                )
        copy_into(
            cursor,
            "incoming_tag",
            "line, is_dated, profile_id, tag_id, set_at, removed_at, source",
            "".join(rows),
            joined_by="profile_id, tag_id",
        )
        # A row without an instant says only that the member carries the tag.
        cursor.execute(
            """
            DELETE FROM pg_temp.incoming_tag i USING members_profiletag t
            WHERE t.profile_id = i.profile_id AND t.tag_id = i.tag_id
                AND (NOT i.is_dated AND t.is_set OR t.set_at >= i.set_at)
            """
        )
        cursor.execute(
            """
            SELECT count(DISTINCT line) FILTER (WHERE is_new),
                count(DISTINCT line) FILTER (WHERE NOT is_new)
            FROM (
                SELECT i.line, bool_or(t.id IS NULL) AS is_new FROM pg_temp.incoming_tag i
                LEFT JOIN members_profiletag t USING (profile_id, tag_id) GROUP BY i.line
            ) AS of_line
            """
        )
        counts.created, counts.updated = cursor.fetchone()
        counts.unchanged = len(read) - counts.created - counts.updated
        tags_merge(cursor)
