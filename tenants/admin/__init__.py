"""The admin of the platform's own models, on the platform's site and on each group's."""

from tenants.admin import access, audit, groups, people, providers  # noqa: F401
