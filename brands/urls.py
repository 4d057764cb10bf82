"""Pages of the hierarchy, the mode and the dashboards."""

from django.urls import path

from brands.views import hierarchy, modes, places, sharing

app_name = "brands"

urlpatterns = [
    path("", places.home, name="home"),
    path("acting/", places.acting, name="acting"),
    path("group/", places.group, name="group"),
    path("group/panels/<slug:name>/", places.group_panel, name="group_panel"),
    path("brands/<slug:code>/", places.brand, name="brand"),
    path("brands/<slug:code>/panels/<slug:name>/", places.brand_panel, name="brand_panel"),
    path("stores/<int:store_id>/", places.store, name="store"),
    path("stores/<int:store_id>/panels/<slug:name>/", places.store_panel, name="store_panel"),
    path("mode/", modes.mode, name="mode"),
    path("mode/confirm/", modes.confirm, name="mode_confirm"),
    path("hierarchy/", hierarchy.hierarchy, name="hierarchy"),
    path("visibility/", sharing.visibility, name="visibility"),
]
