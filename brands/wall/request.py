"""What a request at a group's site carries once it is inside the wall."""

from __future__ import annotations

from brands.wall.visibility import Visible
from tenants.models import Grant, Tenant
from tenants.requests import SluiceRequest


class GroupRequest(SluiceRequest):
    """Be a request of a person who acts under a grant at a group, inside their scope."""

    tenant: Tenant
    grant: Grant
    visible: Visible
    # Set once the view has failed: nothing it wrote is kept.
    sluice_failed: bool
