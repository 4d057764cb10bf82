"""Write notices: drafts that change, notices that never do, and their end."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from brands.changes.locks import hold_decisions
from brands.models import Brand, Notice, NoticeDraft, NoticeEnding, NoticeText
from tenants import audit
from tenants.connection import connection
from tenants.models import Grant, User

# Who has just pressed the button means now, not the seconds since.
_JUST_NOW = 300


class NoticeRefused(ValueError):
    """Say why a notice was not written, published or ended."""


@dataclass(frozen=True)
class Content:
    """Be what a notice says, complete or not: a draft's content."""

    version: str = ""
    purposes: str = ""
    names_group: bool = False
    brands: tuple[int, ...] = ()
    covers_profile: bool = False
    covers_contact: bool = False
    covers_activity: bool = False
    covers_automation: bool = False
    retention_months: int | None = None
    consent_months: int | None = None
    # None: from the moment it is published.
    effective_from: datetime | None = None
    ends_at: datetime | None = None
    # Language → (title, text).
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def as_json(self) -> dict[str, Any]:
        """Return the content as a draft keeps it."""
        found = asdict(self)
        for name in ("effective_from", "ends_at"):
            found[name] = found[name].isoformat() if found[name] else None
        return found

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> Content:
        """Return what a draft keeps."""
        known = {name: kept[name] for name in cls.__dataclass_fields__ if name in kept}
        for name in ("effective_from", "ends_at"):
            if known.get(name):
                known[name] = parse_datetime(known[name])
        known["brands"] = tuple(known.get("brands") or ())
        known["texts"] = {
            language: (title, text) for language, (title, text) in known.get("texts", {}).items()
        }
        return cls(**known)

    @classmethod
    def of_notice(cls, notice: Notice) -> Content:
        """Return what a notice says, for its next version: without dates, those are new ones."""
        return cls(
            version=next_version(notice.version),
            purposes=notice.purposes,
            names_group=notice.names_group,
            brands=tuple(
                notice.recipients.filter(left_at=None).order_by("code").values_list("pk", flat=True)
            ),
            covers_profile=notice.covers_profile,
            covers_contact=notice.covers_contact,
            covers_activity=notice.covers_activity,
            covers_automation=notice.covers_automation,
            retention_months=notice.retention_months,
            consent_months=notice.consent_months,
            texts={one.language: (one.title, one.text) for one in notice.texts.all()},
        )


def next_version(version: str) -> str:
    """Return the version after VERSION that is free: its last number goes up by one."""
    taken = set(Notice.objects.values_list("version", flat=True))
    found = re.match(r"(.*?)(\d*)$", version)
    stem, number = (found[1], int(found[2] or 1)) if found else (version, 1)
    while not version or version in taken:
        number += 1
        version = f"{stem}{number}"
    return version


def problems(content: Content, *, language: str, now: datetime) -> list[str]:
    """Return, in words, everything for which this is no notice yet (PIPL art. 17 and 23)."""
    found = [
        *_missing_terms(content),
        *_missing_texts(content, language),
        *_wrong_recipients(content, now),
    ]
    begins = content.effective_from or now
    if (now - begins).total_seconds() > _JUST_NOW:
        found.append(
            _(
                "It would be in force from a time that has passed. Nobody can have been told then: "
                "choose a later one, or leave it empty for “as soon as it is published”."
            )
        )
    if content.ends_at is not None and content.ends_at <= max(begins, now):
        found.append(_("It would end before it begins. Choose a later end, or leave it empty."))
    return found


def _missing_terms(content: Content) -> list[str]:
    found = []
    if not content.version:
        found.append(_("It has no version. Give it one that no other notice has."))
    elif Notice.objects.filter(version=content.version).exists():
        found.append(
            _("There is a notice with the version “%(version)s”. Choose another.")
            % {"version": content.version}
        )
    if not content.purposes.strip():
        found.append(_("It names no purpose. Say what the data is used for."))
    if not (content.covers_profile or content.covers_contact or content.covers_activity):
        found.append(_("It covers no kind of data. Tick at least one."))
    if not content.retention_months or content.retention_months < 1:
        found.append(_("It does not say for how long the data is kept. Give a number of months."))
    if content.consent_months is not None and content.consent_months < 1:
        found.append(_("An answer must hold for at least a month. Leave it empty for no end."))
    return found


