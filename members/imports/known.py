"""Find the members that rows of a file name."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from members.imports import cells
from members.imports.columns import Columns, unknown_member


def find_members(cursor: CursorWrapper, brand_id: int, read: Columns) -> None:
    """Set `profile_id` of every row by its member number; set aside rows that name no member."""
    numbers = list(set(read["member_no"]))
    cursor.execute(
        "SELECT member_no, id FROM members_profile WHERE brand_id = %s AND member_no = ANY(%s)",
        [brand_id, numbers],
    )
    ids = {number: str(pk) for number, pk in cursor.fetchall()}
    read.values["profile_id"] = [ids.get(number, "") for number in read["member_no"]]
    read.reject(
        {
            place: [("member_no", unknown_member(cells.shortened(number)))]
            for place, number in enumerate(read["member_no"])
            if number not in ids
        }
    )
