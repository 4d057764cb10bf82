"""URLs of the platform's site."""

from django.urls import include, path

from tenants.sites import platform_site

urlpatterns = [
    path("admin/", platform_site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("tenants.urls_platform")),
]

handler403 = handler404 = "config.views.not_found"
