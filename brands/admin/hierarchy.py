"""Units, brands, stores, guides and channel accounts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from brands.admin.resources import BrandResource, GuideResource, StoreResource, UnitResource
from brands.admin.scope import HierarchyAdmin
from brands.admin.spreadsheets import SpreadsheetAdmin
from brands.formatting import moment
from brands.models import Brand, BusinessUnit, ChannelAccount, Guide, Store
from brands.wall.visibility import Viewer
from tenants.admin_base import ScopedRelatedFilter
from tenants.models import User
from tenants.requests import AdminRequest
from tenants.roles import Level
from tenants.sites import group_site

_STAYS = _("Switch off instead of deleting: its members and history stay where they are.")


def _say_it_stays(form: type[forms.ModelForm]) -> type[forms.ModelForm]:
    if "is_active" in form.base_fields:
        form.base_fields["is_active"].help_text = _STAYS
    return form


class StayingAdmin(SpreadsheetAdmin, HierarchyAdmin):
    """Hold rows that member data points at, some of it unseen behind the wall: never deleted."""

    never_deleted = True

    def get_form(self, request: AdminRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Say beside the switch why there is no delete button."""
        return _say_it_stays(super().get_form(request, obj, **kwargs))


@admin.register(BusinessUnit, site=group_site)
class BusinessUnitAdmin(SpreadsheetAdmin, HierarchyAdmin):
    """Keep the nodes between the group and its brands; one with brands cannot be deleted."""

    resource_classes = [UnitResource]
    brand_path = "brands"
    list_display = ["name", "code", "brand_count"]
    search_fields = ["name", "code"]

    def get_queryset(self, request: AdminRequest) -> QuerySet[BusinessUnit]:
        """Add the number of brands."""
        return super().get_queryset(request).annotate(brand_total=Count("brands", distinct=True))

    def own(self, viewer: Viewer) -> Q:
        """Return the units of the viewer's brands, and of the brands of the viewer's stores."""
        return Q(brands__in=viewer.brands | viewer.store_brands)

    @admin.display(description=_("brands"), ordering="brand_total")
    def brand_count(self, unit: Any) -> int:
        """Return how many brands the unit holds."""
        return unit.brand_total


class ChannelAccountInline(TabularInline):
    """Keep a brand's channel accounts beside it."""

    model = ChannelAccount
    fields = ["kind", "part", "name", "external_id", "is_active"]
    extra = 0
    tab = True
    show_change_link = True


@admin.register(Brand, site=group_site)
class BrandAdmin(StayingAdmin):
    """Keep the brands, each the owner of one pool."""

    resource_classes = [BrandResource]
    brand_path = "pk"
    list_display = [
        "name",
        "code",
        "business_unit",
        "store_count",
        "guide_count",
        "account_count",
        "is_active",
    ]
    list_filter = [("business_unit", ScopedRelatedFilter), "is_active"]
    list_filter_submit = True
    list_select_related = ["business_unit"]
    search_fields = ["name", "code"]
    search_help_text = _("Search by name or code")
    inlines = [ChannelAccountInline]
    # A brand leaves on a page of its own, that says first what ends.
    exclude = ["left_at", "left_to", "left_contact"]
    readonly_fields = ["leaving"]

    def own(self, viewer: Viewer) -> Q:
        """Return the viewer's brands, and the brands of the viewer's stores."""
        return Q(pk__in=viewer.brands | viewer.store_brands)

    def get_queryset(self, request: AdminRequest) -> QuerySet[Brand]:
        """Add the numbers of stores, guides and channel accounts."""
        open_stores = Q(stores__is_active=True)
        working = open_stores & Q(stores__guides__is_active=True)
        return (
            super()
            .get_queryset(request)
            .annotate(
                store_total=Count("stores", filter=open_stores, distinct=True),
                guide_total=Count("stores__guides", filter=working, distinct=True),
                account_total=Count("channel_accounts", distinct=True),
            )
        )

    @admin.display(description=_("with the group"))
    def leaving(self, brand: Brand) -> str:
        """Say until when the brand is with the group; it leaves on a page of its own."""
        if brand.left_at is None:
            return gettext("yes")
        return gettext("until %(when)s") % {"when": moment(brand.left_at)}

    @admin.display(description=_("open stores"), ordering="store_total")
    def store_count(self, brand: Any) -> int:
        """Return how many stores are open."""
        return brand.store_total

    @admin.display(description=_("guides"), ordering="guide_total")
    def guide_count(self, brand: Any) -> int:
        """Return how many guides work in open stores."""
        return brand.guide_total

    @admin.display(description=_("channel accounts"), ordering="account_total")
    def account_count(self, brand: Any) -> int:
        """Return how many channel accounts the brand has."""
        return brand.account_total


