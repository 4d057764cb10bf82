"""Decisions about the mode: what is asked, assessed, decided, and recomputed after it."""

from __future__ import annotations

import datetime as dt
from typing import cast

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from brands.models.hierarchy import Brand
from brands.models.privileges import APPEND_ONLY, HQ, KEPT
from brands.modes import Mode


def about(brand_id: int | None) -> Q:
    """Return the filter for what is about a brand, or about the group where there is none."""
    return Q(brand=None) if brand_id is None else Q(brand=brand_id)


def _person(words: Promise) -> models.ForeignKey:
    # People live in the public schema, which no constraint of a group's schema may reach.
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
        verbose_name=cast(str, words),
    )


class ModeDraft(models.Model):
    """Ask for another mode, for the group or for one brand; nothing changes until it is approved.

    `follows` is the decision that it would replace: a newer one overtakes the draft. While it is a
    draft, `assessment` keeps the unfinished text of the impact assessment.
    """

    app_privileges = KEPT
    app_writer = HQ

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SUBMITTED = "submitted", _("Waiting for approval")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        OVERTAKEN = "overtaken", _("Overtaken")

    brand = models.ForeignKey(
        Brand,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="mode_drafts",
        verbose_name=_("brand"),
    )
    mode = models.CharField(_("mode"), max_length=12, choices=Mode.choices, blank=True)
    # Null: at once, when it is approved.
    effective_at = models.DateTimeField(_("effective"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=400)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.DRAFT)
    follows = models.ForeignKey(
        "brands.ModeChange", models.PROTECT, null=True, db_index=False, related_name="+"
    )
    requested_by = _person(_("requested by"))
    requested_by_name = models.CharField(_("requested by"), max_length=120)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    submitted_at = models.DateTimeField(_("submitted"), null=True, blank=True)
    # How often a preview was asked for: the number of the one that is wanted.
    preview_wanted = models.PositiveIntegerField(default=0)
    preview_asked_at = models.DateTimeField(null=True, blank=True)
    # The number of the last one that came to an end, readable or not in the modes of today.
    preview_ended = models.PositiveIntegerField(default=0)
    assessment = models.JSONField(default=dict, blank=True)
    assessed_by = _person(_("assessed by"))
    decided_by = _person(_("decided by"))
    decided_by_name = models.CharField(_("decided by"), max_length=120, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decision_note = models.CharField(_("why"), max_length=400, blank=True)

    class Meta:
        verbose_name = _("draft of a change of mode")
        verbose_name_plural = _("drafts of changes of mode")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(brand__isnull=False) | ~Q(mode=""),
                name="%(app_label)s_%(class)s_group_has_a_mode",
            ),
            # Four eyes, whatever the code above the database does.
            models.CheckConstraint(
                condition=~Q(state="approved")
                | (
                    Q(
                        requested_by__isnull=False,
                        assessed_by__isnull=False,
                        decided_by__isnull=False,
                    )
                    & ~Q(decided_by=F("requested_by"))
                    & ~Q(decided_by=F("assessed_by"))
                ),
                name="%(app_label)s_%(class)s_approved_by_a_second",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.brand or _('Group')} → {self.get_mode_display() or _('as the group')}"

    @property
    def is_open(self) -> bool:
        """Tell whether the draft can still become a change."""
        return self.state in {self.State.DRAFT, self.State.SUBMITTED}


