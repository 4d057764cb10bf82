"""Write a chunk of follows: which members follow which channel accounts, and since when."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections import defaultdict
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from brands.models import ChannelAccount
from members import locks
from members.imports import cells, images
from members.imports.columns import Columns, Counts, read_columns
from members.imports.files import BadRow, Chunk
from members.imports.known import find_members
from members.models import ImportJob
from members.staging import copy_into, stage
from members.touchpoints import INCOMING, touchpoints_merge
from tenants.models import Tenant

# Rows of the stage that say nothing the table does not say already.
_KNOWN = """
    FROM members_touchpoint t
    WHERE t.profile_id = i.profile_id AND t.account_id = i.account_id
        AND (i.followed_at IS NULL OR t.followed_at > i.followed_at
            OR t.followed_at = i.followed_at
                AND (t.scene COLLATE "C", t.source COLLATE "C")
                    >= (i.scene COLLATE "C", i.source COLLATE "C"))
        AND (i.unfollowed_at IS NULL OR t.unfollowed_at >= i.unfollowed_at)
"""


class TouchpointChunks:
    """Import who follows the channel accounts of one brand and of the group, chunk by chunk."""

    tables = ("members_profile", "members_touchpoint")

    def __init__(self, tenant: Tenant, job: ImportJob, columns: dict[str, int]) -> None:
        zone = ZoneInfo(tenant.time_zone)
        self.brand_id = job.brand_id
        self.job_id = job.pk
        self.columns = columns
        self.headings = job.mapping
        # The same number may be an account's on two platforms.
        self.accounts: defaultdict[str, list[str]] = defaultdict(list)
        own = Q(brand=job.brand_id) | Q(brand=None)
        for pk, number in ChannelAccount.objects.filter(own).values_list("pk", "external_id"):
            self.accounts[unicodedata.normalize("NFKC", number).strip()].append(str(pk))
        read_instant = cells.read_instant(zone, latest=timezone.now() + dt.timedelta(days=1))
        read = cells.Reader
        self.readers = {
            "member_no": read(cells.read_code(longest=64)),
            "account": read(self._read_account),
            "followed_at": read(lambda cell: read_instant(cell) if cell.strip() else cells.NULL),
            "unfollowed_at": read(lambda cell: read_instant(cell) if cell.strip() else cells.NULL),
            "scene": read(cells.read_text(longest=80)),
        }
        self.defaults = {"followed_at": cells.NULL, "unfollowed_at": cells.NULL, "scene": ""}

    def _read_account(self, cell: str) -> str:
        number = unicodedata.normalize("NFKC", cell).strip()
        found = self.accounts.get(number, [])
        if len(found) == 1:
            return found[0]
        if found:
            return cells.Problem(
                _("“%(number)s” is the number of more than one channel account.")
                % {"number": cells.shortened(number)}
            )
        return cells.Problem(
            _(
                "Neither the brand nor the group has a channel account “%(number)s”. Add the "
                "account, then import this row."
            )
            % {"number": cells.shortened(number)}
        )

    def write(self, chunk: Chunk) -> tuple[Counts, list[BadRow]]:
        """Write the chunk's rows in the caller's transaction; return counts and rejected rows."""
        locks.hold_brand(self.brand_id, "touchpoints")
        locks.hold_answers(is_shared=True)
        read = read_columns(chunk, self.columns, self.headings, self.readers, self.defaults)
        self.check(read)
        counts = Counts()
        with connection.cursor() as cursor:
            find_members(cursor, self.brand_id, read)
            counts.repeated = read.keep_last("profile_id", "account")
            if len(read):
                self._write(cursor, read, counts)
        return counts, read.bad

    def check(self, read: Columns) -> None:
        """Set aside rows that name no instant."""
        both = zip(read["followed_at"], read["unfollowed_at"], strict=True)
        read.reject(
            {
                place: [("followed_at", _("The row does not say when the member followed."))]
                for place, instants in enumerate(both)
                if instants == (cells.NULL, cells.NULL)
            }
        )

    def _write(self, cursor: CursorWrapper, read: Columns, counts: Counts) -> None:
        stage(cursor, "incoming_touchpoint", INCOMING)
        names = ("profile_id", "account", "followed_at", "unfollowed_at", "scene")
        rows = zip(*(read[name] for name in names), strict=True)
        copy_into(
            cursor,
            "incoming_touchpoint",
            "profile_id, account_id, followed_at, unfollowed_at, scene, source",
            "".join("\t".join(row) + "\timport\n" for row in rows),
            joined_by="profile_id, account_id",
        )
        cursor.execute(
            f"DELETE FROM pg_temp.incoming_touchpoint i WHERE EXISTS (SELECT {_KNOWN})"  # noqa: S608
        )
        counts.unchanged = cursor.rowcount
        cursor.execute(
            "SELECT count(*) FROM pg_temp.incoming_touchpoint i JOIN members_touchpoint t "
            "USING (profile_id, account_id)"
        )
        counts.updated = cursor.fetchone()[0]
        counts.created = len(read) - counts.unchanged - counts.updated
        images.stage_told(cursor, self.job_id, images.TOUCHPOINTS)
        touchpoints_merge(cursor, import_id=self.job_id)
        images.keep_told(cursor, self.job_id, images.TOUCHPOINTS)
