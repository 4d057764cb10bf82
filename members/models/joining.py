"""How persons came to be: the journal, decisions by hand, and what waits for a decision."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from brands.models import OWNER_ONLY
from brands.wall.models import GroupWalled, Wall, Walled
from brands.wall.visibility import Kind
from members.models.people import IdentityKind
from members.models.profiles import Profile


class PersonMerge(Walled):
    """Record that a profile went from one person to another: when, by what, by whom. Kept forever.

    Rows of one instant with the same persons are one merge, or one split: before it, the profiles
    of these rows were `from_person_id`, and after it `to_person_id`. It is read by who sees the
    members of every brand in `brands`: the profile's own and one that it was joined with.
    """

    wall = Wall(Kind.PROFILE, within="brands")

    class Cause(models.TextChoices):
        """What moved a profile: an identifier, by its kind; a decision; or that none joins them."""

        PHONE = IdentityKind.PHONE.value, IdentityKind.PHONE.label
        UNIONID = IdentityKind.UNIONID.value, IdentityKind.UNIONID.label
        OPENID = IdentityKind.OPENID.value, IdentityKind.OPENID.label
        EXTERNAL_USERID = IdentityKind.EXTERNAL_USERID.value, IdentityKind.EXTERNAL_USERID.label
        CARD = IdentityKind.CARD.value, IdentityKind.CARD.label
        EMAIL = IdentityKind.EMAIL.value, IdentityKind.EMAIL.label
        DOUYIN = IdentityKind.DOUYIN.value, IdentityKind.DOUYIN.label
        DECISION = "decision", _("Decided by hand")
        SPLIT = "split", _("Nothing joins them any more")

    # Plain numbers: a person without profiles is deleted, a profile may be erased, this stays.
    profile = models.ForeignKey(
        Profile, models.DO_NOTHING, db_constraint=False, related_name="merges"
    )
    brands = ArrayField(models.BigIntegerField(), verbose_name=_("brands"))
    from_person_id = models.BigIntegerField()
    to_person_id = models.BigIntegerField()
    cause = models.CharField(_("cause"), max_length=16, choices=Cause.choices)
    # Number of the identity or of the decision.
    cause_id = models.BigIntegerField(null=True, blank=True)
    by_name = models.CharField(_("by"), max_length=120, blank=True)
    at = models.DateTimeField(_("at"))

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("merge of persons")
        verbose_name_plural = _("merges of persons")

    def __str__(self) -> str:
        return f"{self.from_person_id} → {self.to_person_id}"


class PersonDecision(models.Model):
    """Be what somebody decided by hand: these profiles are one person, or these sides are not.

    Of two that contradict, the later counts. Never changed, never removed.
    """

    app_privileges = OWNER_ONLY

    class What(models.TextChoices):
        JOIN = "join", _("One person")
        PART = "part", _("Not one person")

    what = models.CharField(max_length=4, choices=What.choices)
    reason = models.CharField(max_length=200, blank=True)
    by_user_id = models.BigIntegerField(null=True, blank=True)
    by_name = models.CharField(max_length=120, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("decision about persons")
        verbose_name_plural = _("decisions about persons")

    def __str__(self) -> str:
        return f"{self.what} {self.pk}"


class PersonDecisionSide(models.Model):
    """Put a profile on a side of a decision; of a join all are on one side."""

    app_privileges = OWNER_ONLY

    decision = models.ForeignKey(PersonDecision, models.CASCADE, related_name="sides")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="+")
    side = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name = _("side of a decision")
        verbose_name_plural = _("sides of a decision")
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "profile"], name="%(app_label)s_%(class)s_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.decision_id}: {self.profile_id} {self.side}"


class DecisionEntry(models.Model):
    """Be a decision as it was handed in: the owner role applies it and writes what came of it.

    A part names either a merge to be undone, or the profiles of both sides.
    """

    What = PersonDecision.What

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        APPLIED = "applied", _("Applied")
        REFUSED = "refused", _("Refused")

    what = models.CharField(_("decision"), max_length=4, choices=What.choices)
    # No database constraints: they would tell a stranger which numbers exist.
    profile = models.ForeignKey(
        Profile,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("member"),
    )
    merge_id = models.BigIntegerField(null=True, blank=True)
    first_side = ArrayField(models.BigIntegerField(), default=list, blank=True)
    second_side = ArrayField(models.BigIntegerField(), default=list, blank=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    request_key = models.UUIDField(default=uuid.uuid4, editable=False)
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    entered_by_name = models.CharField(_("by"), max_length=120, blank=True)
    entered_at = models.DateTimeField(_("handed in"), auto_now_add=True)
    # What came of it, written by the owner role.
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.WAITING)
    outcome = models.TextField(_("outcome"), blank=True)
    applied_at = models.DateTimeField(_("applied"), null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.what} {self.state}"

    @property
    def is_waiting(self) -> bool:
        """Tell whether nobody has looked at the entry yet."""
        return self.state == self.State.WAITING


class PersonEntry(DecisionEntry, Walled):
    """Be a decision of a brand about memberships of its own."""

    wall = Wall(Kind.ACTIVITY, is_appendable=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("decision handed in")
        verbose_name_plural = _("decisions handed in")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "request_key"], name="%(app_label)s_%(class)s_handed_in_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(state="waiting"), name="members_personentry_waiting"
            )
        ]


class GroupPersonEntry(DecisionEntry, GroupWalled):
    """Be a decision of HQ's about memberships of brands that it sees members of."""

    is_appendable = True

    class Meta(GroupWalled.Meta):
        abstract = False
        verbose_name = _("decision handed in by HQ")
        verbose_name_plural = _("decisions handed in by HQ")
        constraints = [
            models.UniqueConstraint(
                fields=["request_key"], name="%(app_label)s_%(class)s_handed_in_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(state="waiting"), name="members_groupperson_waiting"
            )
        ]


