"""Find the members and the stores that rows of a file name."""

from __future__ import annotations

import unicodedata
from collections import Counter

from django.db.backends.utils import CursorWrapper

from brands.models import Store
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


def store_words(brand_id: int) -> dict[str, int]:
    """Return what a brand's stores may be called in a file → their number: codes first.

    A code whatever its case, and a name that one store alone has: many systems export names.
    """
    stores = list(Store.objects.filter(brand=brand_id).values_list("pk", "code", "name"))
    plain = [(pk, unicodedata.normalize("NFKC", name).strip()) for pk, _code, name in stores]
    times = Counter(name for _pk, name in plain)
    folded = Counter(code.casefold() for _pk, code, _name in stores)
    return {
        **{name: pk for pk, name in plain if times[name] == 1},
        **{code.casefold(): pk for pk, code, _name in stores if folded[code.casefold()] == 1},
        **{code: pk for pk, code, _name in stores},
    }
