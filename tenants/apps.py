from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """The platform: groups, people, grants, audit (public schema)."""

    name = "tenants"
    verbose_name = "Platform"

    def ready(self) -> None:
        """Register the system checks."""
        from tenants import checks  # noqa: F401
