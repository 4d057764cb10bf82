"""Models behind the wall: their declaration, their managers that fail closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from django.apps import apps
from django.db import models
from django.db.models import Q
from django.db.models.sql import Query
from django.utils.translation import gettext_lazy as _

from brands.models import Brand, Notice, Store
from brands.wall import scope
from brands.wall.visibility import Kind, Visible


@dataclass(frozen=True)
class Wall:
    """Declare how the wall treats a table.

    `counted` names the column that counts people in a metrics row, so that HQ sees of a brand-max
    brand only whole-brand rows (no store) of at least k people. `is_appendable` is a table into
    which viewers write rows of their own brands and stores, that they never change. `within` names
    the column of a metrics row that lists further brands: it is read by who sees all of each.
    `is_for_siblings` is False of figures that follow what persons answer or buy in any brand: a
    sibling would plant a row and watch them move. They are told by the brand to its own people,
    and to HQ unless it is in brand-max, where HQ would file an answer and watch.
    """

    kind: Kind
    is_writable: bool = False
    is_appendable: bool = False
    counted: str = ""
    within: str = ""
    is_for_siblings: bool = True

    @property
    def privileges(self) -> str:
        """Return what the app role may do with the table at all."""
        return _privileges(self)


def _privileges(declared: Any) -> str:
    if declared.is_writable:
        return "SELECT, INSERT, UPDATE"
    return "SELECT, INSERT" if declared.is_appendable else "SELECT"


class WalledQuery(Query):
    """Refuse to compile, and so to run, without an open scope."""

    def get_compiler(self, *args: Any, **kwargs: Any) -> Any:
        """Return the compiler when a scope is open."""
        scope.current()
        return super().get_compiler(*args, **kwargs)


class WalledQuerySet(models.QuerySet):
    """Hold rows behind the wall; a queryset that outlives its scope raises when it is used."""

    def __init__(self, model: Any = None, query: Any = None, **kwargs: Any) -> None:
        super().__init__(model=model, query=query or WalledQuery(model), **kwargs)

    def iterator(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yield the rows one by one, until the scope in which reading began is no longer open."""
        opened = scope.current()
        for row in super().iterator(*args, **kwargs):
            # The server's cursor would go on under the sets it was opened with.
            if scope.current() is not opened:
                raise scope.ScopeRequired("These rows were read in a scope that is closed by now.")
            yield row

    # Django writes through query classes of its own, which WalledQuery never sees.

    def update(self, **kwargs: Any) -> int:
        """Change the rows in an open scope."""
        scope.current()
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows in an open scope."""
        scope.current()
        return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def _update(self, *args: Any, **kwargs: Any) -> int:
        scope.current()
        return super()._update(*args, **kwargs)  # type: ignore[misc]

    _update.alters_data = True  # type: ignore[attr-defined]
    _update.queryset_only = False  # type: ignore[attr-defined]

    def _raw_delete(self, using: str | None) -> int:
        scope.current()
        return super()._raw_delete(using)

    _raw_delete.alters_data = True  # type: ignore[attr-defined]

    def _insert(self, *args: Any, **kwargs: Any) -> Any:
        scope.current()
        return super()._insert(*args, **kwargs)  # type: ignore[misc]

    _insert.alters_data = True  # type: ignore[attr-defined]
    _insert.queryset_only = False  # type: ignore[attr-defined]


class WalledManager(models.Manager.from_queryset(WalledQuerySet)):  # type: ignore[misc]
    """Add the explicit filter of the open scope; raise ScopeRequired when none is open."""

    def get_queryset(self) -> WalledQuerySet:
        """Return the rows that the open scope shows."""
        queryset = super().get_queryset()
        opened = scope.current()
        if opened.visible is None:
            return queryset
        return queryset.filter(visible_rows(self.model, opened))


class Walled(models.Model):
    """Carry the columns that the wall compares: brand, store and current notice."""

    wall: ClassVar[Wall]

    # No database constraints: these are copies for the policies, kept by the bulk writers.
    brand = models.ForeignKey(
        Brand,
        models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("brand"),
    )
    store = models.ForeignKey(
        Store,
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("store"),
    )
    notice = models.ForeignKey(
        Notice,
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("notice agreed to"),
    )

    objects = WalledManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"


class GroupWalledManager(models.Manager.from_queryset(WalledQuerySet)):  # type: ignore[misc]
    """Show HQ the figures of the group that leave out the brands it may not count."""

    def get_queryset(self) -> WalledQuerySet:
        """Return the rows that the open scope shows."""
        queryset = super().get_queryset()
        opened = scope.current()
        if opened.visible is None:
            return queryset
        for side in opened.visible.sides:
            if side.group_without is None:
                return queryset.none()
            queryset = queryset.filter(brand_set=side.group_set)
        return queryset


class GroupWalled(models.Model):
    """Be a figure of the group over all its brands but those that `brand_set` names.

    HQ reads the figures that leave out exactly the brands in brand-max. With those brands in them,
    HQ could take away what it can count itself, and would be left with their small cells.

    HQ's admins may write into a table that is appendable (and change what a writable one holds),
    always under the set of today: what they write is read under that set only.
    """

    is_writable: ClassVar[bool] = False
    is_appendable: ClassVar[bool] = False

    brand_set = models.CharField(max_length=32)

    objects = GroupWalledManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    @classmethod
    def privileges(cls) -> str:
        """Return what the app role may do with the table at all."""
        return _privileges(cls)


class GrantWalledManager(models.Manager.from_queryset(WalledQuerySet)):  # type: ignore[misc]
    """Show each viewer the rows of the grant that they act under."""

    def get_queryset(self) -> WalledQuerySet:
        """Return the rows that the open scope shows."""
        queryset = super().get_queryset()
        opened = scope.current()
        for side in opened.visible.sides if opened.visible else ():
            queryset = queryset.filter(grant_id__in=side.viewer.grants)
        return queryset


class GrantWalled(models.Model):
    """Be somebody's own row: what one grant asked for, read and written under that grant alone."""

    # The grant lives in the public schema, which no constraint of a group's schema may reach.
    grant_id = models.BigIntegerField()

    objects = GrantWalledManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    @classmethod
    def privileges(cls) -> str:
        """Return what the app role may do with the table at all."""
        return "SELECT, INSERT, UPDATE"


