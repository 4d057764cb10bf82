"""Words in templates: what `tenants.wording` writes, as filters."""

from __future__ import annotations

from django import template

from tenants.wording import comma, listed

register = template.Library()

register.filter("listed", listed)
register.simple_tag(comma)
