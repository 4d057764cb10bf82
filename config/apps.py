from django.apps import AppConfig

from config.celery import app as celery_app  # noqa: F401  makes it the default app for tasks


class SluiceConfig(AppConfig):
    """The wiring: no models, only commands, sites and services."""

    name = "config"
    verbose_name = "Sluice"
