"""Open the wall for one transaction: drop to the app role and say what is visible.

Only this module writes the settings that policies read. They are set with `SET LOCAL` (never
`set_config`, which Citus does not carry to its workers) and end with the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from brands.wall.visibility import FEWEST_AVERAGED, Kind, KindSets, Visible
from tenants.connection import connection


class ScopeRequired(RuntimeError):
    """Say that member data was asked for with no scope open."""


class ScopeRefused(RuntimeError):
    """Say that a scope cannot be opened here."""


@dataclass(frozen=True)
class Scope:
    """Hold what is open: the visible sets, or None for the owner role's bulk work."""

    visible: Visible | None
    schema_name: str
    reason: str = ""

    @property
    def is_bulk(self) -> bool:
        """Tell whether this is bulk work as the owner role, which no policy binds."""
        return self.visible is None

    @property
    def cache_key(self) -> str:
        """Name group and visible sets, for the key of everything cached under this scope."""
        if self.visible is None:
            raise ScopeRefused("Bulk work is never cached: its rows are everybody's.")
        return f"{self.schema_name}:{self.visible.digest}"


_current: ContextVar[Scope | None] = ContextVar("sluice_scope", default=None)


def current() -> Scope:
    """Return the open scope; raise ScopeRequired when there is none."""
    scope = _current.get()
    if scope is None:
        raise ScopeRequired(
            "Member data was asked for with no scope open. In a request the middleware opens it; "
            "elsewhere use `with scope.open(visible):`, or `with scope.bulk(reason=…):` in a "
            "process that connects as the owner role."
        )
    if scope.schema_name != connection.schema_name:
        raise ScopeRequired(
            f"The open scope belongs to {scope.schema_name}, but the connection is at "
            f"{connection.schema_name}."
        )
    return scope


def is_open() -> bool:
    """Tell whether a scope is open."""
    return _current.get() is not None


def array(ids: Iterable[int]) -> str:
    """Write ids as a PostgreSQL array literal."""
    return "{" + ",".join(str(int(number)) for number in sorted(ids)) + "}"


def setting_values(visible: Visible, schema_name: str) -> dict[str, str]:
    """Return every setting that the policies read, by name; those of HQ's side for a look alone."""
    first, *others = visible.sides
    # Numbers of brands mean something in one schema only: the sets are void in every other.
    values: dict[str, str] = {"sluice.schema": schema_name, **_read_values(first, "sluice.")}
    values["sluice.write_group"] = visible.group_set if visible.writes_group else ""
    values["sluice.write_brands"] = array(visible.write_brands)
    values["sluice.write_stores"] = array(visible.write_stores)
    for hq in others:
        values |= _read_values(hq, LOOK_PREFIX)
    return values


