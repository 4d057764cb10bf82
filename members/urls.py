"""Pages of members and imports."""

from django.urls import path

from members.views import imports, members

app_name = "members"

urlpatterns = [
    path("members/", members.members, name="list"),
    path("members/<int:profile_id>/", members.member, name="detail"),
    path("imports/", imports.imports, name="imports"),
    path("imports/new/", imports.import_upload, name="import_upload"),
    path("imports/<int:job_id>/", imports.import_watch, name="import_watch"),
    path("imports/<int:job_id>/columns/", imports.import_columns, name="import_columns"),
    path("imports/<int:job_id>/cancel/", imports.import_cancel, name="import_cancel"),
    path("imports/<int:job_id>/again/", imports.import_again, name="import_again"),
    path("imports/<int:job_id>/rejected/", imports.import_rejected, name="import_rejected"),
]
