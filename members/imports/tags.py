"""Write a chunk of tags: which members carry which of the brand's tags, and carry no more."""

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
from members.imports import cells, images
from members.imports.columns import Columns, Counts, read_columns
from members.imports.files import BadRow, Chunk
from members.imports.known import find_members
from members.models import ImportJob
from members.staging import copy_into, stage
from members.tags import INCOMING, tag_ids, tag_ids_known, tags_merge
from tenants.models import Tenant

# Between the tags of one cell, as exports of several systems write them.
_BETWEEN = re.compile(r"[;,|、/\n]+")
_LONGEST = 60
_MOST = 100
# Whether a row sets its tags or takes them away.
ACTIONS = {
    **dict.fromkeys(
        ("", "add", "set", "mark", "new", "添加", "新增", "增加", "打标", "打标签", "添加标签"), "t"
    ),
    **dict.fromkeys(("remove", "delete", "del", "unmark", "移除", "删除", "取消", "去标"), "f"),
    **dict.fromkeys(("移除标签", "删除标签", "取消标签", "去标签", "移出"), "f"),
}


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
        self.job_id = job.pk
        # Of what instant a row without one speaks: of when its file was handed over.
        self.as_of = job.created_at or timezone.now()
        self.columns = columns
        self.headings = job.mapping
        read_instant = cells.read_instant(zone, latest=timezone.now() + dt.timedelta(days=1))
        read = cells.Reader
        self.readers = {
            "member_no": read(cells.read_code(longest=64)),
            "tags": read(read_tags),
            "set_at": read(lambda cell: read_instant(cell) if cell.strip() else ""),
            "action": read(
                cells.read_choice(ACTIONS, _("“%(cell)s” is neither “add” nor “remove”."))
            ),
        }
        self.defaults = {"set_at": "", "action": "t"}

    def write(self, chunk: Chunk) -> tuple[Counts, list[BadRow]]:
        """Write the chunk's rows in the caller's transaction; return counts and rejected rows."""
        locks.hold_brand(self.brand_id, "tags")
        locks.hold_answers(is_shared=True)
        read = read_columns(chunk, self.columns, self.headings, self.readers, self.defaults)
        counts = Counts()
        with connection.cursor() as cursor:
            find_members(cursor, self.brand_id, read)
            counts.repeated = read.keep_last("profile_id", "tags", "action", "set_at")
            if len(read):
                self._write(cursor, read, counts)
        return counts, read.bad

    def _write(self, cursor: CursorWrapper, read: Columns, counts: Counts) -> None:
        ids = self._tags(cursor, read)
        stage(cursor, "incoming_tag", f"line bigint, is_dated boolean, {INCOMING}")
        copy_into(
            cursor,
            "incoming_tag",
            "line, is_dated, profile_id, tag_id, set_at, removed_at, source",
            "".join(self._rows(read, ids)),
            joined_by="profile_id, tag_id",
        )
        # A row without an instant says only that the member carries the tag, or does not.
        cursor.execute(
            """
            DELETE FROM pg_temp.incoming_tag i USING members_profiletag t
            WHERE t.profile_id = i.profile_id AND t.tag_id = i.tag_id AND (
                NOT i.is_dated AND t.is_set = (i.set_at IS NOT NULL)
                OR t.set_at >= i.set_at OR t.removed_at >= i.removed_at
            )
            """
        )
        cursor.execute(
            """
            DELETE FROM pg_temp.incoming_tag i
            WHERE NOT i.is_dated AND i.removed_at IS NOT NULL AND NOT EXISTS (
                SELECT FROM members_profiletag t
                WHERE t.profile_id = i.profile_id AND t.tag_id = i.tag_id
            )
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
        images.stage_told(cursor, self.job_id, images.TAGS)
        tags_merge(cursor, import_id=self.job_id)
        images.keep_told(cursor, self.job_id, images.TAGS)

    def _tags(self, cursor: CursorWrapper, read: Columns) -> dict[str, int]:
        """Return the numbers of the tags that rows name; no word is made only to be taken away."""
        rows = list(zip(read["tags"], read["action"], read["set_at"], strict=True))
        made = {cell for cell, action, instant in rows if action == "t" or instant}
        ids = tag_ids(cursor, self.brand_id, _names(made), import_id=self.job_id)
        rest = _names({cell for cell, _action, _instant in rows}) - ids.keys()
        return ids | tag_ids_known(cursor, self.brand_id, rest)

    def _rows(self, read: Columns, ids: dict[str, int]) -> list[str]:
        """Return what COPY reads: one row for each tag of a row, of undated ones the last."""
        rows: dict[tuple[str, int, str], str] = {}
        names = ("profile_id", "tags", "set_at", "action")
        for line, profile, cell, instant, action in zip(
            read.lines, *(read[name] for name in names), strict=True
        ):
            # Later lines are later words, so that of two chunks too the last one counts.
            said = instant or (self.as_of + dt.timedelta(microseconds=line)).isoformat()
            pair = f"{said}\t{cells.NULL}" if action == "t" else f"{cells.NULL}\t{said}"
            for name in cell.split("\n"):
                if name in ids:
                    # Undated rows of one member and tag have one key, dated ones their own.
                    key = (profile, ids[name], f"{instant}{action}" if instant else "")
                    dated = "t" if instant else "f"
                    rows[key] = f"{line}\t{dated}\t{profile}\t{ids[name]}\t{pair}\timport\n"
        return list(rows.values())


def _names(cell_texts: set[str]) -> set[str]:
    return {name for cell in cell_texts for name in cell.split("\n")}
