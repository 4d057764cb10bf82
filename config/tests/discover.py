"""Find everything that can carry a member's data out of the database, by looking at the code.

Each function returns the names of one kind of carrier, as `isolation_matrix` writes them.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.contrib.admin.sites import all_sites
from django.core.management import get_commands
from django.db import models
from django.urls import URLPattern, URLResolver, get_resolver

from brands.wall.models import is_walled
from config.celery import app as celery_app
from tenants.provisioning import tenant_models

ROOT = Path(settings.BASE_DIR)
ROOMS = ("config", "tenants", "brands", "members", "campaigns")
# What opens a file for writing, or hands one out.
_FILE_CALLS = {
    "write_text",
    "write_bytes",
    "FileResponse",
    "StreamingHttpResponse",
    "TemporaryFile",
    "NamedTemporaryFile",
    "SpooledTemporaryFile",
    "TemporaryDirectory",
    "mkstemp",
    "copyfileobj",
}
_STORAGE = {"default_storage", "FileSystemStorage", "ContentFile"}
_KEEPERS = {"lru_cache", "cache", "cached", "cache_page", "cached_property"}
_LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Return every module of the product, without tests and migrations, as path and tree."""
    found = []
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if "/tests/" in name or "/migrations/" in name or name == "config/pytest_services.py":
                continue
            found.append((name, ast.parse(path.read_text())))
    return tuple(found)


@cache
def _nodes(tree: ast.Module) -> tuple[tuple[str, ast.AST], ...]:
    return tuple(_functions(tree))


def _functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield (qualified name, node) of every node below TREE, with the function it stands in."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{prefix}.{child.name}" if prefix else child.name
            for decorator in child.decorator_list:
                yield inner, decorator
                yield from _functions(decorator, inner)
            yield from _functions(child, inner)
        else:
            yield prefix, child
            yield from _functions(child, prefix)


def _found(matches: Callable[[ast.AST], bool]) -> set[str]:
    return {
        f"{name}:{where}" if where else name
        for name, tree in modules()
        for where, node in _nodes(tree)
        if matches(node)
    }


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    called = node.func
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def files() -> set[str]:
    """Return every function that writes a file or hands one out, and every field of files."""

    def matches(node: ast.AST) -> bool:
        if isinstance(node, ast.Name) and node.id in _STORAGE:
            return True
        if _called(node) in _FILE_CALLS:
            return True
        if _called(node) in {"open", "fdopen"}:
            modes = [*node.args, *(word.value for word in node.keywords)]  # type: ignore[attr-defined]
            words = [arg.value for arg in modes if isinstance(arg, ast.Constant)]
            return any(
                isinstance(word, str) and re.fullmatch(r"[wax]b?\+?|r\+b?|rb\+", word)
                for word in words
            )
        return False

    fields = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label in ROOMS
        for field in model._meta.get_fields()
        if isinstance(field, models.FileField)
    }
    return _found(matches) | fields


def keepers() -> set[str]:
    """Return every function that keeps what it found for the next one who asks."""

    def matches(node: ast.AST) -> bool:
        owner = node.value if isinstance(node, ast.Attribute) else None
        if isinstance(owner, ast.Name) and owner.id in {"cache", "caches"}:
            return True
        target = node.func if isinstance(node, ast.Call) else node
        name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        return isinstance(target, ast.Name | ast.Attribute) and name in _KEEPERS - {"cache"}

    return _found(matches)


def log_lines() -> set[str]:
    """Return every line that goes to a log: the file and the words as they stand in the code."""
    found = set()
    for name, tree in modules():
        for node in ast.walk(tree):
            if _called(node) not in _LOG_METHODS or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in {"log", "logger", "logging", "logs"}:
                words = node.args[0] if node.args else None
                text = words.value if isinstance(words, ast.Constant) else ast.unparse(words)
                found.add(f"{name}: {text}")
    return found


def prints() -> set[str]:
    """Return every function outside of commands that prints."""
    return {
        where
        for where in _found(lambda node: _called(node) == "print")
        if "/management/" not in where
    }


def tasks() -> set[str]:
    """Return the name of every job."""
    for room in ROOMS:
        if find_spec(f"{room}.tasks"):
            import_module(f"{room}.tasks")
    return {name for name in celery_app.tasks if not name.startswith(("celery.", "test."))}


