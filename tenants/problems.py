"""Turn what an API view raises into a problem in words."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from tenants.api import DETAILS, PROBLEM, problem_body


def as_problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into a problem; what nobody foresaw stays an error."""
    response = exception_handler(error, context)
    if response is None:
        return None
    status, detail, more = response.status_code, "", {}
    if isinstance(error, exceptions.ValidationError):
        detail = _("Some of what was sent cannot be used; nothing was written. See “errors”.")
        more = {"errors": response.data}
    elif isinstance(error, exceptions.ParseError):
        detail = _("The body is not JSON that can be read. Nothing was written.")
    elif isinstance(error, exceptions.APIException) and status not in DETAILS:
        detail = str(error.detail)
    response.data = problem_body(status, detail, **more)
    response.content_type = PROBLEM
    return response
