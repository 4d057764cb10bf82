"""Write the rows of a file of store staff: guides, found by store and staff number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from brands.models import Guide
from members.imports import cells
from members.imports.known import store_words
from members.imports.stores import ACTIVE, PlaceChunks, read_name
from members.models import ImportJob
from tenants.models import Tenant


class StaffChunks(PlaceChunks):
    """Import the guides of one brand's stores."""

    model = Guide
    tables = ("brands_guide",)
    key = ("store_id", "staff_no")

    def __init__(self, tenant: Tenant, job: ImportJob, columns: dict[str, int]) -> None:
        self._stores = store_words(job.brand_id)
        named = {("store_id" if name == "store_code" else name): at for name, at in columns.items()}
        super().__init__(tenant, job, named)
        self.headings["store_id"] = job.mapping.get("store_code", "")

    def reading(self) -> dict[str, Callable[[str], str]]:
        """Return field → what reads its cells."""
        read_store = cells.read_store(self._stores)

        def read_own_store(cell: str) -> str:
            found = read_store(cell)
            return cells.Problem(_("The cell is empty.")) if found == cells.NULL else found

        return {
            "store_id": read_own_store,
            "staff_no": cells.read_code(longest=40),
            "name": read_name(longest=80),
            "is_active": cells.read_choice(ACTIVE, _("“%(cell)s” is neither yes nor no.")),
        }

    def stored(self) -> models.QuerySet[Guide]:
        """Return the guides of the brand's stores."""
        return Guide.objects.filter(store__brand=self.brand_id)

    def value(self, name: str, text: str) -> Any:
        """Return a field's value for what was read."""
        return int(text) if name == "store_id" else text
