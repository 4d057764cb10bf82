"""The platform's pages on a group's host."""

from django.urls import URLPattern, path

from tenants.views import handoff

urlpatterns: list[URLPattern] = [
    path("handoff/<str:token>/", handoff.arrive, name="handoff"),
]
