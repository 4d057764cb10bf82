from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    """Campaigns and reach (a group's schema)."""

    name = "campaigns"
    verbose_name = "Campaigns"
