"""URLs of the platform's site."""

from django.urls import include, path

from config.views import set_language
from tenants.sites import platform_site

urlpatterns = [
    path("admin/", platform_site.urls),
    path("language/", set_language, name="set_language"),
    path("accounts/", include("tenants.urls_accounts")),
    path("", include("tenants.urls_platform")),
]

handler403 = handler404 = "config.views.not_found"