def _read_values(visible: Visible, prefix: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for kind in Kind:
        sets = visible.kinds[kind]
        values[f"{prefix}{kind}_all"] = array(sets.all_brands)
        values[f"{prefix}{kind}_stores"] = array(sets.stores)
        values[f"{prefix}{kind}_consented"] = array(sets.consented_brands)
        values[f"{prefix}{kind}_notices"] = array(sets.notices)
    values[f"{prefix}metrics_suppressed"] = array(visible.kinds[Kind.METRICS].suppressed_brands)
    values[f"{prefix}group_set"] = visible.group_set
    values[f"{prefix}k"] = str(int(visible.k))
    values[f"{prefix}grants"] = array(visible.viewer.grants)
    values[f"{prefix}store_brands"] = array(visible.viewer.store_brands)
    values[f"{prefix}told_brands"] = array(visible.told_brands)
    return values


def _read_names(prefix: str) -> tuple[str, ...]:
    parts = ("all", "stores", "consented", "notices")
    others = ("metrics_suppressed", "group_set", "k", "grants", "store_brands", "told_brands")
    return (
        *(f"{prefix}{kind}_{part}" for kind in Kind for part in parts),
        *(f"{prefix}{name}" for name in others),
    )


# What HQ's side of a look is set under, beside the role's under the usual names.
LOOK_PREFIX = "sluice.look_"
LOOK_NAMES = _read_names(LOOK_PREFIX)
SETTING_NAMES = (
    "sluice.schema",
    *_read_names("sluice."),
    "sluice.write_group",
    "sluice.write_brands",
    "sluice.write_stores",
)


def _values(scope: Scope | None) -> dict[str, str]:
    values = dict.fromkeys(SETTING_NAMES, "")
    if scope is not None and scope.visible is not None:
        values |= setting_values(scope.visible, scope.schema_name)
    return values


def _role(scope: Scope | None) -> str:
    if scope is None or scope.visible is None:
        return ""
    if scope.visible.look is not None:
        if not settings.LOOK_ROLE:
            raise ScopeRefused("Nobody looks as another role here: LOOK_ROLE names no role.")
        return settings.LOOK_ROLE
    if settings.WHOLE_ROLE and scope.visible.is_whole:
        return settings.WHOLE_ROLE
    return settings.APP_ROLE


def _apply(scope: Scope | None, *, after: Scope | None = None) -> None:
    """Send role and settings in one round trip; AFTER another scope only where they differ."""
    values, role = _values(scope), _role(scope)
    if after is not None:
        before = _values(after)
        # A look's settings are emptied behind it.
        values = dict.fromkeys(before, "") | values
        values = {name: value for name, value in values.items() if value != before.get(name, "")}
    statements = [f"SET LOCAL {name} = '{value}'" for name, value in values.items()]
    is_one_role = not (settings.WHOLE_ROLE or settings.LOOK_ROLE)
    if connection.settings_dict["USER"] != settings.APP_ROLE or not is_one_role:
        statements.append(f'SET LOCAL ROLE "{role}"' if role else "SET LOCAL ROLE NONE")
    if statements:
        with connection.cursor() as cursor:
            cursor.execute("; ".join(statements))


@contextmanager
def _opened(scope: Scope) -> Iterator[Scope]:
    if not connection.in_atomic_block:
        raise ScopeRefused("A scope lives inside a transaction: open `tenant_transaction` first.")
    outer = _current.get()
    # The savepoint undoes this scope's settings when the block fails; the outer ones are sent
    # again in either case, because a released savepoint keeps the inner ones.
    with transaction.atomic(), _entered(scope):
        yield scope
    _apply(outer, after=scope)


@contextmanager
def _entered(scope: Scope) -> Iterator[None]:
    """Send a scope's settings and go by it; whoever enters sees to their end."""
    _apply(scope)
    token = _current.set(scope)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def open(visible: Visible) -> Iterator[Scope]:  # noqa: A001 - read as scope.open
    """Let the block see what VISIBLE says and nothing else, as the app role.

    A look is seen as the role that only reads, and no other scope opens inside it.
    """
    outer = _current.get()
    look = outer.visible.look if outer is not None and outer.visible is not None else None
    if look is not None and (visible.look is None or visible.look.hq is not look.hq):
        raise ScopeRefused("Inside a look every scope is met with HQ's: this one is not.")
    with _opened(Scope(visible, connection.schema_name)) as scope:
        yield scope


@contextmanager
def transaction_of(see: Callable[[], Visible]) -> Iterator[Scope]:
    """Run the block as a whole transaction, in the scope of what SEE returns at its start.

    A rollback that the block asks for undoes all of it. Nothing can follow the block in its
    transaction, so the settings end with that: they need no savepoint, and nobody empties them.
    Inside another transaction, such as a test's, they do.
    """
    with transaction.atomic():
        is_whole = len(connection.atomic_blocks) == 1 and not is_open()
        visible = see()
        if is_whole:
            scope = Scope(visible, connection.schema_name)
            with _entered(scope):
                yield scope
            return
        with open(visible) as scope:
            yield scope
            # Of the scope's savepoint; never False, which would forget a rollback asked for.
            is_undone = connection.needs_rollback
        if is_undone:
            transaction.set_rollback(True)


@contextmanager
def bulk(*, reason: str) -> Iterator[Scope]:
    """Let the block work on all rows as the owner role, for imports, resolution and roll-ups.

    Only processes that hold the owner's credentials can; a web process is refused.
    """
    if settings.SLUICE_PROCESS != "bulk" or connection.settings_dict["USER"] == settings.APP_ROLE:
        raise ScopeRefused(f"This process may not do bulk work ({reason}): it is the app role.")
    outer = _current.get()
    if outer is not None and not outer.is_bulk:
        raise ScopeRefused(f"Bulk work ({reason}) cannot start inside a viewer's scope.")
    with _opened(Scope(None, connection.schema_name, reason)) as scope:
        yield scope


@contextmanager
def averaging() -> Iterator[Scope]:
    """Let the block read brand metrics that the viewer may see only as an average.

    The caller must return averages over all of these brands and no brand's own figure. Nothing is
    readable where the viewer could subtract what they know: there must be three brands, and two
    whose figures they do not see.
    """
    visible = current().visible
    if visible is None:
        raise ScopeRefused("Averages are read inside a viewer's scope.")
    averaged = visible.averaged_brands
    unknown = averaged - visible.kinds[Kind.METRICS].all_brands
    if len(averaged) < FEWEST_AVERAGED or len(unknown) < 2:
        averaged = frozenset()
    with open(visible.with_only({Kind.METRICS: KindSets(all_brands=averaged)})) as scope:
        yield scope
