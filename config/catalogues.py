"""Message catalogues made by Babel alone: extracted, merged, checked and compiled."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

APPS = ("config", "tenants", "brands", "members", "campaigns")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    # What an operation of the API does, which its page says in the reader's language.
    "described": None,
}
_FIRST_DAY = datetime(2026, 11, 21, tzinfo=UTC)
_STRING = r"""u?('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
# What templatize writes for {% translate %} and {% blocktranslate %}.
_CALL = re.compile(
    rf"\b(_|gettext|ngettext|pgettext)\(\s*{_STRING}(?:\s*,\s*{_STRING})?", re.DOTALL
)
# What a translation must keep: %(name)s, %s, {name} and HTML tags.
_HOLE = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|</?\w[^>]*>")


# Its line, the message (with its plural where it has one), its context.
Found = tuple[int, str | tuple[str, ...], str | None]


def po_path(locale: str) -> Path:
    """Return where a locale's catalogue is kept."""
    return settings.BASE_DIR / "locale" / locale / "LC_MESSAGES" / "django.po"


def _in_python(path: Path) -> Iterator[Found]:
    with path.open("rb") as file:
        for line, message, _comments, context in extract("python", file, KEYWORDS):
            yield line, message, context


def _in_template(path: Path) -> Iterator[Found]:
    text = templatize(path.read_text(encoding="utf-8"), origin=str(path))
    for match in _CALL.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        first = ast.literal_eval(match[2])
        second = ast.literal_eval(match[3]) if match[3] else ""
        if match[1] == "ngettext":
            yield line, (first, second), None
        elif match[1] == "pgettext":
            yield line, second, first
        else:
            yield line, first, None


def template_catalogue() -> Catalog:
    """Return every message of the code and the templates, with where it stands."""
    found = Catalog(project="Sluice", charset="utf-8")
    root = settings.BASE_DIR
    python = [path for app in APPS for path in (root / app).rglob("*.py")]
    templates = [*(root / "templates").rglob("*.html"), *(root / "templates").rglob("*.txt")]
    for paths, reader in ((python, _in_python), (templates, _in_template)):
        for path in sorted(paths):
            if "migrations" in path.parts or "tests" in path.parts:
                continue
            name = path.relative_to(root).as_posix()
            for line, message, context in reader(path):
                found.add(message, locations=[(name, line)], context=context)
    return found


def load(locale: str) -> Catalog:
    """Read a locale's catalogue, or an empty one."""
    path = po_path(locale)
    if not path.exists():
        return Catalog(locale=locale, project="Sluice", charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def merge(locale: str) -> Catalog:
    """Return a locale's catalogue with today's messages; old ones are dropped."""
    catalogue = load(locale)
    catalogue.update(template_catalogue(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.fuzzy = False
    catalogue.header_comment = f"# {catalogue.locale.english_name} catalogue of Sluice."
    catalogue.version = "1"
    catalogue.last_translator = catalogue.language_team = catalogue.msgid_bugs_address = ""
    # A date of today would change the file at every run.
    catalogue.creation_date = catalogue.revision_date = _FIRST_DAY
    return catalogue


def untranslated(catalogue: Catalog) -> list[str]:
    """Return the messages that have no translation."""
    missing = []
    for message in catalogue:
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.id and (message.fuzzy or not all(texts)):
            missing.append(message.id if isinstance(message.id, str) else message.id[0])
    return missing


def _holes(text: str) -> set[str]:
    return set(_HOLE.findall(text))


def mismatched(catalogue: Catalog) -> list[str]:
    """Return the messages whose translation has other placeholders or tags than they have."""
    wrong = []
    for message in catalogue:
        ids = (message.id,) if isinstance(message.id, str) else tuple(message.id)
        texts = message.string or ""
        texts = (texts,) if isinstance(texts, str) else tuple(texts)
        # A singular may leave its number out; a language without one says what the plural says.
        allowed = [_holes(one) for one in ids]
        if message.id and any(text and _holes(text) not in allowed for text in texts):
            wrong.append(ids[0])
    return wrong


def is_compiled(locale: str) -> bool:
    """Tell whether the .mo file that Django reads says what the .po file says."""
    path = po_path(locale).with_suffix(".mo")
    return path.exists() and path.read_bytes() == compiled(load(locale))


def compiled(catalogue: Catalog) -> bytes:
    """Return a catalogue as the .mo file that Django reads."""
    buffer = BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def save(locale: str, catalogue: Catalog) -> None:
    """Write a locale's catalogue, text and compiled."""
    path = po_path(locale)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        # File names without lines: a moved line is no change of the catalogue.
        write_po(file, catalogue, width=100, sort_output=True, include_lineno=False)
    path.with_suffix(".mo").write_bytes(compiled(load(locale)))
