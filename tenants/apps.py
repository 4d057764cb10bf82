from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TenantsConfig(AppConfig):
    """The platform: groups, people, grants, audit (public schema)."""

    name = "tenants"
    verbose_name = _("Platform and access")

    def ready(self) -> None:
        """Register the system checks."""
        from tenants import checks  # noqa: F401
