from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    """Campaigns and reach (a group's schema)."""

    name = "campaigns"
    verbose_name = _("Campaigns")
