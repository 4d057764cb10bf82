"""Bring the hierarchy in from a spreadsheet and give it back as one."""

from __future__ import annotations

import csv
import io
import logging
import zipfile
from typing import Any

import tablib
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from import_export.admin import ImportExportMixin
from import_export.formats import base_formats
from import_export.results import Result, RowResult
from import_export.tmp_storages import CacheStorage
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from tenants import audit
from tenants.requests import AdminRequest
from tenants.wording import listed

logger = logging.getLogger(__name__)

MOST_ROWS = 5_000
MOST_BYTES = 2 * 2**20
_MOST_UNPACKED = 50 * 2**20
# What a spreadsheet program would take for a formula.
_LIVE = ("=", "+", "-", "@", "\t", "\r")


class SheetError(ValueError):
    """Say why a spreadsheet cannot be read; nothing of it was kept."""


def _plain(value: Any) -> Any:
    """Undo, in text read back, the quote that keeps a formula from running."""
    if isinstance(value, str):
        value = value.strip()
        if value[:1] == "'" and value[1:2] in _LIVE:
            return value[1:]
    return value


def _quoted(value: Any) -> Any:
    """Keep text from running as a formula in the program that opens the file."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_LIVE) else value


def _dataset(rows: list[list[Any]]) -> tablib.Dataset:
    """Return rows as a dataset whose first row is its header; blank rows are left out."""
    filled = [row for row in rows if any(value not in (None, "") for value in row)]
    if len(filled) < 2:
        raise SheetError(_("The file has no rows below its header."))
    if len(filled) > MOST_ROWS + 1:
        raise SheetError(_("The file has more than %d rows. Split it.") % MOST_ROWS)
    headers = [str(_plain(name) or "") for name in filled[0]]
    while headers and not headers[-1]:
        headers.pop()
    if "" in headers:
        raise SheetError(_("Column %d has no name.") % (headers.index("") + 1))
    doubled = sorted({name for name in headers if headers.count(name) > 1})
    if doubled:
        raise SheetError(_("These columns are there twice: %s.") % listed(doubled))
    width = len(headers)
    data = tablib.Dataset(headers=headers)
    for row in filled[1:]:
        cells = [_plain(value) for value in row[:width]]
        data.append(cells + [""] * (width - len(cells)))
    return data


class _SafeExport:
    def export_data(self, dataset: tablib.Dataset, **kwargs: Any) -> Any:
        """Write the dataset with every live cell quoted."""
        safe = tablib.Dataset(headers=dataset.headers)
        for row in dataset:
            safe.append([_quoted(value) for value in row])
        return super().export_data(safe, **kwargs)  # type: ignore[misc]


class AnyCSV(_SafeExport, base_formats.CSV):
    """Read CSV in UTF-8, UTF-16 or GB18030, with comma, semicolon or tab."""

    def is_binary(self) -> bool:
        """Keep the bytes: the encoding is found when they are read."""
        return True

    def create_dataset(self, in_stream: bytes | None, **kwargs: Any) -> tablib.Dataset:
        """Return the rows, or raise SheetError in words."""
        text = self._decoded(in_stream)
        first = text.splitlines()[0] if text.strip() else ""
        delimiter = max(",;\t", key=first.count)
        try:
            return _dataset(list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)))
        except csv.Error as error:
            raise SheetError(_("The file is no readable CSV: %s.") % error) from error

    def _decoded(self, raw: bytes | None) -> str:
        if raw is None:
            raise SheetError(_("The uploaded file is no longer kept. Upload it again."))
        is_utf16 = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        encodings = ["utf-16"] if is_utf16 else ["utf-8-sig", "gb18030"]
        for encoding in encodings:
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                continue
            if "\x00" not in text:
                return text
        raise SheetError(_("The file is not text in UTF-8, UTF-16 or GB18030."))


class SafeXLSX(_SafeExport, base_formats.XLSX):
    """Read the first sheet of an XLSX file that does not unpack beyond reason."""

    def create_dataset(self, in_stream: bytes | None) -> tablib.Dataset:
        """Return the rows, or raise SheetError in words."""
        import openpyxl

        if in_stream is None:
            raise SheetError(_("The uploaded file is no longer kept. Upload it again."))
        try:
            with zipfile.ZipFile(io.BytesIO(in_stream)) as packed:
                unpacked = sum(part.file_size for part in packed.infolist())
            if unpacked > _MOST_UNPACKED:
                raise SheetError(_("The file is too large once unpacked."))
            # Values only: what a formula last gave, never the formula.
            book = openpyxl.load_workbook(io.BytesIO(in_stream), read_only=True, data_only=True)
            rows = book.active.iter_rows(values_only=True, max_row=MOST_ROWS + 2)
            return _dataset([list(row) for row in rows])
        except SheetError:
            raise
        except Exception as error:
            # openpyxl raises whatever the broken part made it raise.
            raise SheetError(_("The file is no readable XLSX workbook.")) from error


class SheetForm(ImportForm):
    """Take a spreadsheet of a size that a page can preview; its name tells its format."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].required = False
        self.fields["format"].widget = forms.HiddenInput()
        self.fields["import_file"].help_text = _(
            "CSV (UTF-8, UTF-16 or GB18030) or XLSX, at most %(rows)d rows. A row is found by its "
            "codes: it is changed where they exist and added where they do not; nothing is "
            "deleted. You see a preview first."
        ) % {"rows": MOST_ROWS}

    def clean(self) -> dict[str, Any]:
        """Choose the format by the file's name."""
        cleaned = super().clean() or self.cleaned_data
        if file := cleaned.get("import_file"):
            cleaned["format"] = "1" if file.name.lower().endswith(".xlsx") else "0"
        return cleaned

    def clean_import_file(self) -> Any:
        """Refuse a file that is too large."""
        file = self.cleaned_data["import_file"]
        if file.size > MOST_BYTES:
            raise ValidationError(
                _("The file is larger than %d MB. Nothing was kept; split it.")
                % (MOST_BYTES // 2**20)
            )
        return file


class SpreadsheetAdmin(ImportExportMixin):
    """Import by natural keys after a preview, all rows or none; export what one may see.

    A resource is given the request, so that it stays in the person's scope.
    """

    import_form_class = SheetForm
    export_form_class = ExportForm
    formats = [AnyCSV, SafeXLSX]
    to_encoding = "utf-8-sig"
    tmp_storage_class = CacheStorage
    skip_admin_log = True

    def has_import_permission(self, request: AdminRequest) -> bool:
        """Allow those who may add and change rows."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: AdminRequest) -> bool:
        """Allow those who see the rows."""
        return self.has_view_permission(request)

    def get_import_resource_kwargs(self, request: AdminRequest, **kwargs: Any) -> dict[str, Any]:
        """Bind the resource to the person's scope."""
        return self._scope(request)

    def get_export_resource_kwargs(self, request: AdminRequest, **kwargs: Any) -> dict[str, Any]:
        """Bind the resource to the person's scope."""
        return self._scope(request)

    def _scope(self, request: AdminRequest) -> dict[str, Any]:
        return {"rows": self.get_queryset(request), "site": self.admin_site, "request": request}

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        """Keep all rows or none, should something have changed since the preview."""
        given = super().get_import_data_kwargs(**kwargs)
        return {**given, "rollback_on_validation_errors": True}

    def add_data_read_fail_error_to_form(self, form: forms.Form, e: Exception) -> None:
        """Say in words why the file cannot be read."""
        if not isinstance(e, SheetError):
            raise e
        form.add_error("import_file", f"{e} {_('Nothing was kept.')}")

    def process_import(self, request: AdminRequest, **kwargs: Any) -> HttpResponse:
        """Import after the preview; say so where the upload is gone meanwhile."""
        try:
            return super().process_import(request, **kwargs)
        except SheetError as error:
            messages.error(request, f"{error} {_('Nothing was changed.')}")
            return redirect(self._import_url())

    def process_result(self, result: Result, request: AdminRequest) -> HttpResponse:
        """Record the import as one event, or say that nothing was kept."""
        if result.has_errors() or result.has_validation_errors():
            logger.warning(
                "An import of %s failed after its preview: %s",
                self.opts.model_name,
                [error.error for error in result.base_errors],
            )
            messages.error(
                request,
                _(
                    "The data changed since the preview and some rows no longer fit. Nothing was "
                    "changed; upload the file again to see which."
                ),
            )
            return redirect(self._import_url())
        return super().process_result(result, request)

    def generate_log_entries(self, result: Result, request: AdminRequest) -> None:
        """Record one event with the counts."""
        kinds = (
            RowResult.IMPORT_TYPE_NEW,
            RowResult.IMPORT_TYPE_UPDATE,
            RowResult.IMPORT_TYPE_SKIP,
        )
        viewer = request.visible.viewer
        audit.record(
            acting_user=request.user,
            action=f"{self.opts.model_name}.import",
            target_name=str(request.POST.get("original_file_name", "")),
            brands=() if viewer.is_hq else viewer.own_brands,
            changes={kind: [None, result.totals[kind]] for kind in kinds},
        )

    def _import_url(self) -> str:
        app, model = self.get_model_info()
        return reverse(f"{self.admin_site.name}:{app}_{model}_import")
