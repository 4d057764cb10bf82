"""What tells cached figures that they are stale."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.models.privileges import READ_ONLY


class Generation(models.Model):
    """Count how often the group's roll-ups changed, so that no cached figure outlives them."""

    app_privileges = READ_ONLY

    # The one row's key.
    ONLY = 1

    number = models.BigIntegerField(default=0)
    # How often an answer, a withdrawal or an expiry was recorded: what was copied before is old.
    answers = models.BigIntegerField(default=0)
    # Everything that expires up to this instant is closed; once it has passed, nobody has looked,
    # and no notice that expires per answer is in force.
    expiries_closed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("generation of figures")
        verbose_name_plural = _("generations of figures")

    def __str__(self) -> str:
        return str(self.number)
