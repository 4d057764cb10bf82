"""Write a chunk of contact data of members that the brand has already."""

from __future__ import annotations

from dataclasses import replace

from django.db import connection

from members import locks
from members.imports import cells
from members.imports.columns import Counts, unknown_member
from members.imports.files import BadRow, Chunk
from members.imports.members import MemberChunks


class ContactChunks(MemberChunks):
    """Import contact data of one brand's members, chunk by chunk; no member is made."""

    def write(self, chunk: Chunk) -> tuple[Counts, list[BadRow]]:
        """Write the chunk's rows in the caller's transaction; return counts and rejected rows."""
        locks.hold_brand(self.brand_id, "members")
        read_number = cells.Reader(cells.read_code(longest=64))
        place = self.columns["member_no"]
        numbers = [read_number[row[place]] for row in chunk.rows]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT member_no FROM members_profile "
                "WHERE brand_id = %s AND is_member AND member_no = ANY(%s)",
                [self.brand_id, [n for n in numbers if not isinstance(n, cells.Problem)]],
            )
            known = {number for (number,) in cursor.fetchall()}
        # A number that cannot be read is given back with all else that is wrong in its row.
        stays = [isinstance(number, cells.Problem) or number in known for number in numbers]
        heading = self.headings["member_no"]
        strangers = [
            BadRow(line, heading, unknown_member(cells.shortened(number)), row)
            for line, number, row, is_kept in zip(
                chunk.lines, numbers, chunk.rows, stays, strict=True
            )
            if not is_kept
        ]
        rest = replace(
            chunk,
            lines=[line for line, is_kept in zip(chunk.lines, stays, strict=True) if is_kept],
            rows=[row for row, is_kept in zip(chunk.rows, stays, strict=True) if is_kept],
        )
        counts, bad = super().write(rest)
        return counts, [*bad, *strangers]
