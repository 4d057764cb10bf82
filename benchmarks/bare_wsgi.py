"""Serve the site of `benchmarks.bare`: as the owner, without asking whether the wall binds it."""

import os

os.environ["SLUICE_PROCESS"] = "bulk"
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.bare_settings"

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()
