"""The Celery app; the group's schema travels with each job."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from typing import Any  # noqa: E402

from celery.signals import worker_init, worker_ready  # noqa: E402
from django.conf import settings  # noqa: E402
from tenant_schemas_celery.app import CeleryApp  # noqa: E402

app = CeleryApp("sluice")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def refuse_unbound(**kwargs: Any) -> None:
    """End a scoped worker whose role the wall would not bind, before it takes any work."""
    if settings.SLUICE_PROCESS == "scoped":
        from tenants import checks

        checks.refuse_unbound()


@worker_init.connect
def refuse_wrong_key(**kwargs: Any) -> None:
    """End a worker whose master key opens no group's keys, before it takes any work."""
    from members import key_checks

    key_checks.at_start()


@worker_ready.connect
def resume_imports(**kwargs: Any) -> None:
    """Let what lost its worker go on, rather than wait for a time-out or the next hour."""
    if settings.SLUICE_PROCESS == "scoped":
        app.send_task("members.resume_exports")
        return
    app.send_task("members.resume_imports")
    app.send_task("members.expire_answers")
    app.send_task("members.sweep_answers")
    app.send_task("members.sweep_keys")
