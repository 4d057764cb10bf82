"""A group's site with pages that write and then end in every way a page can."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import path

from brands.models import Brand, Store
from brands.wall.models import walled_models
from config import urls_group

handler403 = handler404 = urls_group.handler404


def _write() -> None:
    Store.objects.create(brand=Brand.objects.get(code="tea"), code="written", name="Written")


def kept(request: HttpRequest) -> HttpResponse:
    """Write, and answer well."""
    _write()
    return HttpResponse("kept")


def fails(request: HttpRequest) -> HttpResponse:
    """Write, and raise."""
    _write()
    raise ZeroDivisionError


def absent(request: HttpRequest) -> HttpResponse:
    """Write, and raise Http404."""
    _write()
    raise Http404


def forbidden(request: HttpRequest) -> HttpResponse:
    """Write, and raise PermissionDenied."""
    _write()
    raise PermissionDenied


def answers_500(request: HttpRequest) -> HttpResponse:
    """Write, and answer 500 by hand."""
    _write()
    return HttpResponse(status=500)


def fails_while_rendering(request: HttpRequest) -> TemplateResponse:
    """Write, and raise while the template is rendered."""
    _write()
    template = engines["django"].from_string("{{ broken }}")

    class Broken:
        def __str__(self) -> str:
            raise ZeroDivisionError

    return TemplateResponse(request, template, {"broken": Broken()})


def swallows(request: HttpRequest) -> HttpResponse:
    """Write, swallow an error that asked for a rollback, and answer well."""
    _write()
    try:
        with transaction.atomic(), transaction.atomic(savepoint=False):
            raise IntegrityError
    except IntegrityError:
        pass
    try:
        with transaction.atomic(savepoint=False):
            raise IntegrityError
    except IntegrityError:
        pass
    return HttpResponse("swallowed")


def renders(request: HttpRequest) -> TemplateResponse:
    """Give the template querysets that it reads while it is rendered."""
    text = "{% for row in rows %}{{ row.pk|stringformat:'d' }} {% endfor %}"
    template = engines["django"].from_string(text)
    profile = next(model for model in walled_models() if model._meta.model_name == "profile")
    return TemplateResponse(request, template, {"rows": profile.objects.order_by("pk")})


def streams(request: HttpRequest) -> StreamingHttpResponse:
    """Answer with a stream that reads later."""

    def rows() -> Iterator[str]:
        yield from Brand.objects.values_list("code", flat=True)

    return StreamingHttpResponse(rows())


PAGES = (
    kept,
    fails,
    absent,
    forbidden,
    answers_500,
    fails_while_rendering,
    swallows,
    renders,
    streams,
)
urlpatterns = [
    *(path(f"wall/{page.__name__}/", page) for page in PAGES),
    *urls_group.urlpatterns,
]
