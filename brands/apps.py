from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class BrandsConfig(AppConfig):
    """The hierarchy, the wall and the mode (a group's schema)."""

    name = "brands"
    verbose_name = _("Brands")

    def ready(self) -> None:
        """Register the wall's part of every schema, its checks, and every app's panels."""
        from brands import places, services
        from brands.wall import checks, policies, statistics  # noqa: F401
        from tenants import provisioning
        from tenants.places import register_places

        provisioning.register_schema_part(policies.statements)
        provisioning.register_schema_part(statistics.statements)
        provisioning.register_seed(services.seed_group)
        register_places(places.grant_places, brands_shown=places.brands_shown)
        autodiscover_modules("panels")
