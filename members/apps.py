from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MembersConfig(AppConfig):
    """Members, their identities, contacts, consents and orders (a group's schema)."""

    name = "members"
    verbose_name = _("Members")

    def ready(self) -> None:
        """Give every new group its keys; tell a change of mode what it counts and recomputes."""
        from brands import answers
        from brands.records import content
        from members import consent_gap, impact, key_checks, keys, told  # noqa: F401  checks too
        from members.exports import tasks as export_tasks
        from tenants import provisioning

        provisioning.register_seed(keys.seed_group)
        answers.register_answers(consent_gap.standing_answers)
        content.register_members(told.members_told)
        impact.register()
        export_tasks.register()
