from django.apps import AppConfig


class MembersConfig(AppConfig):
    """Members, their identities, contacts, consents and orders (a group's schema)."""

    name = "members"
    verbose_name = "Members"

    def ready(self) -> None:
        """Give every new group its keys."""
        from members import keys
        from tenants import provisioning

        provisioning.register_seed(keys.seed_group)