class PersonSuggestion(Walled):
    """Suggest that two members of a brand may be one person; nothing joins them but a decision."""

    # No notice on it: it is told by the brand, and to HQ where HQ sees every member.
    wall = Wall(Kind.PROFILE)

    first = models.ForeignKey(
        Profile, models.DO_NOTHING, db_constraint=False, related_name="+", verbose_name=_("member")
    )
    second = models.ForeignKey(
        Profile, models.DO_NOTHING, db_constraint=False, related_name="+", verbose_name=_("and")
    )
    # As a model has it (members.identity.likely); null: one name, one birthday, one store.
    probability = models.FloatField(_("probability"), null=True, blank=True)
    found_at = models.DateTimeField(_("found"), auto_now_add=True)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("suggestion to join")
        verbose_name_plural = _("suggestions to join")
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="%(app_label)s_%(class)s_once")
        ]

    def __str__(self) -> str:
        return f"{self.first_id} = {self.second_id}?"


class PersonConflict(Walled):
    """Show memberships that links join and that were not joined, since something contradicts."""

    wall = Wall(Kind.PROFILE, within="brands")

    cluster_id = models.BigIntegerField(db_index=True)
    # The kind of identifier that joins nobody here.
    kind = models.CharField(_("identifier"), max_length=16, choices=IdentityKind.choices)
    brands = ArrayField(models.BigIntegerField(), verbose_name=_("brands"))
    # One of each person, at most ten.
    profiles = ArrayField(models.BigIntegerField(), verbose_name=_("members"))
    members = models.IntegerField(_("members"))
    persons = models.IntegerField(_("persons"))
    is_too_large = models.BooleanField(_("too large to look at closely"), default=False)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("conflict of identifiers")
        verbose_name_plural = _("conflicts of identifiers")

    def __str__(self) -> str:
        return f"{self.kind} {self.cluster_id}"


class HotMetric(Walled):
    """Count a brand's identifiers that so many of its members share that they join none of them."""

    wall = Wall(Kind.METRICS, is_for_siblings=False)

    kind = models.CharField(_("identifier"), max_length=16, choices=IdentityKind.choices)
    identities = models.IntegerField(_("shared by too many"))

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("identifiers shared by too many")
        verbose_name_plural = _("identifiers shared by too many")
        constraints = [
            models.UniqueConstraint(fields=["brand", "kind"], name="%(app_label)s_%(class)s_once")
        ]

    def __str__(self) -> str:
        return f"{self.brand_id} {self.kind}"


class ResolutionJob(GroupWalled):
    """Be a resolution of the whole group, asked for by a change of its rules."""

    is_appendable = True

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")

    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.WAITING)
    # The last profile that was looked at, and how far that is. Not how many memberships moved: they
    # are of every brand, and HQ would subtract those of the brands that it sees.
    checkpoint = models.BigIntegerField(default=0)
    percent = models.PositiveSmallIntegerField(_("done"), default=0)
    asked_by_name = models.CharField(_("by"), max_length=120, blank=True)
    asked_at = models.DateTimeField(_("asked for"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta(GroupWalled.Meta):
        abstract = False
        verbose_name = _("resolution of persons")
        verbose_name_plural = _("resolutions of persons")

    def __str__(self) -> str:
        return f"{self.state} {self.percent} %"


class OpenPerson(GroupWalled):
    """Say with whom a member is one person by the links of open brands, where all links differ.

    Brands in brand-max are not open: HQ is shown persons as they would be without them, so that no
    row of theirs joins or parts two members before its eyes. Most members have no row: they are one
    person with the same ones either way.
    """

    profile = models.ForeignKey(
        Profile, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    # The smallest profile of the person.
    label = models.BigIntegerField(db_index=True)

    class Meta(GroupWalled.Meta):
        abstract = False
        verbose_name = _("person of open brands")
        verbose_name_plural = _("persons of open brands")
        constraints = [
            models.UniqueConstraint(fields=["profile"], name="%(app_label)s_%(class)s_once")
        ]

    def __str__(self) -> str:
        return f"{self.profile_id}: {self.label}"


class OpenPersonsKept(GroupWalled):
    """Say that `OpenPerson` is up to date for these brands left out: one row, or none."""

    kept_at = models.DateTimeField(auto_now_add=True)

    class Meta(GroupWalled.Meta):
        abstract = False
        verbose_name = _("persons of open brands kept")
        verbose_name_plural = _("persons of open brands kept")

    def __str__(self) -> str:
        return f"{self.brand_set} {self.kept_at}"


class PersonUpkeep(models.Model):
    """Hold when suggestions were last looked for: one row."""

    app_privileges = OWNER_ONLY

    suggested_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.suggested_at}"
