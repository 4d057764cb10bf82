"""The three aggregation modes."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Mode(models.TextChoices):
    """How far a brand's member data is shared inside its group."""

    FAN_MAX = "fan_max", _("Fan-maximizing")
    MEMBER_MAX = "member_max", _("Member-maximizing")
    BRAND_MAX = "brand_max", _("Brand-maximizing")
