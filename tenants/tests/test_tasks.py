"""The platform's jobs."""

import datetime as dt

from django.contrib.sessions.models import Session
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from tenants import schedules, tasks
from tenants.models import Tenant


def test_provisioning_twice_leaves_the_group_as_it_is(db):
    tenant = Tenant.objects.create(schema_name="twice", name="Twice")
    assert tasks.provision_tenant(tenant.pk) == "active"
    assert tasks.provision_tenant(tenant.pk) == "active"
    assert tenant.domains.count() == 1


def test_provisioning_a_group_that_is_gone_does_nothing(db):
    assert tasks.provision_tenant(987_654_321) == "gone"


def test_a_failed_provisioning_ends_in_the_groups_own_row(db):
    tenant = Tenant.objects.create(schema_name="acme_2", name="Broken")
    Tenant.objects.filter(pk=tenant.pk).update(schema_name="pg_bad")
    assert tasks.provision_tenant(tenant.pk) == "failed"
    tenant.refresh_from_db()
    assert tenant.status_note.startswith("Nothing was created")


def test_sessions_that_are_over_are_purged(db):
    now = timezone.now()
    for key, days in (("old", -1), ("young", 1)):
        Session.objects.create(
            session_key=key, session_data="", expire_date=now + dt.timedelta(days=days)
        )
    tasks.purge_expired()
    ours = Session.objects.filter(session_key__in=["old", "young"])
    assert list(ours.values_list("session_key", flat=True)) == ["young"]


def test_the_schedule_is_written_once_and_an_operators_change_kept(db):
    schedules.ensure()
    entry = PeriodicTask.objects.get(task=tasks.purge_expired.name)
    entry.enabled = False
    entry.save()
    schedules.ensure()
    assert not PeriodicTask.objects.get(task=tasks.purge_expired.name).enabled
