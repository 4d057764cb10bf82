"""Put right what is held of a person: an import of one row, so identity and answers follow."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from brands.wall import scope
from brands.wall.models import visible_rows
from brands.wall.visibility import Visible
from members import contacts
from members.imports.files import Chunk
from members.imports.members import MemberChunks
from members.keys import group_keys
from members.models import Contact, GroupPersonRequest, ImportJob, PersonRequest, Profile
from members.rights.errors import RightsRefused
from tenants import audit
from tenants.connection import connection
from tenants.models import Tenant, User


def correct(
    *,
    tenant: Tenant,
    request: PersonRequest | GroupPersonRequest,
    profiles: Sequence[Profile],
    visible: Visible,
    acting_user: User,
) -> dict[str, int]:
    """Write the right values onto memberships whose contact data the asker sees.

    In the caller's transaction and bulk scope; return the count for the certificate. Raises
    RightsRefused with the importer's own words where a value cannot be read.
    """
    if not request.sealed:
        raise RightsRefused(_("What was to be corrected is no longer kept. Ask again."))
    right = contacts.open_sealed(group_keys(), bytes(request.sealed))
    opened = scope.Scope(visible, connection.schema_name)
    shown = Contact.objects.filter(visible_rows(Contact, opened), profile__in=list(profiles))
    open_ids = set(shown.values_list("profile_id", flat=True))
    has_contact = set(
        Contact.objects.filter(profile__in=list(profiles)).values_list("profile_id", flat=True)
    )
    # A membership without contact data yet is filled by its own brand, by who handles such.
    seen = [
        one
        for one in profiles
        if one.pk in open_ids
        or (
            one.pk not in has_contact
            and one.brand_id in visible.viewer.brands
            and visible.viewer.sees_contact
        )
    ]
    if not seen:
        raise RightsRefused(
            _(
                "The wall does not show you this member's contact data now. Nothing was changed. "
                "The member's brand corrects it."
            )
        )
    for profile in seen:
        _write(tenant, profile, right, acting_user)
        # Fields only: HQ reads the audit in every mode, and it is kept for good.
        audit.record(
            acting_user=acting_user,
            action="profile.correct",
            target=profile,
            target_name=str(profile.brand),
            changes={"columns": ["", sorted(right)]},
        )
    return {"members.Profile": len(seen)}


def _write(tenant: Tenant, profile: Profile, right: dict[str, str], acting_user: User) -> None:
    headings = ["member_no", *right]
    job = ImportJob(
        brand_id=profile.brand_id,
        kind=ImportJob.Kind.MEMBERS,
        mapping={name: name for name in headings},
        created_by_name=str(acting_user)[:120],
    )
    writer = MemberChunks(tenant, job, {name: place for place, name in enumerate(headings)})
    _counts, bad = writer.write(Chunk(lines=[1], rows=[[profile.member_no, *right.values()]]))
    if bad:
        raise RightsRefused(bad[0].reason)