def jobs_elsewhere() -> set[str]:
    """Return every module that makes jobs where `tasks` does not look."""
    return {
        where
        for where in _found(lambda node: getattr(node, "id", "") == "shared_task")
        if not where.split(":")[0].endswith("/tasks.py")
    }


def task_parameters() -> dict[str, dict[str, object]]:
    """Return job → parameter → its type."""
    return {
        name: {
            parameter.name: parameter.annotation
            for parameter in inspect.signature(celery_app.tasks[name].run).parameters.values()
        }
        for name in tasks()
    }


def commands() -> set[str]:
    """Return every management command of the product."""
    return {name for name, owner in get_commands().items() if owner in ROOMS}


def admin_pages() -> set[str]:
    """Return every admin page's model with what its page offers beyond list and form."""
    found = set()
    for site in all_sites:
        for model, page in site._registry.items():
            if site.name == "admin":
                continue
            found.add(f"{site.name} {model._meta.label}: {' '.join(_offers(page)) or '-'}")
    return found


def _offers(page: ModelAdmin) -> Iterator[str]:
    offered = {
        "search": bool(page.search_fields),
        "autocomplete": bool(page.autocomplete_fields),
        "actions": bool(page.actions),
        "inlines": bool(page.inlines),
        "export": hasattr(page, "export_action"),
        "import": hasattr(page, "import_action"),
        "list actions": bool(getattr(page, "actions_list", ())),
        "row actions": bool(getattr(page, "actions_row", ())),
        "detail actions": bool(getattr(page, "actions_detail", ())),
        "edit in list": bool(page.list_editable),
    }
    return (name for name, is_there in offered.items() if is_there)


def api_actions() -> set[str]:
    """Return every act of the API: its method and its address."""
    found = set()

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, route)
            elif route.startswith("api/"):
                view = getattr(pattern.callback, "cls", None) or getattr(
                    pattern.callback, "view_class", None
                )
                acts = getattr(pattern.callback, "actions", None) or {}
                methods = acts or [
                    name
                    for name in ("get", "post", "put", "patch", "delete")
                    if hasattr(view, name)
                ]
                found.update(f"{method.upper()} {route}" for method in methods or ["ANY"])

    walk(get_resolver(settings.ROOT_URLCONF).url_patterns, "")
    return found


def searches() -> set[str]:
    """Return every form with a search box, and the search of each admin site."""
    found = set()
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for line in node.body:
                    target = getattr(line, "targets", [getattr(line, "target", None)])[0]
                    if isinstance(target, ast.Name) and target.id in {"q", "search", "query"}:
                        found.add(f"{name}:{node.name}.{target.id}")
                    if isinstance(line, ast.FunctionDef) and line.name == "search":
                        found.add(f"{name}:{node.name}.search")
    return found


def error_pages() -> set[str]:
    """Return every template for an answer that refuses or fails."""
    folder = ROOT / "templates"
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.html")
        if re.match(r"\d{3}|error|.*(refused|gone|lost)", path.stem)
    }


def open_tables() -> set[str]:
    """Return every table of a group's schema that is not behind the wall."""
    return {model._meta.label for model in tenant_models() if not is_walled(model)}


def panels() -> set[str]:
    """Return every panel of a dashboard."""
    from brands import dashboard

    return set(dashboard._panels)


def mails() -> set[str]:
    """Return every function that sends mail."""
    return _found(
        lambda node: (
            _called(node)
            in {
                "send_mail",
                "send_mass_mail",
                "EmailMessage",
                "EmailMultiAlternatives",
                "mail_admins",
            }
        )
    )


def sessions() -> set[str]:
    """Return every function that writes into a session."""

    def matches(node: ast.AST) -> bool:
        if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Store):
            return False
        return "session" in ast.unparse(node.value)

    return _found(matches)


def tables_of_rooms() -> set[str]:
    """Return every table of the public schema that the product itself makes."""
    own = set(tenant_models())
    return {
        model._meta.label
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in ROOMS and model not in own
    }


KINDS: dict[str, Callable[[], set[str]]] = {
    "admin page": admin_pages,
    "API act": api_actions,
    "job": tasks,
    "command": commands,
    "file": files,
    "kept answer": keepers,
    "search": searches,
    "log line": log_lines,
    "print": prints,
    "error page": error_pages,
    "table outside the wall": open_tables,
    "public table": tables_of_rooms,
    "panel": panels,
    "mail": mails,
    "session": sessions,
}
