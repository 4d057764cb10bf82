"""Members of brands, who they are, what they agreed to and what they bought."""

from members.models.consents import Consent, ConsentEntry, Entry, GroupConsentEntry, Objection
from members.models.events import Event
from members.models.exports import ExportJob
from members.models.gap import AnswerMetric
from members.models.imports import ImportJob, PendingRollup, PendingTotal
from members.models.intake import IntakeBatch, IntakePart
from members.models.metrics import DailyMetric, GroupMetric, PoolMetric
from members.models.orders import Order, OrderLine
from members.models.overlap import BrandOverlap, GroupOverlap, Measure, OverlapCell
from members.models.people import GroupKey, Identity, IdentityLink, Person, PersonMerge
from members.models.profiles import Contact, MaskedContact, Profile
from members.models.rotation import KeyRotation, RevealRule
from members.models.rules import (
    BrandStratumRule,
    GroupStratumRule,
    PendingStratum,
    StrataState,
    Stratum,
    StratumMetric,
    StratumThresholds,
)
from members.models.segments import BrandSegment, GroupSegment, OwnView, SavedFilter
from members.models.sources import ImportSource
from members.models.tags import GroupTag, ProfileTag, Tag
from members.models.touchpoints import Touchpoint
from members.models.undo import ImportChange

__all__ = [
    "AnswerMetric",
    "BrandOverlap",
    "BrandSegment",
    "BrandStratumRule",
    "Consent",
    "ConsentEntry",
    "Contact",
    "DailyMetric",
    "Entry",
    "Event",
    "GroupConsentEntry",
    "ExportJob",
    "GroupKey",
    "GroupMetric",
    "GroupOverlap",
    "GroupSegment",
    "GroupStratumRule",
    "GroupTag",
    "Identity",
    "IdentityLink",
    "ImportChange",
    "ImportJob",
    "ImportSource",
    "IntakeBatch",
    "IntakePart",
    "KeyRotation",
    "MaskedContact",
    "Measure",
    "Objection",
    "Order",
    "OrderLine",
    "OverlapCell",
    "OwnView",
    "PendingRollup",
    "PendingStratum",
    "PendingTotal",
    "Person",
    "PersonMerge",
    "PoolMetric",
    "Profile",
    "ProfileTag",
    "RevealRule",
    "SavedFilter",
    "StrataState",
    "Stratum",
    "StratumMetric",
    "StratumThresholds",
    "Tag",
    "Touchpoint",
]