class ModeChange(models.Model):
    """Append one decision about the mode; the last effective one holds.

    Without a brand it sets the group's default. With a brand it overrides the default for that
    brand, and an empty mode takes the override away. `undoes` names the decision that this one
    rolls back, or calls off when both are effective at the same instant.
    """

    app_privileges = APPEND_ONLY
    app_writer = HQ
    # What is neither approved as a draft nor takes a decision back can only close.
    app_write_rule = "draft_id IS NOT NULL OR undoes_id IS NOT NULL OR mode = 'brand_max'"

    brand = models.ForeignKey(
        Brand,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="mode_changes",
        verbose_name=_("brand"),
    )
    mode = models.CharField(_("mode"), max_length=12, choices=Mode.choices, blank=True)
    effective_at = models.DateTimeField(_("effective"), default=timezone.now)
    reason = models.CharField(_("reason"), max_length=400, blank=True)
    # The approver where there was a draft.
    decided_by = _person(_("decided by"))
    decided_by_name = models.CharField(_("decided by"), max_length=120)
    # One change for a draft at most: a second approval finds the place taken.
    draft = models.OneToOneField(
        ModeDraft,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="change",
        verbose_name=_("draft"),
    )
    undoes = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="undone_by",
        verbose_name=_("takes back"),
    )
    created_at = models.DateTimeField(_("recorded"), auto_now_add=True)

    class Meta:
        verbose_name = _("change of mode")
        verbose_name_plural = _("changes of mode")
        ordering = ["-effective_at", "-id"]
        indexes = [models.Index(fields=["brand", "-effective_at", "-id"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(brand__isnull=False) | ~Q(mode=""),
                name="%(app_label)s_%(class)s_group_has_a_mode",
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand or _('Group')}: {self.get_mode_display() or _('as the group')}"


class ImpactAssessment(models.Model):
    """Be the dated, immutable assessment of a change of mode (PIPL art. 55 and 56)."""

    app_privileges = APPEND_ONLY
    app_writer = HQ

    class LegalBasis(models.TextChoices):
        CONSENT = "consent", _("Separate consent (PIPL art. 13 and 23)")
        CONTRACT = "contract", _("Needed for a contract with the person (art. 13)")
        DUTY = "duty", _("A duty by law (art. 13)")
        NOT_SHARED = "not_shared", _("Nothing is shared: the change only closes")

    class Conclusion(models.TextChoices):
        ACCEPTABLE = "acceptable", _("The change may be made")
        WITH_MEASURES = "with_measures", _("The change may be made with the measures named")
        NOT_ACCEPTABLE = "not_acceptable", _("The change must not be made")

    draft = models.ForeignKey(
        ModeDraft, models.PROTECT, related_name="assessments", verbose_name=_("draft")
    )
    number = models.PositiveSmallIntegerField(_("version"))
    # What is asked, as it stood when this was written.
    asked = models.JSONField(_("what is asked"), default=dict)
    purpose = models.TextField(_("purpose"))
    necessity = models.TextField(_("necessity"))
    kinds = models.JSONField(_("kinds of data"), default=list)
    recipients = models.JSONField(_("recipients"), default=list)
    # [brand, persons as they may be shown in every mode].
    persons = models.JSONField(_("persons concerned"), default=list)
    risks = models.TextField(_("risks to the persons"))
    measures = models.TextField(_("measures"))
    legal_basis = models.CharField(_("legal basis"), max_length=12, choices=LegalBasis.choices)
    conclusion = models.CharField(_("conclusion"), max_length=16, choices=Conclusion.choices)
    # What opens and closes for whom, counts aside, in the preview this was written on.
    preview_number = models.PositiveIntegerField(_("preview"))
    outline = models.CharField(max_length=64)
    written_by = _person(_("written by"))
    written_by_name = models.CharField(_("written by"), max_length=120)
    dated_on = models.DateField(_("dated"))
    kept_until = models.DateField(_("kept until"))
    digest = models.CharField(_("digest"), max_length=64)

    class Meta:
        verbose_name = _("impact assessment")
        verbose_name_plural = _("impact assessments")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["draft", "number"], name="%(app_label)s_%(class)s_numbered_once"
            ),
            # Article 56: three years at least. A leap day more or less is not argued about.
            models.CheckConstraint(
                condition=Q(kept_until__gte=F("dated_on") + dt.timedelta(days=3 * 365)),
                name="%(app_label)s_%(class)s_kept_three_years",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.draft_id}/{self.number}"


class ModeFollowUp(models.Model):
    """Be what is recomputed after a change of mode: its steps and how far they are."""

    app_privileges = APPEND_ONLY
    app_writer = HQ

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    change = models.OneToOneField(ModeChange, models.PROTECT, related_name="follow_up")
    due_at = models.DateTimeField(_("due"))
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.WAITING)
    # Name, state, done and total of each step, in their order.
    steps = models.JSONField(default=list)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    # The last sign of life: silence for long means that its worker is gone.
    heard_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("recomputation after a change of mode")
        verbose_name_plural = _("recomputations after changes of mode")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["due_at"], condition=~Q(state="done"), name="brands_modefollowup_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.change_id}: {self.state}"
