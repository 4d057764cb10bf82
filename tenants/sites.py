"""The two admin sites: the platform's and each group's."""

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from tenants.roles import Role


class PlatformSite(UnfoldAdminSite):
    """Administer groups, people, grants and providers."""

    site_title = site_header = "Sluice"
    index_title = _("Platform")

    def has_permission(self, request: HttpRequest) -> bool:
        """Let platform operators in."""
        grant = getattr(request, "grant", None)
        return grant is not None and grant.role == Role.PLATFORM_OPERATOR


class GroupSite(UnfoldAdminSite):
    """Administer one group's hierarchy, people and rules."""

    site_title = site_header = "Sluice"
    index_title = _("Administration")

    def has_permission(self, request: HttpRequest) -> bool:
        """Let everyone in who acts under a grant at this group; pages ask for permissions."""
        return getattr(request, "grant", None) is not None and request.tenant is not None


platform_site = PlatformSite(name="platform_admin")
group_site = GroupSite(name="group_admin")
