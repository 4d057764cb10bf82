"""The two admin sites: the platform's and each group's."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.contrib import auth
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from tenants.requests import AdminRequest
from tenants.roles import Role

View = Callable[..., HttpResponse]

# The admin's own pages that we have elsewhere, or that would look past a page's scope.
_UNUSED = frozenset({"view_on_site", "password_change_done"})
# Every person's who acts under a grant here, whether this admin knows them or not: Unfold's frame
# leads there from every page.
_OWN = frozenset({"logout", "password_change", "search"})


class SluiceSite(UnfoldAdminSite):
    """Be an admin behind the common login, where what a person may not open does not exist."""

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Leave out the pages that nothing leads to; open those about one's own login to all."""
        urls = super().get_urls()
        return [
            path("logout/", self.logout, name="logout"),
            path("password_change/", self.password_change, name="password_change"),
            path("search/", self.search, name="search"),
            *(url for url in urls if getattr(url, "name", None) not in _UNUSED | _OWN),
        ]

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Answer 404 to a person who is logged in but has no business in this admin."""
        guarded = super().admin_view(view, cacheable)

        def inner(request: AdminRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.is_authenticated and not self.has_permission(request):
                raise Http404
            return guarded(request, *args, **kwargs)

        return update_wrapper(inner, guarded)

    def search(
        self, request: AdminRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Find the pages that the person may open, by their names, for the ⌘K palette.

        Unfold's own search keeps its results by person and term, across groups and grants; this
        one keeps nothing, and asks `COMMAND["search_callback"]` alone.
        """
        term = request.GET.get("s", "").replace("\0", "").strip()
        if not term:
            return HttpResponse()
        find = self._get_config("COMMAND", request)["search_callback"]
        found = Paginator(self._get_value(find, request, term), 100)
        context = {"page_obj": found, "results": found.page(1), "page_counter": 0}
        context["execution_time"] = 0
        return TemplateResponse(
            request,
            "unfold/helpers/command_results.html",
            context,
            headers={"HX-Trigger": "search"},
        )

    @method_decorator(never_cache)
    @method_decorator(login_not_required)
    def login(
        self, request: AdminRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send to the one login, with its throttling and second factor."""
        after = request.GET.get("next", "")
        if not url_has_allowed_host_and_scheme(after, allowed_hosts={request.get_host()}):
            after = reverse("admin:index", current_app=self.name)
        return redirect_to_login(after, reverse("account_login"))

    @method_decorator(login_not_required)
    def logout(
        self, request: AdminRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """End the session; by POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        auth.logout(request)
        return redirect("account_login")

    @method_decorator(login_not_required)
    def password_change(
        self, request: AdminRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send to the one page that changes a password."""
        return redirect("account_change_password")


class PlatformSite(SluiceSite):
    """Administer groups, people, grants and providers."""

    site_title = site_header = "Sluice"
    index_title = _("Platform")

    def has_permission(self, request: AdminRequest) -> bool:
        """Let platform operators in."""
        grant = getattr(request, "grant", None)
        return grant is not None and request.tenant is None and grant.role == Role.PLATFORM_OPERATOR


class GroupSite(SluiceSite):
    """Administer one group's hierarchy, people and rules."""

    site_title = site_header = "Sluice"
    index_title = _("Administration")

    def has_permission(self, request: AdminRequest) -> bool:
        """Let everyone in who acts under a grant at this group; pages ask for permissions."""
        return getattr(request, "grant", None) is not None and request.tenant is not None


platform_site = PlatformSite(name="platform_admin")
group_site = GroupSite(name="group_admin")