def visible_rows(model: type[Walled], opened: scope.Scope) -> Q:
    """Return the filter that says in the ORM what the table's policy says in the database."""
    rows = Q()
    for side in opened.visible.sides if opened.visible else ():
        rows &= _rows_of(model, side)
    return rows


def _rows_of(model: type[Walled], visible: Visible) -> Q:
    sets = visible.kinds[model.wall.kind]
    rows = Q(brand_id__in=sets.all_brands)
    if sets.stores:
        rows |= Q(brand_id__in=visible.viewer.store_brands, store_id__in=sets.stores)
    if sets.consented_brands:
        rows |= Q(brand_id__in=sets.consented_brands, notice_id__in=sets.notices)
    if model.wall.counted and sets.suppressed_brands:
        rows |= Q(
            brand_id__in=sets.suppressed_brands,
            store_id=None,
            **{f"{model.wall.counted}__gte": visible.k},
        )
    if model.wall.within:
        rows &= Q(**{f"{model.wall.within}__contained_by": sorted(sets.all_brands)})
    if not model.wall.is_for_siblings:
        rows &= Q(brand_id__in=visible.told_brands)
    return rows


def walled_models() -> list[type[Walled]]:
    """Return every model whose rows belong to a brand and are behind the wall."""
    return [model for model in apps.get_models() if issubclass(model, Walled)]


def group_walled_models() -> list[type[GroupWalled]]:
    """Return every model that counts the whole group and is behind the wall."""
    return [model for model in apps.get_models() if issubclass(model, GroupWalled)]


def grant_walled_models() -> list[type[GrantWalled]]:
    """Return every model whose rows belong to the grant that asked for them."""
    return [model for model in apps.get_models() if issubclass(model, GrantWalled)]


def all_walled_models() -> list[type[models.Model]]:
    """Return every model behind the wall, whoever its rows belong to."""
    return [*walled_models(), *group_walled_models(), *grant_walled_models()]


def is_walled(model: Any) -> bool:
    """Tell whether a model is behind the wall."""
    return issubclass(model, (Walled, GroupWalled, GrantWalled))
