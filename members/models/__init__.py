"""Members of brands, who they are, what they agreed to and what they bought."""

from members.models.consents import Consent, ConsentEntry, Entry, GroupConsentEntry, Objection
from members.models.exports import ExportJob
from members.models.gap import AnswerMetric
from members.models.imports import ImportJob, PendingRollup, PendingTotal
from members.models.joining import (
    DecisionEntry,
    GroupPersonEntry,
    HotMetric,
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
from members.models.profiles import Contact, MaskedContact, Profile
from members.models.rules import (
    BrandStratumRule,
    GroupStratumRule,
    PendingStratum,
    StrataState,
    Stratum,
    StratumMetric,
    StratumThresholds,
)
from members.models.segments import BrandSegment, GroupSegment, SavedFilter

__all__ = [
    "AnswerMetric",
    "BrandOverlap",
    "BrandSegment",
    "BrandStratumRule",
    "Consent",
    "ConsentEntry",
    "Contact",
    "DailyMetric",
    "DecisionEntry",
    "Entry",
    "ExportJob",
    "GroupConsentEntry",
    "GroupKey",
    "GroupMetric",
    "GroupOverlap",
    "GroupPersonEntry",
    "GroupSegment",
    "GroupStratumRule",
    "HotMetric",
    "Identity",
    "IdentityKind",
    "IdentityLink",
    "IdentityRule",
    "ImportJob",
    "MaskedContact",
    "Measure",
    "Objection",
    "Order",
    "OrderLine",
    "OverlapCell",
    "PendingRollup",
    "PendingStratum",
    "PendingTotal",
    "Person",
    "PersonConflict",
    "PersonDecision",
    "PersonDecisionSide",
    "PersonEntry",
    "PersonMerge",
    "PersonSuggestion",
    "PersonUpkeep",
    "PoolMetric",
    "Profile",
    "ResolutionJob",
    "SavedFilter",
    "StrataState",
    "Stratum",
    "StratumMetric",
    "StratumThresholds",
]
