"""Tags: the group's dictionary, each brand's own, and which members carry them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import HQ, KEPT
from brands.wall.models import Wall, Walled
from brands.wall.visibility import Kind
from members.models.profiles import Profile


class TagWords(models.Model):
    """Be a word of a dictionary; it names nobody."""

    name = models.CharField(_("name"), max_length=60)
    # What sort of tag it is: "interest", "life stage". Empty where nobody sorted them.
    kind = models.CharField(_("kind"), max_length=40, blank=True, default="", db_default="")
    made_at = models.DateTimeField(_("made"), default=timezone.now)
    # People live in the public schema, which no constraint of a group's schema may reach.
    made_by: ClassVar[Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("made by"),
    )
    made_by_name = models.CharField(_("made by"), max_length=120, blank=True, default="")
    # The web deletes no row: what is removed stays, and is offered to nobody.
    removed_at = models.DateTimeField(_("removed"), null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class GroupTag(TagWords):
    """Be a tag of the group's dictionary, which HQ writes: what tags of brands may mean."""

    app_privileges = KEPT
    app_writer = HQ

    class Meta(TagWords.Meta):
        abstract = False
        verbose_name = _("tag of the group")
        verbose_name_plural = _("tags of the group")
        constraints = [
            models.UniqueConstraint(fields=["name"], name="%(app_label)s_%(class)s_one_name")
        ]


class Tag(Walled, TagWords):
    """Be a tag of a brand's own dictionary; it may say which of the group's tags it means.

    Members carry tags of their brand alone. The group's reach them through what a brand's mean, so
    each brand goes on using its own words. Read as the wall's table says of rules, which is as of
    figures.
    """

    wall = Wall(Kind.METRICS, is_writable=True)

    means = models.ForeignKey(
        GroupTag,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="brand_tags",
        verbose_name=_("means the group's tag"),
    )
    # The import that brought the word, and takes it away again when it is undone.
    import_id = models.BigIntegerField(null=True, blank=True, db_default=None, editable=False)

    class Meta(Walled.Meta, TagWords.Meta):
        abstract = False
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "name"],
                condition=Q(store=None, notice=None),
                name="%(app_label)s_%(class)s_one_name",
            )
        ]


class ProfileTag(Walled):
    """Say that a member carries a tag, or once did.

    The latest word counts, in whatever order words arrive: `set_at` is the last time it was set,
    `removed_at` the last time it was taken away; of both at one instant it is gone.
    """

    wall = Wall(Kind.PROFILE)

    profile = models.ForeignKey(
        Profile, models.CASCADE, db_index=False, related_name="tags", verbose_name=_("member")
    )
    tag = models.ForeignKey(Tag, models.PROTECT, related_name="carried", verbose_name=_("tag"))
    set_at = models.DateTimeField(_("set"), null=True)
    removed_at = models.DateTimeField(_("taken away"), null=True)
    is_set = models.GeneratedField(
        expression=Q(set_at__isnull=False)  # type: ignore[arg-type]
        & (Q(removed_at__isnull=True) | Q(set_at__gt=F("removed_at"))),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    # Who said so last: "import", "api", a program's own name.
    source = models.CharField(_("source"), max_length=40, blank=True, default="", db_default="")
    # The import that made the row, by which it is undone; negative once the API told of it too.
    import_id = models.BigIntegerField(null=True, blank=True, db_default=None)

    class Meta(Walled.Meta):
        abstract = False
        verbose_name = _("tag of a member")
        verbose_name_plural = _("tags of members")
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "tag"], name="%(app_label)s_%(class)s_once_per_member"
            )
        ]

    def __str__(self) -> str:
        return f"{self.profile_id}: {self.tag_id}"
