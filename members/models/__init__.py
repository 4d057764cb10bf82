"""Members of brands, who they are, what they agreed to and what they bought."""

from members.models.consents import Consent, ConsentEntry, Entry, GroupConsentEntry, Objection
from members.models.events import Event
from members.models.exports import ExportJob
from members.models.gap import AnswerMetric
from members.models.imports import ImportJob, PendingRollup, PendingTotal
from members.models.intake import IntakeBatch, IntakePart
from members.models.joining import (
    DecisionEntry,
    GroupPersonEntry,
    HotMetric,
    OpenPerson,
    OpenPersonsKept,
    PersonConflict,
    PersonDecision,
    PersonDecisionSide,
    PersonEntry,
    PersonMerge,
    PersonSuggestion,
    PersonUpkeep,
    ResolutionJob,
)
from members.models.metrics import DailyMetric, GroupMetric, PoolMetric
from members.models.orders import Order, OrderLine
from members.models.overlap import BrandOverlap, GroupOverlap, Measure, OverlapCell
from members.models.people import (
    GroupKey,
    Identity,
    IdentityKind,
    IdentityLink,
    IdentityRule,
    Person,
)
from members.models.profiles import Contact, MaskedContact, PlatformKey, Profile
from members.models.retention import RetentionCertificate, RetentionCount, RetentionRule
from members.models.rights import (
    ConsentEvidence,
    ErasedIdentifier,
    GroupPersonRequest,
    GroupPersonRequestStep,
    PersonRequest,
    PersonRequestStep,
    RightsRule,
)
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
    "ConsentEvidence",
    "Contact",
    "DailyMetric",
    "DecisionEntry",
    "Entry",
    "ErasedIdentifier",
    "Event",
    "ExportJob",
    "GroupConsentEntry",
    "GroupKey",
    "GroupMetric",
    "GroupOverlap",
    "GroupPersonEntry",
    "GroupPersonRequest",
    "GroupPersonRequestStep",
    "GroupSegment",
    "GroupStratumRule",
    "GroupTag",
    "HotMetric",
    "Identity",
    "IdentityKind",
    "IdentityLink",
    "IdentityRule",
    "ImportChange",
    "ImportJob",
    "ImportSource",
    "IntakeBatch",
    "IntakePart",
    "KeyRotation",
    "MaskedContact",
    "Measure",
    "Objection",
    "OpenPerson",
    "OpenPersonsKept",
    "Order",
    "OrderLine",
    "OverlapCell",
    "OwnView",
    "PendingRollup",
    "PendingStratum",
    "PendingTotal",
    "PlatformKey",
    "Person",
    "PersonConflict",
    "PersonDecision",
    "PersonDecisionSide",
    "PersonEntry",
    "PersonMerge",
    "PersonRequest",
    "PersonRequestStep",
    "PersonSuggestion",
    "PersonUpkeep",
    "PoolMetric",
    "Profile",
    "ProfileTag",
    "ResolutionJob",
    "RetentionCertificate",
    "RetentionCount",
    "RetentionRule",
    "RevealRule",
    "RightsRule",
    "SavedFilter",
    "StrataState",
    "Stratum",
    "StratumMetric",
    "StratumThresholds",
    "Tag",
    "Touchpoint",
]
