"""Open the wall for each request of a group's site, around the view and its rendering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control

from brands.view_as import visible_for_request
from brands.wall import scope
from brands.wall.narrowing import narrowed, within
from brands.wall.request import GroupRequest
from brands.wall.visibility import Visible
from tenants import view_as
from tenants.models import ApiToken
from tenants.requests import SluiceRequest

Handler = Callable[[HttpRequest], HttpResponse]


class ScopeMiddleware:
    """Run every request of a person with a grant in one transaction, inside their scope.

    A template renders inside it too. An error rolls everything back. A response that would still
    be reading the database after the transaction is refused.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: SluiceRequest) -> HttpResponse:
        request.visible = None
        tenant = request.tenant
        if tenant is None or request.grant is None:
            return self.get_response(request)
        # What shows nothing of the group's: left, logged out, or the language chosen.
        is_own = request.looking is not None and view_as.is_about_the_session(request)
        reads_only = request.looking is not None and not is_own

        def see() -> Visible:
            visible = visible_for_request(request, k=tenant.k)
            if request.api_token is not None:
                visible = _by_token(visible, request.api_token)
            if is_own:
                # What is written is the person's own.
                visible = replace(visible.with_only({}), cells={}, look=None)
            request.visible = visible
            return visible

        with scope.transaction_of(see):
            if reads_only:
                # The role that looks may only read; this says so before any table is asked.
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL transaction_read_only = on")
            response = self.get_response(request)
            if response.streaming and not getattr(response, "file_to_stream", None):
                raise scope.ScopeRefused(
                    "A streamed response would read outside its scope: make a file in a job."
                )
            if request.looking is not None and _is_file(response):
                response.close()
                response = view_as.refusal(request)
            # What the next transaction may not show must not come out of a browser's cache.
            patch_cache_control(response, private=True, no_store=True)
            # Never with False, which would forget a rollback that a broken block inside asked for.
            if response.status_code >= 500 or getattr(request, "sluice_failed", False):
                transaction.set_rollback(True)
        return response

    def process_exception(self, request: GroupRequest, exception: Exception) -> None:
        """Note that the view failed, so that nothing it wrote is kept."""
        request.sluice_failed = True


def _by_token(visible: Visible, token: ApiToken) -> Visible:
    """Return what a token shows of what its grant shows."""
    visible = narrowed(visible, token.actions)
    if not token.brands:
        return visible
    return within(visible, token.brand_ids, kept_under=token.keeps_under)


def _is_file(response: HttpResponse) -> bool:
    return response.streaming or "attachment" in response.get("Content-Disposition", "")
