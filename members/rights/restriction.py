"""Keep members' data and use it for nothing, until the restriction is lifted."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from members import locks
from members.consents.ledger import keep_persons
from members.models import Profile


def restrict(profiles: Iterable[Profile], *, is_restricted: bool) -> int:
    """Mark memberships as restricted or not, and work out the strata they count in.

    In the caller's transaction and bulk scope; return how many changed.
    """
    locks.hold_answers()
    ids = [one.pk for one in profiles]
    rows = Profile.objects.filter(pk__in=ids).exclude(is_restricted=is_restricted)
    count = rows.update(is_restricted=is_restricted)
    if count:
        with connection.cursor() as cursor:
            cursor.execute("SELECT person_id FROM members_profile WHERE id = ANY(%s)", [ids])
            persons = [person for (person,) in cursor.fetchall()]
        # Strata of the whole person counted what was bought here; exported files hold it.
        keep_persons(persons)
    return count
