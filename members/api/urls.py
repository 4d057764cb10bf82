"""Addresses of the API, version 1."""

from django.urls import path

from members.api import consents, views

app_name = "api"

urlpatterns = [
    path("", views.RootView.as_view(), name="root"),
    path("members/", views.MembersView.as_view(), name="members"),
    path("members/<int:profile_id>/", views.MemberView.as_view(), name="member"),
    path("members/<int:profile_id>/orders/", views.OrdersView.as_view(), name="orders"),
    path(
        "members/<int:profile_id>/consents/",
        consents.MemberConsentsView.as_view(),
        name="member_consents",
    ),
    path("consents/", consents.ConsentsView.as_view(), name="consents"),
    path(
        "consents/entries/<int:entry_id>/",
        consents.ConsentEntryView.as_view(),
        name="consent_entry",
    ),
    path("notices/", views.NoticesView.as_view(), name="notices"),
    path("visibility/", views.VisibilityView.as_view(), name="visibility"),
]
