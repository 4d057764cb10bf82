"""Take the table out of what files come in: gzip, zip, XLSX workbooks. One layer after the other.

Everything is written beside the upload as plain text that imports read; nothing that is named
inside a file becomes a path. An archive is expanded block by block; a workbook is turned into CSV
in a process of its own (see members.imports.workbooks).
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess  # noqa: S404 - starts this interpreter on a module of our own
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree
from xml.parsers import expat

from django.conf import settings
from django.utils.translation import gettext as _

from members.imports.errors import ImportRefused
from members.imports.workbooks import MOST_CELLS
from tenants.wording import listed

_BLOCK = 1 << 20
# What expands further than this was made to: real tables come to a tenth or a twentieth.
MOST_RATIO = 200
# Below this size nobody asks how far it expanded.
RATIO_FROM = 32 * 2**20
_MOST_PARTS = 10_000
_MOST_CHOICES = 200
WORKBOOK_BYTES = 256 * 2**20
WORKBOOK_UNPACKED = 4 * 2**30
WORKBOOK_MEMORY = 2 * 2**30
WORKBOOK_SECONDS = 240
_MOST_XML = 16 * 2**20

_ARCHIVES = {
    b"Rar!": "RAR",
    b"7z\xbc\xaf": "7z",
    b"BZh": "bzip2",
    b"\xfd7zX": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_OLE = b"\xd0\xcf\x11\xe0"
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_LINK = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"


@dataclass(frozen=True)
class Part:
    """Be a sheet of a workbook or a file of an archive: its place in there, and its name."""

    place: str
    name: str
    is_sheet: bool = False


@dataclass(frozen=True)
class Unfolded:
    """Be what came of a file: where its rows are now, or which parts a person has to choose of."""

    path: Path
    # The names of what was opened on the way.
    inside: tuple[str, ...] = ()
    choices: tuple[Part, ...] = ()


def is_folded(path: Path) -> bool:
    """Tell whether a file holds others, and so has to be unfolded before its rows are read."""
    return bool(_folding(_start_of(path)))


def unfold(path: Path, fresh: Callable[[], Path], *, choice: str = "") -> Unfolded:
    """Take the one table out of a file, or name the parts of which one has to be chosen.

    `choice` is a part by its place or name, in the first layer that has several. The file itself
    stays; `fresh` names a new path for each layer. Raises ImportRefused; then nothing new is left.
    """
    made: list[Path] = []
    inside: list[str] = []
    here = path
    try:
        while folding := _folding(_start_of(here)):
            if made and folding != "workbook" and _is_archive(here, folding):
                raise ImportRefused(
                    _(
                        "The archive holds another archive. Nothing was imported. Unpack it and "
                        "upload the file with the rows."
                    )
                )
            found, take = _layer(here, folding)
            chosen = _chosen(found, choice)
            if chosen is None:
                return Unfolded(here, tuple(inside), tuple(found))
            choice = choice if len(found) == 1 else ""
            target = fresh()
            made.append(target)
            take(chosen, target)
            if len(made) > 1:
                made.pop(0).unlink(missing_ok=True)
            inside.append(chosen.name)
            here = target
    except BaseException:
        for target in made:
            target.unlink(missing_ok=True)
        raise
    return Unfolded(here, tuple(name for name in inside if name))


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError as error:
        raise ImportRefused(
            _("The file cannot be read: %(why)s.") % {"why": error.strerror}
        ) from error


def _folding(start: bytes) -> str:
    """Return gzip or zip (of which a workbook is one); raises ImportRefused for other archives."""
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if start.startswith(_OLE):
        raise ImportRefused(
            _(
                "This is an Excel workbook of the old kind (.xls), or one that a password "
                "protects. Nothing was imported. Open it in Excel, save it as .xlsx without a "
                "password, and upload that."
            )
        )
    for mark, name in _ARCHIVES.items():
        if start.startswith(mark):
            raise ImportRefused(
                _(
                    "This is an archive of the kind %(kind)s, which is not read here. Nothing was "
                    "imported. Unpack it, or pack it as .zip or .gz."
                )
                % {"kind": name}
            )
    if start[257:262] == b"ustar":
        raise ImportRefused(
            _(
                "This is an archive of the kind %(kind)s, which is not read here. Nothing was "
                "imported. Unpack it, or pack it as .zip or .gz."
            )
            % {"kind": "tar"}
        )
    return ""


def _is_archive(path: Path, folding: str) -> bool:
    if folding == "gzip":
        return True
    with _zip(path) as packed:
        return not _is_workbook(packed)


def _layer(path: Path, folding: str) -> tuple[list[Part], Callable[[Part, Path], None]]:
    """Return the parts of a file's outermost layer, and what writes one of them to a new path."""
    if folding == "gzip":
        return [Part("0", "")], lambda part, target: _expand_gzip(path, target)
    with _zip(path) as packed:
        if _is_workbook(packed):
            return _sheets(path, packed), lambda part, target: _expand_sheet(path, part, target)
        return _files(packed), lambda part, target: _expand_file(path, part, target)


