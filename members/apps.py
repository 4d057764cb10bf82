from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MembersConfig(AppConfig):
    """Members, their identities, contacts, consents and orders (a group's schema)."""

    name = "members"
    verbose_name = _("Members")

    def ready(self) -> None:
        """Give every new group its keys; tell a change of mode what it counts and recomputes."""
        from members import impact, keys
        from members.exports import tasks as export_tasks
        from tenants import provisioning

        provisioning.register_seed(keys.seed_group)
        impact.register()
        export_tasks.register()