class GuideInline(TabularInline):
    """Keep a store's guides beside it."""

    model = Guide
    fields = ["staff_no", "name", "is_active"]
    extra = 0
    can_delete = False
    tab = True
    show_change_link = True


@admin.register(Store, site=group_site)
class StoreAdmin(StayingAdmin):
    """Keep the shops; a store stays with its brand, since its members do."""

    resource_classes = [StoreResource]
    brand_path = "brand"
    store_path = "pk"
    list_display = ["name", "code", "brand", "city", "opened_on", "guide_count", "is_active"]
    list_filter = [("brand", ScopedRelatedFilter), "is_active", "city"]
    list_filter_submit = True
    list_select_related = ["brand"]
    search_fields = ["name", "code", "city", "brand__name"]
    search_help_text = _("Search by name, code, city or brand")
    inlines = [GuideInline]

    def get_readonly_fields(self, request: AdminRequest, obj: Store | None = None) -> list[str]:
        """Keep the brand of a store that exists."""
        return ["brand"] if obj else []

    def get_queryset(self, request: AdminRequest) -> QuerySet[Store]:
        """Add the number of guides."""
        working = Count("guides", filter=Q(guides__is_active=True), distinct=True)
        return super().get_queryset(request).annotate(guide_total=working)

    @admin.display(description=_("guides"), ordering="guide_total")
    def guide_count(self, store: Any) -> int:
        """Return how many guides work here."""
        return store.guide_total


@admin.register(Guide, site=group_site)
class GuideAdmin(StayingAdmin):
    """Keep the people who work for a store."""

    resource_classes = [GuideResource]
    brand_path = "store__brand"
    store_path = "store"
    list_display = ["name", "staff_no", "store", "brand", "user", "is_active"]
    list_filter = [("store__brand", ScopedRelatedFilter), "is_active"]
    list_filter_submit = True
    list_select_related = ["store__brand", "user"]
    search_fields = ["name", "staff_no", "store__name", "store__code"]
    search_help_text = _("Search by name, staff number or store")
    autocomplete_fields = ["store"]

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey, request: AdminRequest, **kwargs: Any
    ) -> Any:
        """Offer as logins only people who have a grant at the store level here."""
        if db_field.name == "user":
            at = Q(grants__tenant=request.tenant, grants__level=Level.STORE)
            viewer = request.visible.viewer
            if not viewer.is_hq:
                stores = Store.objects.filter(Q(brand__in=viewer.brands) | Q(pk__in=viewer.stores))
                at &= Q(grants__place_id__in=list(stores.values_list("pk", flat=True)))
            kwargs["queryset"] = User.objects.filter(at).distinct()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=_("brand"), ordering="store__brand__name")
    def brand(self, guide: Guide) -> Brand:
        """Return the brand of the guide's store."""
        return guide.store.brand


@admin.register(ChannelAccount, site=group_site)
class ChannelAccountAdmin(HierarchyAdmin):
    """Keep the mini-programs and accounts where brands, or the group, meet their fans."""

    brand_path = "brand"
    list_display = ["name", "kind", "part", "brand", "external_id", "is_active"]
    list_filter = [
        ("kind", ChoicesDropdownFilter),
        ("part", ChoicesDropdownFilter),
        ("brand", ScopedRelatedFilter),
        "is_active",
    ]
    list_filter_submit = True
    list_select_related = ["brand"]
    search_fields = ["name", "external_id", "open_platform_account"]
    search_help_text = _("Search by name, AppID or Open Platform account")

    def get_form(self, request: AdminRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Let only HQ register an account of the group itself."""
        form = super().get_form(request, obj, **kwargs)
        if "brand" in form.base_fields and not request.visible.viewer.is_hq:
            form.base_fields["brand"].required = True
        return form
