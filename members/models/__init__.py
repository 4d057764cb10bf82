"""Members of brands, who they are, what they agreed to and what they bought."""

from members.models.exports import ExportJob
from members.models.imports import ImportJob, PendingRollup, PendingTotal
from members.models.metrics import DailyMetric, GroupMetric, PoolMetric
from members.models.orders import Order, OrderLine
from members.models.people import GroupKey, Identity, IdentityLink, Person, PersonMerge
from members.models.profiles import Consent, Contact, MaskedContact, Profile

__all__ = [
    "Consent",
    "Contact",
    "DailyMetric",
    "ExportJob",
    "GroupKey",
    "GroupMetric",
    "Identity",
    "IdentityLink",
    "ImportJob",
    "MaskedContact",
    "Order",
    "OrderLine",
    "PendingRollup",
    "PendingTotal",
    "Person",
    "PersonMerge",
    "PoolMetric",
    "Profile",
]
