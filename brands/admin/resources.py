"""What a spreadsheet of the hierarchy holds: columns, natural keys, and what each row may be."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import tablib
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export import fields, resources, widgets
from import_export.instance_loaders import BaseInstanceLoader

from brands.models import Brand, BusinessUnit, Guide, Store
from tenants.requests import AdminRequest
from tenants.wording import listed

# Column names as groups write them → ours.
_NAMES = {
    "编码": "code",
    "编号": "code",
    "品牌编码": "brand",
    "品牌": "brand",
    "门店编码": "store",
    "门店": "store",
    "事业部": "business_unit",
    "品牌事业部": "business_unit",
    "名称": "name",
    "姓名": "name",
    "城市": "city",
    "开业日期": "opened_on",
    "工号": "staff_no",
    "启用": "is_active",
    "brand code": "brand",
    "store code": "store",
    "unit": "business_unit",
    "business unit": "business_unit",
    "opened": "opened_on",
    "staff number": "staff_no",
    "active": "is_active",
}
_YES = {"1", "true", "yes", "y", "是", "启用", "on", ""}
_NO = {"0", "false", "no", "n", "否", "停用", "off"}


class CodeWidget(widgets.Widget):
    """Read a code as the row it names, among those the person may choose."""

    def __init__(self, find: Callable[[str, dict[str, Any]], Model | None]) -> None:
        super().__init__()
        self.find = find

    def clean(self, value: Any, row: dict[str, Any] | None = None, **kwargs: Any) -> Model | None:
        """Return the row; an unknown code and one out of scope read the same."""
        return self.find(str(value if value is not None else "").strip(), row or {})

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """Write the code."""
        return value.code if value else ""


class SwitchWidget(widgets.Widget):
    """Read yes and no in English and Chinese; an empty cell is yes."""

    def clean(self, value: Any, row: dict[str, Any] | None = None, **kwargs: Any) -> bool:
        """Return the switch, or refuse the word."""
        word = str(value if value is not None else "").strip().lower()
        if word in _YES | _NO:
            return word in _YES
        raise ValueError(_("“%s” is neither yes nor no.") % word)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """Write yes or no."""
        return "yes" if value else "no"


class DayWidget(widgets.DateWidget):
    """Read a day, and refuse another text in the reader's language."""

    def clean(self, value: Any, row: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        """Return the day; None for an empty cell."""
        try:
            return super().clean(value, row, **kwargs)
        except ValueError as error:
            raise ValueError(
                _("“%(cell)s” is not a day such as 2026-11-21.") % {"cell": value}
            ) from error


class TextWidget(widgets.CharWidget):
    """Read a cell as text: a number that a spreadsheet made of a code becomes its digits again."""

    def clean(self, value: Any, row: dict[str, Any] | None = None, **kwargs: Any) -> str:
        """Return the trimmed text."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return str(value if value is not None else "").strip()


class KeyedLoader(BaseInstanceLoader):
    """Find the row of a spreadsheet line by its natural key, all rows read once."""

    def __init__(self, resource: HierarchyResource, dataset: Any = None) -> None:
        super().__init__(resource, dataset)
        self.rows = {resource.key_of(row): row for row in resource.get_queryset()}

    def get_instance(self, row: dict[str, Any]) -> Model | None:
        """Return the row with this key, or None for a new one."""
        key = tuple(
            self.resource.fields[name].clean(row) for name in self.resource.get_import_id_fields()
        )
        return self.rows.get(self.resource.folded(key))


class HierarchyResource(resources.ModelResource):
    """Hold one level of the hierarchy, in the person's scope."""

    def __init__(self, rows: QuerySet, site: AdminSite, request: AdminRequest) -> None:
        super().__init__()
        self._rows, self._site, self._request = rows, site, request

    def get_queryset(self) -> QuerySet:
        """Return the rows that the person may see."""
        return self._rows

    def choices(self, model: type[Model]) -> QuerySet:
        """Return the rows of another level that the person may choose."""
        return self._site._registry[model].get_queryset(self._request)

    def key_of(self, row: Model) -> Hashable:
        """Return a row's natural key."""
        return self.folded(tuple(getattr(row, name) for name in self.get_import_id_fields()))

    def folded(self, key: tuple[Any, ...]) -> Hashable:
        """Return a key by which equal rows meet."""
        return tuple(part.pk if isinstance(part, Model) else part for part in key)

    def before_import(self, dataset: tablib.Dataset, **kwargs: Any) -> None:
        """Read the columns' names in English or Chinese; refuse two for one."""
        names = [_NAMES.get(name.strip().lower(), name.strip().lower()) for name in dataset.headers]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(_("Two columns both mean %s.") % listed(doubled))
        known = {field.column_name for field in self.fields.values()}
        missing = [
            field.column_name
            for field in self.get_import_fields()
            if field.column_name in self._needed and field.column_name not in names
        ]
        if missing:
            raise ValueError(
                _("These columns are missing: %(missing)s. The file may have: %(known)s.")
                % {"missing": listed(missing), "known": listed(sorted(known))}
            )
        dataset.headers = names

    def before_import_row(self, row: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a key that stands in the file twice: one of the two would be lost."""
        if kwargs.get("row_number") == 1:
            self._seen: set[Hashable] = set()
        key = self.folded(
            tuple(self.fields[name].clean(row) for name in self.get_import_id_fields())
        )
        if key in self._seen:
            raise ValueError(_("This key stands in the file more than once."))
        self._seen.add(key)

    def validate_instance(
        self,
        instance: Model,
        import_validation_errors: dict[str, Any] | None = None,
        validate_unique: bool = True,
    ) -> None:
        """Check the fields alone: keys and relations were looked up with all rows at hand.

        Asking the database once more for each row would double the time of a large sheet.
        """
        errors = dict(import_validation_errors or {})
        relations = {field.name for field in instance._meta.fields if field.is_relation}
        try:
            instance.clean_fields(exclude=relations | errors.keys())
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)

    def after_import(self, dataset: tablib.Dataset, result: Any, **kwargs: Any) -> None:
        """Leave the sequences alone: keys are never imported, and the app role may not set them."""

    def _find(self, model: type[Model], what: Any, *, may_be_empty: bool = False) -> Any:
        """Return a finder of rows by code, which reads them once."""
        cache: dict[str, Model] = {}

        def find(code: str, row: dict[str, Any]) -> Model | None:
            if not code and may_be_empty:
                return None
            if not cache:
                cache.update({one.code.lower(): one for one in self.choices(model)})
            if code.lower() not in cache:
                raise ValueError(
                    _("There is no %(what)s “%(code)s” that you may use here.")
                    % {"what": what, "code": code}
                )
            return cache[code.lower()]

        return find


class _Meta:
    instance_loader_class = KeyedLoader
    skip_unchanged = True
    report_skipped = True
    clean_model_instances = True
    use_transactions = True


class UnitResource(HierarchyResource):
    """Business units by code."""

    _needed = frozenset({"code", "name"})
    code = fields.Field("code", "code", TextWidget())
    name = fields.Field("name", "name", TextWidget())

    class Meta(_Meta):
        model = BusinessUnit
        fields = ["code", "name"]
        import_id_fields = ["code"]


class BrandResource(HierarchyResource):
    """Brands by code, each with its unit's code."""

    _needed = frozenset({"code", "name"})
    code = fields.Field("code", "code", TextWidget())
    name = fields.Field("name", "name", TextWidget())
    business_unit = fields.Field("business_unit", "business_unit")
    is_active = fields.Field("is_active", "is_active", SwitchWidget())

    class Meta(_Meta):
        model = Brand
        fields = ["code", "name", "business_unit", "is_active"]
        import_id_fields = ["code"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        find = self._find(BusinessUnit, gettext_lazy("business unit"), may_be_empty=True)
        self.fields["business_unit"].widget = CodeWidget(find)


class StoreResource(HierarchyResource):
    """Stores by brand and code."""

    _needed = frozenset({"brand", "code", "name"})
    brand = fields.Field("brand", "brand")
    code = fields.Field("code", "code", TextWidget())
    name = fields.Field("name", "name", TextWidget())
    city = fields.Field("city", "city", TextWidget())
    opened_on = fields.Field("opened_on", "opened_on", DayWidget())
    is_active = fields.Field("is_active", "is_active", SwitchWidget())

    class Meta(_Meta):
        model = Store
        fields = ["brand", "code", "name", "city", "opened_on", "is_active"]
        import_id_fields = ["brand", "code"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["brand"].widget = CodeWidget(self._find(Brand, gettext_lazy("brand")))


class GuideResource(HierarchyResource):
    """Guides by brand, store and staff number."""

    _needed = frozenset({"brand", "store", "staff_no", "name"})
    brand = fields.Field("store__brand", "brand", readonly=True)
    store = fields.Field("store", "store")
    staff_no = fields.Field("staff_no", "staff_no", TextWidget())
    name = fields.Field("name", "name", TextWidget())
    is_active = fields.Field("is_active", "is_active", SwitchWidget())

    class Meta(_Meta):
        model = Guide
        fields = ["brand", "store", "staff_no", "name", "is_active"]
        import_id_fields = ["store", "staff_no"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stores: dict[tuple[str, str], Store] = {}
        self.fields["store"].widget = CodeWidget(self._store)
        self.fields["brand"].widget = CodeWidget(lambda code, row: None)

    def _store(self, code: str, row: dict[str, Any]) -> Store:
        if not self._stores:
            for store in self.choices(Store).select_related("brand"):
                self._stores[store.brand.code.lower(), store.code.lower()] = store
        brand = str(row.get("brand") or "").strip()
        found = self._stores.get((brand.lower(), code.lower()))
        if found is None:
            raise ValueError(
                _("There is no store “%(code)s” of a brand “%(brand)s” that you may use here.")
                % {"code": code, "brand": brand}
            )
        return found