def _missing_texts(content: Content, language: str) -> list[str]:
    names = dict(settings.LANGUAGES)
    found = []
    if not all(part.strip() for part in content.texts.get(language, ("", ""))):
        found.append(
            _("It has no title and text in the group's language, %(language)s. Write them.")
            % {"language": names.get(language, language)}
        )
    for other, (title, text) in content.texts.items():
        if other != language and bool(title.strip()) != bool(text.strip()):
            found.append(
                _("In %(language)s it has only a title or only a text. Write both or neither.")
                % {"language": names.get(other, other)}
            )
    return found


def _wrong_recipients(content: Content, now: datetime) -> list[str]:
    if not content.names_group and not content.brands:
        return [_("It names no recipient. Tick the group, or at least one brand.")]
    named = {brand.pk: brand for brand in Brand.objects.filter(pk__in=content.brands)}
    found = []
    if len(named) < len(set(content.brands)):
        found.append(_("It names a brand that does not exist. Choose the recipients again."))
    begins = max(content.effective_from or now, now)
    for brand in named.values():
        if brand.left_at is not None and brand.left_at <= begins:
            found.append(
                _("%(brand)s has left the group by then and cannot be a recipient. Untick it.")
                % {"brand": brand.name}
            )
    return found


@transaction.atomic
def draft_create(
    *,
    acting_user: User,
    based_on: Notice | None = None,
    content: Content | None = None,
) -> NoticeDraft:
    """Begin a notice: empty, with a content to start from, or as the next version of another."""
    if content is None:
        content = Content.of_notice(based_on) if based_on else Content(covers_profile=True)
    if not content.version:
        content = replace(content, version=next_version(""))
    draft = NoticeDraft.objects.create(
        content=content.as_json, based_on=based_on, created_by_name=str(acting_user)[:120]
    )
    audit.record(acting_user=acting_user, action="noticedraft.add", target=draft)
    return draft


def _locked(draft: NoticeDraft) -> NoticeDraft:
    found = NoticeDraft.objects.select_for_update(of=("self",)).filter(pk=draft.pk).first()
    if found is None:
        raise NoticeRefused(_("Someone has thrown this draft away meanwhile."))
    if found.state == NoticeDraft.State.PUBLISHED:
        raise NoticeRefused(
            _("This notice is published: what people answer never changes. Write a new version.")
        )
    return found


@transaction.atomic
def draft_save(*, draft: NoticeDraft, content: Content, acting_user: User) -> NoticeDraft:
    """Keep what was typed, complete or not. Raises NoticeRefused once it is being published."""
    locked = _locked(draft)
    if locked.state != NoticeDraft.State.DRAFT:
        raise NoticeRefused(_("This draft is being published and can no longer be changed."))
    if Content.of_json(locked.content) != content or locked.problem:
        locked.content, locked.problem = content.as_json, ""
        locked.save()
    return locked


@transaction.atomic
def draft_discard(*, draft: NoticeDraft, acting_user: User) -> None:
    """Throw a draft away. Raises NoticeRefused where it is being published, or is."""
    locked = _locked(draft)
    if locked.state != NoticeDraft.State.DRAFT:
        raise NoticeRefused(_("This draft is being published and can no longer be changed."))
    audit.record(acting_user=acting_user, action="noticedraft.delete", target=locked)
    locked.delete()


@transaction.atomic
def publish_ask(*, draft: NoticeDraft, language: str, acting_user: User) -> NoticeDraft:
    """Ask the owner role to make a notice of a draft. Raises NoticeRefused with what is missing.

    Asked twice, it is asked once: the second time only wakes the worker again.
    """
    locked = _locked(draft)
    wrong = problems(Content.of_json(locked.content), language=language, now=timezone.now())
    if wrong:
        raise NoticeRefused(" ".join(wrong))
    if locked.state != NoticeDraft.State.QUEUED:
        grant = acting_user.acting_grant
        locked.state = NoticeDraft.State.QUEUED
        locked.problem = ""
        locked.asked_by, locked.asked_under = acting_user, grant.pk if grant else None
        locked.asked_at = timezone.now()
        locked.save()
        audit.record(acting_user=acting_user, action="noticedraft.request", target=locked)
    return locked


