"""The platform's entries for the scheduler; `manage.py migrate_groups` writes them."""

from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask


def ensure() -> None:
    """Write the platform's schedules; an entry that an operator changed stays as it is."""
    nightly, _created = CrontabSchedule.objects.get_or_create(
        minute="17", hour="3", day_of_week="*", day_of_month="*", month_of_year="*"
    )
    PeriodicTask.objects.get_or_create(
        name="Purge expired sessions and hand-offs",
        defaults={"task": "tenants.tasks.purge_expired", "crontab": nightly, "queue": "bulk"},
    )
    PeriodicTask.objects.get_or_create(
        name="Purge uploads that nobody went on with",
        defaults={"task": "members.purge_uploads", "crontab": nightly, "queue": "bulk"},
    )
    PeriodicTask.objects.get_or_create(
        name="Take away what its purpose no longer needs",
        defaults={"task": "members.run_retention", "crontab": nightly, "queue": "bulk"},
    )
    PeriodicTask.objects.get_or_create(
        name="Look for members who are probably one person, where that is switched on",
        defaults={"task": "members.look_for_likely", "crontab": nightly, "queue": "bulk"},
    )
    PeriodicTask.objects.get_or_create(
        name="Check the audit's chains",
        defaults={"task": "tenants.tasks.check_all_audits", "crontab": nightly, "queue": "bulk"},
    )
    hourly, _created = IntervalSchedule.objects.get_or_create(
        every=1, period=IntervalSchedule.HOURS
    )
    PeriodicTask.objects.get_or_create(
        name="Keep spare schemas ready",
        defaults={"task": "tenants.tasks.refill_spares", "interval": hourly, "queue": "bulk"},
    )
    # Every run closes ahead to the next but one: no other interval without members.consents.expiry.
    PeriodicTask.objects.get_or_create(
        name="Close answers that expire",
        defaults={"task": "members.expire_answers", "interval": hourly, "queue": "bulk"},
    )
    PeriodicTask.objects.get_or_create(
        name="Go on with changes of groups' keys",
        defaults={"task": "members.sweep_keys", "interval": hourly, "queue": "bulk"},
    )
    minutely, _created = IntervalSchedule.objects.get_or_create(
        every=1, period=IntervalSchedule.MINUTES
    )
    PeriodicTask.objects.get_or_create(
        name="Record answers that no worker has heard of",
        defaults={"task": "members.sweep_answers", "interval": minutely, "queue": "bulk"},
    )
    PeriodicTask.objects.get_or_create(
        name="Apply batches that no worker has heard of",
        defaults={"task": "members.sweep_intake", "interval": minutely, "queue": "bulk"},
    )
    PeriodicTask.objects.get_or_create(
        name="Do what people asked of their data",
        defaults={"task": "members.sweep_rights", "interval": minutely, "queue": "bulk"},
    )
    PeriodicTask.objects.get_or_create(
        name="Follow changes of mode that became effective",
        defaults={"task": "brands.sweep_modes", "interval": minutely, "queue": "bulk"},
    )
    often, _created = IntervalSchedule.objects.get_or_create(
        every=10, period=IntervalSchedule.MINUTES
    )
    PeriodicTask.objects.get_or_create(
        name="Delete exports that no longer hold",
        defaults={"task": "members.sweep_exports", "interval": often, "queue": "scoped"},
    )
    five_minutes, _created = IntervalSchedule.objects.get_or_create(
        every=5, period=IntervalSchedule.MINUTES
    )
    PeriodicTask.objects.get_or_create(
        name="Count how members stand to the notices",
        defaults={"task": "members.count_answers", "interval": five_minutes, "queue": "bulk"},
    )
    PeriodicTask.objects.get_or_create(
        name="Look after persons: decisions, resolutions, suggestions",
        defaults={"task": "members.sweep_persons", "interval": five_minutes, "queue": "bulk"},
    )
    PeriodicTask.objects.get_or_create(
        name="Work out strata that are stale",
        defaults={"task": "members.sweep_strata", "interval": five_minutes, "queue": "bulk"},
    )
