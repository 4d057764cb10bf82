from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MembersConfig(AppConfig):
    """Members, their identities, contacts, consents and orders (a group's schema)."""

    name = "members"
    verbose_name = _("Members")

    def ready(self) -> None:
        """Give every new group its keys; count its persons anew when its mode changes."""
        from brands import services
        from members import keys, tasks
        from tenants import provisioning

        provisioning.register_seed(keys.seed_group)
        services.register_after_mode_change(tasks.group_finish_enqueue)
