"""URLs of a group's site."""

from django.urls import include, path

from config.views import set_language
from tenants.sites import group_site

urlpatterns = [
    path("admin/", group_site.urls),
    path("api/v1/", include("members.api.urls")),
    path("language/", set_language, name="set_language"),
    path("accounts/", include("tenants.urls_accounts")),
    path("", include("tenants.urls_group")),
    path("", include("brands.urls")),
    path("", include("members.urls")),
]

handler403 = handler404 = "config.views.not_found"
