"""Pages of the hierarchy, the mode and the dashboards."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