@transaction.atomic
def publish(*, draft_id: int, language: str) -> NoticeDraft:
    """Make the notice that a draft asks for; the draft says why where it is refused.

    Runs as the owner role. Safe to run again: a draft becomes one notice.
    """
    draft = (
        NoticeDraft.objects.select_for_update(of=("self",)).filter(pk=draft_id).first()
        or NoticeDraft()
    )
    if draft.state != NoticeDraft.State.QUEUED:
        return draft
    now = timezone.now()
    content = Content.of_json(draft.content)
    # Two drafts of one version, and a brand that leaves meanwhile, wait for each other here.
    hold_decisions()
    wrong = problems(content, language=language, now=now)
    asker = _asker(draft)
    if asker is None:
        wrong = [_("Who asked for it has no right to publish notices any more. Ask again.")]
    if wrong:
        draft.state, draft.problem = NoticeDraft.State.DRAFT, " ".join(wrong)
        draft.save()
        return draft
    begins = max(content.effective_from or now, now)
    notice = Notice.objects.create(
        version=content.version,
        title=content.texts[language][0].strip(),
        purposes=content.purposes,
        names_group=content.names_group,
        covers_profile=content.covers_profile,
        covers_contact=content.covers_contact,
        covers_activity=content.covers_activity,
        covers_automation=content.covers_automation,
        retention_months=content.retention_months or 0,
        consent_months=content.consent_months,
        effective_from=begins,
        ends_at=content.ends_at,
    )
    notice.recipients.set(content.brands)
    NoticeText.objects.bulk_create(
        NoticeText(notice=notice, language=code, title=title.strip(), text=text.strip())
        for code, (title, text) in content.texts.items()
        if title.strip() and text.strip()
    )
    draft.state, draft.notice = NoticeDraft.State.PUBLISHED, notice
    draft.save()
    audit.record(
        acting_user=asker,
        action="notice.publish",
        target=notice,
        changes={
            "recipients": ["", _recipients(content)],
            "effective_from": ["", begins.isoformat()],
        },
    )
    return draft


def _asker(draft: NoticeDraft) -> User | None:
    """Return who asked, acting under the grant of then, where it still holds and may publish."""
    if draft.asked_under is None or draft.asked_by_id is None:
        return None
    grant = (
        Grant.objects.current()
        .select_related("user")
        .filter(pk=draft.asked_under, user_id=draft.asked_by_id, tenant=connection.tenant)
        .first()
    )
    if grant is None:
        return None
    grant.user.acting_grant = grant
    return grant.user if grant.user.has_perm("brands.add_notice") else None


def _recipients(content: Content) -> str:
    named = Brand.objects.filter(pk__in=content.brands).order_by("code")
    codes = list(named.values_list("code", flat=True))
    return ", ".join([*([_("Group")] if content.names_group else []), *codes])


@transaction.atomic
def notice_end(
    *,
    notice: Notice,
    acting_user: User | None,
    at: datetime | None = None,
    reason: str = "",
) -> NoticeEnding:
    """End a notice: from then on no yes to it opens anything. Raises NoticeRefused.

    One row, whatever the number of answers; the next transaction no longer counts it.
    """
    now = timezone.now()
    at = at or now
    if (now - at).total_seconds() > _JUST_NOW:
        raise NoticeRefused(_("It cannot have ended in the past. Nothing was changed."))
    ends = [one for one in (notice.ends_at, first_ending(notice)) if one is not None]
    if ends and min(ends) <= now:
        raise NoticeRefused(_("This notice has ended already. Nothing was changed."))
    if ends and min(ends) <= at:
        raise NoticeRefused(_("This notice ends earlier than that already. Nothing was changed."))
    ending = NoticeEnding.objects.create(
        notice=notice,
        ends_at=max(at, now),
        reason=reason,
        decided_by=acting_user,
        decided_by_name=str(acting_user)[:120] if acting_user else "system",
    )
    audit.record(
        acting_user=acting_user,
        action="notice.end",
        target=notice,
        changes={
            "ends_at": [min(ends).isoformat() if ends else "", ending.ends_at.isoformat()],
            "reason": ["", reason],
        },
    )
    return ending


def first_ending(notice: Notice) -> datetime | None:
    """Return the earliest end that was decided for a notice after it was published."""
    return notice.endings.order_by("ends_at").values_list("ends_at", flat=True).first()
