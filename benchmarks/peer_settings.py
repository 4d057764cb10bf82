"""The product's settings with django-tenants' own database wrapper, for the peer of `provision`."""

from config.settings import *  # noqa: F403
from config.settings import DATABASES

DATABASES["default"]["ENGINE"] = "django_tenants.postgresql_backend"
TENANT_BASE_SCHEMA = "bench_base"
