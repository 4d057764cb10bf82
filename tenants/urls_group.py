"""The platform's pages on a group's host."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
