"""Serve the web: always as the app role, which row-level security binds."""

import os

os.environ["SLUICE_PROCESS"] = "web"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()

from members.key_checks import at_start  # noqa: E402 - needs the applications
from tenants.checks import refuse_unbound  # noqa: E402

refuse_unbound()
at_start()
