"""Every table that holds something about somebody: how it is found, exported and erased.

One declaration a table. `members/rights/tests` fails for a table with a way to a profile or a
person, or with sealed data, that is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.apps import apps
from django.db import models


class How(StrEnum):
    """What erasure does with a row."""

    # The row goes.
    DELETED = "deleted"
    # Another rule of the erasure deals with it: members.rights.erasure says which.
    RULED = "ruled"
    # The row stays; what in it tells of the person is emptied.
    EMPTIED = "emptied"
    # The row holds nothing about any one person, or goes by itself within days.
    STAYS = "stays"


@dataclass(frozen=True)
class Place:
    """Be one table: MATCH joins its rows `x` to the profiles `e` that are erased."""

    label: str
    how: How
    match: str = "x.profile_id = e.profile_id"
    # The look-up of its rows by profile, for the copy that a person gets; "" for none of it.
    lookup: str = "profile_id__in"
    # Columns that say nothing to the person: keys, digests, copies for the wall.
    hidden: tuple[str, ...] = ()
    why: str = ""

    @property
    def model(self) -> type[models.Model]:
        """Return the table's model."""
        return apps.get_model(self.label)

    @property
    def table(self) -> str:
        """Return the table's name."""
        return self.model._meta.db_table


_BY_NUMBER = "x.brand_id = e.brand_id AND (x.profile_id = e.profile_id OR x.member_no = e.member_no"
_BY_KEY = "EXISTS (SELECT FROM erasing_key k WHERE k.profile_id = e.profile_id AND k.{0})"
_IN_DECISION = "e.profile_id = x.profile_id OR e.profile_id = ANY(x.first_side || x.second_side)"

# In the order of the erasure: what points to others before what is pointed to.
PLACES: tuple[Place, ...] = (
    Place("members.Event", How.DELETED),
    Place("members.Touchpoint", How.DELETED, hidden=("import_id",)),
    Place("members.ProfileTag", How.DELETED, hidden=("import_id",)),
    Place("members.ImportChange", How.DELETED, lookup="", why="what rows said before an import"),
    Place(
        "members.ConsentEntry",
        How.DELETED,
        match=f"{_BY_NUMBER} OR {_BY_KEY.format('key = x.identity_key')})",
        hidden=("identity_kind", "request_key", "entered_by", "has_opened", "has_closed"),
    ),
    Place(
        "members.GroupConsentEntry",
        How.DELETED,
        # By its key only where nobody else in the group carries it.
        match="x.profile_id = e.profile_id OR "
        + _BY_KEY.format("key = x.identity_key AND k.is_last"),
        lookup="",
        why="answers to the group, read by its HQ; their effect stands in Consent",
    ),
    Place("members.Consent", How.RULED, hidden=("person", "profile")),
    Place("members.Objection", How.DELETED, hidden=("person", "profile")),
    Place("members.OrderLine", How.RULED, lookup="order__profile_id__in"),
    Place("members.Order", How.RULED, hidden=("profile", "import_id")),
    Place("members.MaskedContact", How.DELETED, lookup=""),
    Place("members.PlatformKey", How.DELETED, lookup="", why="keys say nothing to the person"),
    Place("members.Contact", How.DELETED, lookup="", why="exported opened, field by field"),
    Place("members.IdentityLink", How.RULED, lookup="", why="keys say nothing to the person"),
    Place("members.Identity", How.RULED, lookup="", why="goes with its last link"),
    Place("members.PersonMerge", How.DELETED, lookup=""),
    Place("members.PersonDecisionSide", How.DELETED, lookup=""),
    Place(
        "members.PersonSuggestion",
        How.DELETED,
        match="x.first_id = e.profile_id OR x.second_id = e.profile_id",
        lookup="",
    ),
    Place("members.OpenPerson", How.DELETED, lookup="", why="a copy of who is one person"),
    Place("members.PersonConflict", How.DELETED, match="e.profile_id = ANY(x.profiles)", lookup=""),
    Place("members.PersonEntry", How.DELETED, match=_IN_DECISION, lookup=""),
    Place("members.GroupPersonEntry", How.DELETED, match=_IN_DECISION, lookup=""),
    Place("members.PendingTotal", How.DELETED, lookup=""),
    Place("members.PendingStratum", How.DELETED, lookup=""),
    Place(
        "members.PersonRequest",
        How.EMPTIED,
        hidden=("profile_id", "sealed", "request_key", "entered_by", "grant_id", "path"),
        why="the record of what was asked, by number of record",
    ),
    Place("members.PersonRequestStep", How.EMPTIED, lookup="", why="its reason is emptied"),
    Place("members.GroupPersonRequest", How.EMPTIED, lookup="", why="as PersonRequest"),
    Place("members.GroupPersonRequestStep", How.EMPTIED, lookup="", why="its reason is emptied"),
    Place(
        "members.ExportJob",
        How.EMPTIED,
        lookup="",
        why="a search for the person is taken out; its file is deleted where they are in it",
    ),
    Place("members.IntakeBatch", How.STAYS, lookup="", why="sealed, and purged within days"),
    Place("members.IntakePart", How.STAYS, lookup="", why="sealed, and gone once it is applied"),
    Place(
        "members.Profile",
        How.DELETED,
        match="x.id = e.profile_id",
        lookup="pk__in",
        hidden=("person", "stratum_source", "is_restricted"),
    ),
    Place("members.Person", How.RULED, lookup="", why="goes with its last profile"),
    Place("members.ErasedIdentifier", How.STAYS, lookup="", why="a digest, so that nobody returns"),
    Place("members.ConsentEvidence", How.STAYS, lookup="", why="answers without their person"),
)


def place(label: str) -> Place:
    """Return a table's declaration."""
    return next(one for one in PLACES if one.label == label)
