"""The API's description: as OpenAPI for programs, as a page for people. It holds no data."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from members.api.shapes import PROBLEM_SHAPE
from tenants.api import PROBLEM

_METHODS = ("get", "post")


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """Return the OpenAPI description of version 1."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    for operations in schema["paths"].values():
        for operation in operations.values():
            for code, response in operation["responses"].items():
                problem = response.get("content", {}).get(PROBLEM, {}).get("schema", {})
                response["description"] = problem.pop("description", "") or {
                    "200": gettext_noop("What was asked for."),
                    "202": gettext_noop("Taken."),
                }.get(code, "")
                if problem:
                    response["content"][PROBLEM]["schema"] = {
                        "$ref": "#/components/schemas/Problem"
                    }
    schema["components"].setdefault("schemas", {})["Problem"] = PROBLEM_SHAPE
    return schema


class SchemaView(APIView):
    """Hand out the description."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view; it tells nothing of anybody, so no login page is in front."""
        view: Any = super().as_view(**initkwargs)
        view.login_required = False
        return view

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """Return the OpenAPI description as JSON."""
        return Response(description())


@login_not_required
def docs(request: HttpRequest) -> HttpResponse:
    """Show the description as a page in the reader's language: no script, nothing from elsewhere.

    The description itself stays in English, which programs are made from.
    """
    schema = description()
    operations = [
        {
            "address": address,
            "method": method.upper(),
            "summary": _said(operation["summary"]),
            "action": operation.get("x-action", ""),
            "parameters": operation.get("parameters", []),
            "takes": _taken(operation, schema),
            "answers": [
                {
                    "status": code,
                    "words": _said(response["description"]),
                    "fields": _answered(response),
                }
                for code, response in sorted(operation["responses"].items())
            ],
        }
        for address, operations in schema["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
    return render(
        request, "members/api_docs.html", {"info": schema["info"], "operations": operations}
    )


def _said(text: str) -> str:
    # Extraction takes a key inside of the call for a message.
    return _(text)


def _taken(operation: dict[str, Any], schema: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (media type, field names) of what an operation takes."""
    content = operation.get("requestBody", {}).get("content", {})
    return [(media, _fields(one.get("schema", {}))) for media, one in content.items()]


def _answered(response: dict[str, Any]) -> str:
    return _fields(response.get("content", {}).get("application/json", {}).get("schema", {}))


def _fields(shape: dict[str, Any], depth: int = 0) -> str:
    """Write a shape's fields in a line: {members: [{id, brand}], next}."""
    if shape.get("type") == "array":
        return f"[{_fields(shape['items'], depth)}]"
    found = []
    for name, inner in shape.get("properties", {}).items():
        is_deep = depth < 2 and inner.get("type") in ("object", "array")
        inside = _fields(inner, depth + 1) if is_deep else ""
        found.append(f"{name}: {inside}" if inside.strip("[]{}") else name)
    return f"{{{', '.join(found)}}}" if found else shape.get("type", "")