def _chosen(found: list[Part], choice: str) -> Part | None:
    """Return the part that is meant: the one there is, or the one that was chosen."""
    if len(found) == 1:
        return found[0]
    for part in found if choice else ():
        if choice in {part.place, part.name}:
            return part
    if choice:
        raise ImportRefused(
            _("The file holds no “%(choice)s”. Nothing was imported. It holds: %(found)s.")
            % {"choice": choice[:100], "found": listed(part.name for part in found)[:500]}
        )
    return None


def _zip(path: Path) -> zipfile.ZipFile:
    try:
        packed = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ImportRefused(
            _(
                "The file is an archive or a workbook that is damaged, or a part of it is missing. "
                "Nothing was imported. Make or send it again."
            )
        ) from error
    if len(packed.infolist()) > _MOST_PARTS:
        packed.close()
        raise ImportRefused(
            _("The archive holds more than %(most)d files. Nothing was imported.")
            % {"most": _MOST_PARTS}
        )
    return packed


def _is_workbook(packed: zipfile.ZipFile) -> bool:
    names = {name.lower().lstrip("/") for name in packed.namelist()}
    if "xl/workbook.xml" in names:
        return True
    if names & {"xl/workbook.bin", "content.xml", "word/document.xml", "ppt/presentation.xml"}:
        raise ImportRefused(
            _(
                "This is a document that is not read here. Nothing was imported. Save the sheet as "
                ".xlsx or as CSV (UTF-8) and upload that."
            )
        )
    return False


def _files(packed: zipfile.ZipFile) -> list[Part]:
    """Return the files of an archive, but what systems add beside them."""
    found = []
    for number, info in enumerate(packed.infolist()):
        name = _name_of(info)
        last = name.replace("\\", "/").rsplit("/", 1)[-1]
        if info.is_dir() or not last or last.startswith(".") or "__MACOSX/" in name:
            continue
        if info.file_size:
            found.append(Part(str(number), last[:120]))
    if not found:
        raise ImportRefused(_("The archive holds no file with rows. Nothing was imported."))
    if len(found) > _MOST_CHOICES:
        raise ImportRefused(
            _("The archive holds more than %(most)d files. Nothing was imported.")
            % {"most": _MOST_CHOICES}
        )
    return found


def _name_of(info: zipfile.ZipInfo) -> str:
    """Return a file's name as it was meant: Windows in China writes it in GBK and does not say."""
    if info.flag_bits & 0x800:
        return info.filename
    for encoding in ("utf-8", "gb18030"):
        try:
            return info.filename.encode("cp437").decode(encoding)
        except UnicodeError:
            continue
    return info.filename


