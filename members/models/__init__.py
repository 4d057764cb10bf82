"""Members of brands, who they are, what they agreed to and what they bought."""

from members.models.consents import Consent, ConsentEntry, Entry, GroupConsentEntry, Objection
from members.models.exports import ExportJob
from members.models.imports import ImportJob, PendingRollup, PendingTotal
from members.models.metrics import DailyMetric, GroupMetric, PoolMetric
from members.models.orders import Order, OrderLine
from members.models.people import GroupKey, Identity, IdentityLink, Person, PersonMerge
from members.models.profiles import Contact, MaskedContact, Profile

__all__ = [
    "Consent",
    "ConsentEntry",
    "Contact",
    "DailyMetric",
    "Entry",
    "GroupConsentEntry",
    "ExportJob",
    "GroupKey",
    "GroupMetric",
    "Identity",
    "IdentityLink",
    "ImportJob",
    "MaskedContact",
    "Objection",
    "Order",
    "OrderLine",
    "PendingRollup",
    "PendingTotal",
    "Person",
    "PersonMerge",
    "PoolMetric",
    "Profile",
]
