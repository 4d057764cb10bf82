"""The admin of a group's hierarchy, notices and modes, on each group's own site."""

from brands.admin import hierarchy, rules  # noqa: F401