def _expand_gzip(path: Path, target: Path) -> None:
    try:
        with gzip.open(path, "rb") as packed:
            _copy(packed, target, path.stat().st_size)
    except EOFError as error:
        raise ImportRefused(
            _(
                "The packed file ends too early: a part of it is missing. Nothing was imported. "
                "Send or pack it again."
            )
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ImportRefused(_damaged()) from error


def _expand_file(path: Path, part: Part, target: Path) -> None:
    with _zip(path) as packed:
        info = packed.infolist()[int(part.place)]
        if info.flag_bits & 1:
            raise ImportRefused(
                _(
                    "A password protects the archive. Nothing was imported. Pack the file without "
                    "one, or unpack it first."
                )
            )
        try:
            with packed.open(info) as file:
                _copy(file, target, path.stat().st_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ImportRefused(_damaged()) from error


def _damaged() -> str:
    return _(
        "The archive is damaged, or packed in a way that is not read here. Nothing was imported. "
        "Pack or send it again."
    )


def _copy(source: IO[bytes] | gzip.GzipFile, target: Path, packed_bytes: int) -> None:
    """Write a stream to a new file that this account alone may read, and stop at the limits."""
    written = 0
    with _create(target) as file:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > RATIO_FROM and written > MOST_RATIO * packed_bytes:
                raise ImportRefused(
                    _(
                        "The archive expands to more than %(times)d times its size: that is no "
                        "table. Nothing was imported."
                    )
                    % {"times": MOST_RATIO}
                )
            if written > settings.IMPORT_MAX_BYTES:
                raise ImportRefused(
                    _(
                        "The file is larger than %(size)d MB once unpacked. Nothing was imported. "
                        "Split it."
                    )
                    % {"size": settings.IMPORT_MAX_BYTES // 2**20}
                )
            try:
                file.write(block)
            except OSError as error:
                raise ImportRefused(
                    _("The unpacked file does not fit on this server's disk. Nothing was imported.")
                ) from error


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _sheets(path: Path, packed: zipfile.ZipFile) -> list[Part]:
    """Return the sheets that hold something: the visible ones, or else the hidden ones."""
    if any(info.flag_bits & 1 for info in packed.infolist()):
        raise ImportRefused(
            _("A password protects the workbook. Nothing was imported. Save it without one.")
        )
    size, unpacked = path.stat().st_size, sum(info.file_size for info in packed.infolist())
    if size > WORKBOOK_BYTES or unpacked > WORKBOOK_UNPACKED:
        raise ImportRefused(_too_large())
    if unpacked > RATIO_FROM and unpacked > MOST_RATIO * size:
        raise ImportRefused(
            _(
                "The archive expands to more than %(times)d times its size: that is no "
                "table. Nothing was imported."
            )
            % {"times": MOST_RATIO}
        )
    try:
        shown, hidden = _listed_sheets(packed)
    except (ElementTree.ParseError, KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ImportRefused(_broken_workbook()) from error
    found = [part for part in shown if _has_values(packed, part)]
    found = found or [part for part in hidden if _has_values(packed, part)]
    if not found:
        raise ImportRefused(_("The workbook's sheets are empty. Nothing was imported."))
    return found[:_MOST_CHOICES]


def _listed_sheets(packed: zipfile.ZipFile) -> tuple[list[Part], list[Part]]:
    names = {name.lower().lstrip("/"): name for name in packed.namelist()}
    links = {
        link.get("Id"): link.get("Target", "")
        for link in _xml(packed, names["xl/_rels/workbook.xml.rels"])
        if link.get("Type", "").endswith("/worksheet")
    }
    shown: list[Part] = []
    hidden: list[Part] = []
    for sheet in _xml(packed, names["xl/workbook.xml"]).iter():
        if sheet.tag not in {f"{_MAIN}sheet", f"{_STRICT}sheet"}:
            continue
        target = links.get(sheet.get(_LINK) or sheet.get(_STRICT_LINK), "")
        place = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if place.lower() in names:
            part = Part(names[place.lower()], sheet.get("name", ""), is_sheet=True)
            (shown if sheet.get("state", "visible") == "visible" else hidden).append(part)
    return shown, hidden


def _xml(packed: zipfile.ZipFile, name: str) -> ElementTree.Element:
    with packed.open(name) as file:
        text = file.read(_MOST_XML + 1)
    # No spreadsheet declares entities; one that does wants them expanded. Asked of the parser: in
    # UTF-16 the words look otherwise.
    if len(text) > _MOST_XML or _declares_a_type(text):
        raise KeyError(name)
    return ElementTree.fromstring(text)  # noqa: S314 - neither large nor with entities


class _Declared(Exception):
    """Say that a document declares its type: its entities are not looked at any more."""


def _declares_a_type(text: bytes) -> bool:
    parser = expat.ParserCreate()

    def declared(*_said: object) -> None:
        raise _Declared

    parser.StartDoctypeDeclHandler = declared
    try:
        parser.Parse(text, True)
    except _Declared:
        return True
    except expat.ExpatError:
        # What cannot be read is told by the reader.
        return False
    return False


def _has_values(packed: zipfile.ZipFile, part: Part) -> bool:
    kept = b""
    try:
        with packed.open(part.place) as file:
            while block := file.read(_BLOCK):
                data = kept + block
                if any(mark in data for mark in (b"<v>", b":v>", b"<is>", b":is>")):
                    return True
                kept = data[-8:]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ImportRefused(_broken_workbook()) from error
    return False


def _expand_sheet(path: Path, part: Part, target: Path) -> None:
    _create(target).close()
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "members.imports.workbooks", str(path), part.name, part.place]
    limits = [str(WORKBOOK_MEMORY), str(WORKBOOK_SECONDS)]
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter; a sheet's name is no option
            [*command, str(target), *limits],
            cwd=root,
            capture_output=True,
            timeout=2 * WORKBOOK_SECONDS,
            check=False,
            # No address, no key: the child needs none.
            env={"PYTHONPATH": str(root), "PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired as error:
        raise ImportRefused(_too_large()) from error
    if done.returncode:
        raise ImportRefused(_too_large())
    refused = json.loads(done.stdout.decode().strip() or "{}").get("refused", "")
    if refused:
        raise ImportRefused(_why(refused))


def _why(refused: str) -> str:
    """Put into words why a sheet was not turned into CSV."""
    reason, _space, number = refused.partition(" ")
    if reason == "formulas":
        return _(
            "%(number)s cells of the sheet hold formulas that were never computed. Nothing was "
            "imported. Open the workbook in Excel, save it, and upload it again."
        ) % {"number": number}
    if reason == "errors":
        return _(
            "The sheet holds too many cells with errors such as #N/A. Nothing was imported. Mend "
            "them, or leave those columns out."
        )
    if reason == "empty":
        return _("The sheet is empty. Nothing was imported.")
    if reason in {"memory", "cells"}:
        return _too_large()
    if reason == "system":
        return _("The file cannot be read: %(why)s.") % {"why": number}
    return _broken_workbook()


def _too_large() -> str:
    return _(
        "The workbook is too large to be read as one, or has a stray cell far from its table. "
        "Nothing was imported. Up to %(cells)d million cells are read; save the sheet as CSV "
        "(UTF-8), which may be of any length."
    ) % {"cells": MOST_CELLS // 10**6}


def _broken_workbook() -> str:
    return _(
        "The workbook is damaged. Nothing was imported. Open it in Excel, save it again, and "
        "upload that."
    )
