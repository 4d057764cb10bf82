"""Imports go one way: config → campaigns → members → brands → tenants."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("config", "campaigns", "members", "brands", "tenants")
# Before Django reads its settings nothing else may be imported, so the lowest app may ask these
# two for what the environment says; neither knows of any app.
_FREE = frozenset({"config.env"})
# Tests look from above: a wall's test reads members.
_ABOVE = ("tests", "migrations")


def _files(layer: str) -> Iterator[Path]:
    for path in sorted((ROOT / layer).rglob("*.py")):
        if not set(_ABOVE) & set(path.relative_to(ROOT).parts):
            yield path


def imported(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Yield line and full name of every module that a source text imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, (ast.Name, ast.Attribute))
            and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
            in {"import_module", "import_string", "__import__"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


def violations(source: str, package: str) -> list[str]:
    """Return, in words, every import of a source text that goes the wrong way."""
    own = LAYERS.index(package.split(".")[0])
    found = []
    for line, name in imported(source, package):
        top = name.split(".")[0]
        if top not in LAYERS or LAYERS.index(top) >= own:
            continue
        if not any(name == free or name.startswith(f"{free}.") for free in _FREE):
            found.append(f"line {line}: {package} imports {name}")
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_an_app_imports_only_what_lies_below_it(layer):
    files = list(_files(layer))
    assert files
    found = [
        f"{path.relative_to(ROOT)}, {words}"
        for path in files
        for words in violations(
            path.read_text(), ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
        )
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "package", "names"),
    [
        ("import members.models", "brands.wall", ["members.models"]),
        ("from members import models", "brands", ["members.models"]),
        ("def f():\n    from config.views import x", "tenants", ["config.views.x"]),
        ("if x:\n    import campaigns", "members.imports", ["campaigns"]),
        ("import_module('brands.models')", "tenants", ["brands.models"]),
        ("from ..views import x", "config.tests", []),
        ("from tenants import audit; import django", "brands", []),
        ("from brands.wall import scope", "members.models", []),
        ("from config import env", "tenants", []),
    ],
)
def test_a_wrong_import_is_told_wherever_it_stands(source, package, names):
    assert [words.split(" imports ")[1] for words in violations(source, package)] == names


def test_a_relative_import_is_resolved():
    assert list(imported("from ..models import Brand", "brands.wall")) == [
        (1, "brands.models.Brand")
    ]
    assert list(imported("from . import scope", "brands.wall")) == [(1, "brands.wall.scope")]


def test_the_wall_is_written_by_its_own_modules_only():
    """Only the scope sends the settings that policies read, and only the policies name them."""
    allowed = {"brands/wall/scope.py", "brands/wall/policies.py"}
    found = {
        str(path.relative_to(ROOT))
        for layer in LAYERS
        for path in _files(layer)
        if "SET LOCAL sluice" in path.read_text()
        or "SET LOCAL ROLE" in path.read_text()
        or "set_config(" in path.read_text()
    }
    assert found - allowed == set()
    assert found


def test_the_owners_way_in_is_taken_by_jobs_and_commands_only():
    """Nothing that answers a request opens bulk work."""
    requests = ("views", "forms", "admin", "panels", "selectors", "urls", "context", "middleware")
    found = [
        str(path.relative_to(ROOT))
        for layer in LAYERS
        for path in _files(layer)
        if any(part.removesuffix(".py") in requests for part in path.relative_to(ROOT).parts)
        and "scope.bulk(" in path.read_text()
    ]
    assert found == []
