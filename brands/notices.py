"""Read notices: what each says, whether it is in force, and what it opens for how many."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from brands import answers
from brands.models import Brand, Notice, NoticeText
from brands.selectors import Standing, notices_in_force
from brands.wall.visibility import Kind

STANDINGS = {
    Standing.NOT_YET: _("not yet in force"),
    Standing.IN_FORCE: _("in force"),
    Standing.ENDED: _("ended"),
    Standing.UNCHECKED: _("set aside"),
}
TONES = {
    Standing.NOT_YET: "accent",
    Standing.IN_FORCE: "good",
    Standing.ENDED: "",
    Standing.UNCHECKED: "bad",
}
KIND_WORDS = {
    Kind.PROFILE: _("profiles"),
    Kind.CONTACT: _("contact data"),
    Kind.ACTIVITY: _("activity"),
}


@dataclass(frozen=True)
class NoticeFacts:
    """Be one notice as the pages show it."""

    notice: Notice
    standing: Standing
    ends_at: datetime | None
    # Recipients that are still with the group, and those that have left it.
    brands: tuple[Brand, ...]
    left_brands: tuple[Brand, ...]
    # Brands of the group that the notice does not name: they see nothing through it.
    unnamed_brands: tuple[Brand, ...]
    kinds: tuple[Kind, ...]
    texts: tuple[NoticeText, ...]
    # Brand → members whose current yes answers this notice; None where it is not told.
    people: dict[int, int | None] = field(default_factory=dict)

    @property
    def total(self) -> int | None:
        """Return the sum of the numbers that are told; None where one of them is not."""
        if any(number is None for number in self.people.values()):
            return None
        return sum(number or 0 for number in self.people.values())

    @property
    def told_total(self) -> int | None:
        """Return the sum of the numbers that are told; None where none is."""
        told = [number for number in self.people.values() if number is not None]
        return sum(told) if told else None

    @property
    def standing_word(self) -> str:
        """Return the standing in words."""
        return str(STANDINGS[self.standing])

    @property
    def tone(self) -> str:
        """Return the standing's colour."""
        return TONES[self.standing]

    @property
    def kind_words(self) -> list[str]:
        """Return the kinds of data in words."""
        return [str(KIND_WORDS[kind]) for kind in self.kinds]

    @property
    def text(self) -> NoticeText | None:
        """Return the words in the reader's language, or in the first there is."""
        wanted = (get_language() or "").lower()
        ordered = sorted(self.texts, key=lambda one: one.language.lower() != wanted)
        return ordered[0] if ordered else None

    @property
    def title(self) -> str:
        """Return the title in the reader's language."""
        return self.text.title if self.text else self.notice.title

    @property
    def worded(self) -> list[tuple[str, NoticeText]]:
        """Return language and words, language by language."""
        names = dict(settings.LANGUAGES)
        return [(names.get(one.language, one.language), one) for one in self.texts]


def effective_end(notice: Notice) -> datetime | None:
    """Return when a notice ends: as it says, or earlier where that was decided since."""
    ends = [ending.ends_at for ending in notice.endings.all()]
    return min([*ends, *([notice.ends_at] if notice.ends_at else [])], default=None)


def _standing(notice: Notice, in_force: set[int], at: datetime) -> Standing:
    """Return what `notice_standing` does, of many notices at once."""
    if notice.pk in in_force:
        return Standing.IN_FORCE
    if notice.effective_from > at:
        return Standing.NOT_YET
    ends_at = effective_end(notice)
    return Standing.ENDED if ends_at and ends_at <= at else Standing.UNCHECKED


def notice_facts(*, pk: int | None = None, with_people: bool = True) -> list[NoticeFacts]:
    """Return the notices, the newest first, or the one asked for; numbers as the scope shows."""
    at = timezone.now()
    rows = Notice.objects.prefetch_related("recipients", "texts", "endings")
    if pk is not None:
        rows = rows.filter(pk=pk)
    people: dict[int, dict[int, int | None]] = defaultdict(dict)
    if with_people:
        for row in answers.standing():
            people[row.notice_id][row.brand_id] = row.people
    in_force = set(notices_in_force(at=at).values_list("pk", flat=True))
    staying = [brand for brand in Brand.objects.order_by("code") if not has_left(brand, at=at)]
    found = []
    for notice in rows.order_by("-effective_from", "-pk"):
        named = sorted(notice.recipients.all(), key=lambda brand: brand.code)
        named_ids = {brand.pk for brand in named}
        found.append(
            NoticeFacts(
                notice=notice,
                standing=_standing(notice, in_force, at),
                ends_at=effective_end(notice),
                brands=tuple(brand for brand in named if not has_left(brand, at=at)),
                left_brands=tuple(brand for brand in named if has_left(brand, at=at)),
                unnamed_brands=tuple(one for one in staying if one.pk not in named_ids),
                kinds=tuple(
                    kind
                    for kind, covered in (
                        (Kind.PROFILE, notice.covers_profile),
                        (Kind.CONTACT, notice.covers_contact),
                        (Kind.ACTIVITY, notice.covers_activity),
                    )
                    if covered
                ),
                texts=tuple(notice.texts.all()),
                people=people[notice.pk],
            )
        )
    return found


def has_left(brand: Brand, *, at: datetime) -> bool:
    """Tell whether a brand has left the group at an instant."""
    return brand.left_at is not None and brand.left_at <= at
