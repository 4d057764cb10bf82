"""Write the dictionaries of tags: the group's by HQ, a brand's by its own people."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from brands.models import Brand
from brands.wall.visibility import Visible
from members.models import GroupTag, Tag
from tenants import audit
from tenants.models import User

# A dictionary that nobody can read through is none.
MOST = 2_000
_LONGEST, _LONGEST_KIND = 60, 40


class TagRefused(ValueError):
    """Say in words why a dictionary was not changed."""


@transaction.atomic
def tag_add(
    *, visible: Visible, owner: Brand | None, name: str, kind: str, acting_user: User
) -> Tag | GroupTag:
    """Add a word to a brand's dictionary, or to the group's; raises TagRefused."""
    if not (visible.writes_group if owner is None else owner.pk in visible.write_brands):
        raise TagRefused(_("This dictionary is not yours to change. Nothing was added."))
    name, kind = name.strip(), kind.strip()
    if not name or not name.isprintable() or len(name) > _LONGEST or len(kind) > _LONGEST_KIND:
        raise TagRefused(
            _("A tag has a name of at most %(longest)d characters. Nothing was added.")
            % {"longest": _LONGEST}
        )
    by = {"made_by": acting_user, "made_by_name": str(acting_user)[:120]}
    made: Tag | GroupTag = (
        GroupTag(name=name, kind=kind, **by)
        if owner is None
        else Tag(
            brand=owner,
            name=name,
            kind=kind,
            means=GroupTag.objects.filter(name=name, removed_at=None).first(),
            **by,
        )
    )
    rows: Any = type(made).objects.filter(**({} if owner is None else {"brand": owner}))
    if rows.count() >= MOST:
        raise TagRefused(
            _("There are %(count)d tags already. Nothing was added.") % {"count": MOST}
        )
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError as error:
        raise TagRefused(_("There is a tag of this name. Nothing was added.")) from error
    _record("tag.add", made, acting_user, {"name": ["", name], "kind": ["", kind]})
    return made


@transaction.atomic
def tag_map(*, visible: Visible, tag: Tag, means: GroupTag | None, acting_user: User) -> Tag:
    """Say which of the group's tags a brand's tag means, or that it means none of them."""
    if tag.brand_id not in visible.write_brands:
        raise TagRefused(_("This dictionary is not yours to change. Nothing was changed."))
    before = tag.means.name if tag.means else ""
    tag.means = means
    tag.save(update_fields=["means"])
    after = means.name if means else ""
    _record("tag.change", tag, acting_user, {"means": [before, after]})
    return tag


def _record(
    action: str, tag: Tag | GroupTag, acting_user: User, changes: dict[str, list[str]]
) -> None:
    audit.record(
        acting_user=acting_user,
        action=action,
        target=tag,
        # HQ reads the audit in every mode, and a brand-max brand's words are its own.
        target_name=str(tag.brand) if isinstance(tag, Tag) else tag.name,
        changes=changes if isinstance(tag, GroupTag) else {},
    )
