"""The benchmarks' own PostgreSQL, started in var/bench and removed after the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import django

from config.embedded.folder import VarFolder, clear_errors, default_var
from config.embedded.services import Services


@contextmanager
def own_services() -> Iterator[Services]:
    """Start services as the demo has them (durable commits), set Django up, remove all after."""
    folder = VarFolder(default_var() / "bench")
    with folder.locked(), clear_errors(folder):
        # What a killed run left behind.
        Services(folder).erase()
        services = Services(folder)
        try:
            os.environ.update(
                {
                    **services.start(),
                    "SLUICE_VAR": str(folder.root),
                    "SLUICE_PROCESS": "bulk",
                    "LOG_LEVEL": "ERROR",
                    "DJANGO_SETTINGS_MODULE": "config.settings",
                }
            )
            django.setup()
            from tenants.migration import migrate_public

            migrate_public()
            yield services
        finally:
            services.erase()
