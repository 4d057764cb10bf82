"""What a change of mode would open and close, counted."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from brands.models.decisions import ModeDraft
from brands.wall.models import GroupWalled


class ModePreview(GroupWalled):
    """Be one count of what a draft would open and close, readable in the modes of its day only.

    `result` holds nothing that HQ may not count today: figures of brands in brand-max are cut to
    steps of k before they are written here.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    draft = models.ForeignKey(ModeDraft, models.CASCADE, related_name="previews")
    number = models.PositiveIntegerField(_("number"))
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.RUNNING)
    # Name → digest of everything that the counts rest on: what differs later is what is stale.
    fingerprint = models.JSONField(default=dict)
    # Digest of what opens and closes for whom, counts aside.
    outline = models.CharField(max_length=64, blank=True)
    result = models.JSONField(default=dict)
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started"))
    made_at = models.DateTimeField(_("made"), null=True, blank=True)

    class Meta(GroupWalled.Meta):
        abstract = False
        verbose_name = _("preview of a change of mode")
        verbose_name_plural = _("previews of changes of mode")
        constraints = [
            models.UniqueConstraint(
                fields=["draft", "number"], name="%(app_label)s_%(class)s_numbered_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.draft_id}/{self.number}"
