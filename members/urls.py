"""Pages of members and imports."""

from django.urls import path

from members.views import members

app_name = "members"

urlpatterns = [
    path("members/", members.members, name="list"),
    path("members/<int:profile_id>/", members.member, name="detail"),
]
