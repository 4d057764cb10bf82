"""The platform's own pages."""

from django.urls import URLPattern, path

from tenants.views import handoff, landing

urlpatterns: list[URLPattern] = [
    path("", landing.landing, name="landing"),
    path("enter/<int:grant_id>/", handoff.enter, name="enter"),
]
