"""Addresses of the API, version 1."""

from django.urls import path

from members.api import views

app_name = "api"

urlpatterns = [
    path("", views.RootView.as_view(), name="root"),
    path("members/", views.MembersView.as_view(), name="members"),
    path("members/<int:profile_id>/", views.MemberView.as_view(), name="member"),
    path("members/<int:profile_id>/orders/", views.OrdersView.as_view(), name="orders"),
    path("notices/", views.NoticesView.as_view(), name="notices"),
    path("visibility/", views.VisibilityView.as_view(), name="visibility"),
]
