"""How a brand's members stand to the notices, day by day: what the consent gap is read from."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.models import Notice
from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind


class AnswerMetric(Walled):
    """Count the members of a brand who stand in one way to one notice, at the end of a day.

    Every member is in exactly one row of a day.
    """

    wall = Wall(Kind.METRICS, is_for_siblings=False)

    class State(models.TextChoices):
        GIVEN = "given", _("Agrees")
        WITHDRAWN = "withdrawn", _("Said no")
        EXPIRED = "expired", _("The yes has expired")
        MINOR = "minor", _("Under 14, a guardian has to answer")
        NEVER = "never", _("Has not answered")

    day = models.DateField(_("day"))
    state = models.CharField(_("standing"), max_length=9, choices=State.choices)
    answered_notice = models.ForeignKey(
        Notice,
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("notice"),
    )
    people = models.IntegerField(_("members"))
    # How many answers had been recorded when this was counted (brands.Generation.answers).
    answers = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField(_("counted"))

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("figure of answers")
        verbose_name_plural = _("figures of answers")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "day", "state", "answered_notice"],
                name="%(app_label)s_%(class)s_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand_id} {self.day} {self.state}"
