"""Jobs of the platform, in the public schema."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command

from tenants import audit_checks, services
from tenants.models import AuditCheck, Tenant
from tenants.provisioning import ProvisioningError, spares_refill, tenant_provision


@shared_task
def provision_tenant(tenant_id: int) -> str:
    """Set a group up; the group's own row says how it went. Safe to run twice."""
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is None:
        return "gone"
    try:
        status = tenant_provision(tenant=tenant).status
    except ProvisioningError:
        # The status note holds the reason and the page offers to try again.
        return Tenant.Status.FAILED.value
    refill_spares.delay()
    return status


@shared_task
def refill_spares() -> int:
    """Keep spare schemas ready for groups to come; return how many were made."""
    return spares_refill()


@shared_task
def purge_expired() -> int:
    """Delete sessions and hand-offs that are over; return how many hand-offs."""
    call_command("clearsessions")
    return services.handoffs_purge()


@shared_task
def check_audit(check_id: int) -> str:
    """Check the chain that a person asked about; the check's own row says what was found."""
    check = AuditCheck.objects.filter(pk=check_id, state=AuditCheck.State.ASKED).first()
    return audit_checks.check_run(check).state if check else "gone"


@shared_task
def check_all_audits() -> int:
    """Check every chain of the audit and note their ends; return how many do not fit."""
    return audit_checks.check_all()
