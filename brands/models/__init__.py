"""A group's hierarchy, its channel accounts, its mode and its notices."""

from brands.models.decisions import (
    ImpactAssessment,
    ModeChange,
    ModeDraft,
    ModeFollowUp,
    about,
)
from brands.models.figures import Generation
from brands.models.hierarchy import (
    Brand,
    BusinessUnit,
    ChannelAccount,
    Guide,
    Store,
    code_validator,
)
from brands.models.notice_drafts import NoticeDraft, NoticeEnding
from brands.models.notices import Notice, NoticeText
from brands.models.previews import ModePreview
from brands.models.privileges import (
    APPEND_ONLY,
    HQ,
    HQ_OR_BRAND,
    KEPT,
    OWNER_ONLY,
    READ_ONLY,
    READ_WRITE,
)
from brands.models.sharing import SharingRecord

__all__ = [
    "APPEND_ONLY",
    "HQ",
    "HQ_OR_BRAND",
    "KEPT",
    "OWNER_ONLY",
    "READ_ONLY",
    "READ_WRITE",
    "Brand",
    "BusinessUnit",
    "ChannelAccount",
    "Generation",
    "Guide",
    "ImpactAssessment",
    "ModeChange",
    "ModeDraft",
    "ModeFollowUp",
    "ModePreview",
    "Notice",
    "NoticeText",
    "NoticeDraft",
    "NoticeEnding",
    "SharingRecord",
    "Store",
    "about",
    "code_validator",
]
