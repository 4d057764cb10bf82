"""What imports found in the rows they changed, so that each can be taken back for a while."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.models import OWNER_ONLY


class ImportChange(models.Model):
    """Keep what a row said before an import changed it, and what the import made of it.

    Holds no contact data in clear: a contact's is sealed as it was. Goes with its window, with its
    member, and with its undoing. Rows that an import created have one only where they do not keep
    the number of their import themselves: stores and staff.
    """

    app_privileges = OWNER_ONLY

    class What(models.TextChoices):
        PROFILE = "profile"
        CONTACT = "contact"
        ORDER = "order"
        LINE = "line"
        TOUCH = "touch"
        TAG = "tag"
        STORE = "store"
        GUIDE = "guide"

    import_id = models.BigIntegerField()
    what = models.CharField(max_length=7, choices=What.choices)
    # Of the row itself; of an order's line the order's, of a contact's the profile's.
    row_id = models.BigIntegerField()
    line_no = models.IntegerField(default=0)
    # Whose data it is, for erasure; nought of stores and staff.
    profile_id = models.BigIntegerField(db_index=True)
    # Null of a row that was not there.
    before = models.JSONField(null=True)
    after = models.JSONField()
    sealed = models.BinaryField(null=True)
    key_version = models.PositiveSmallIntegerField(null=True)

    class Meta:
        verbose_name = _("change by an import")
        verbose_name_plural = _("changes by imports")
        constraints = [
            models.UniqueConstraint(
                fields=["import_id", "what", "row_id", "line_no"],
                name="%(app_label)s_%(class)s_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["row_id"],
                condition=models.Q(what__in=["order", "line"]),
                name="members_importchange_order",
            )
        ]

    def __str__(self) -> str:
        return f"{self.import_id}: {self.what} {self.row_id}"
