"""Pages of the hierarchy, the mode and the dashboards."""

from django.urls import path

from brands.views import places

app_name = "brands"

urlpatterns = [
    path("", places.home, name="home"),
    path("acting/", places.acting, name="acting"),
    path("group/", places.group, name="group"),
    path("brands/<str:code>/", places.brand, name="brand"),
    path("stores/<int:store_id>/", places.store, name="store"),
]
