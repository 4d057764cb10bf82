"""Forms of imports."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminFileFieldWidget

from brands.models import Brand
from brands.wall.visibility import Visible
from members.imports.mapping import FIELDS
from members.models import ImportJob


class UploadForm(forms.Form):
    """Ask for a file, what it holds and whose it is."""

    brand = forms.ModelChoiceField(
        label=gettext_lazy("Brand"), queryset=Brand.objects.none(), empty_label=None
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("The file holds"),
        choices=ImportJob.Kind.choices,
        initial=ImportJob.Kind.MEMBERS,
        widget=forms.RadioSelect,
    )
    file = forms.FileField(
        label=gettext_lazy("File"),
        # Unfold's script looks for the parts of its own widget beside every file field.
        widget=UnfoldAdminFileFieldWidget,
        help_text=gettext_lazy(
            "CSV with headings in its first line, in UTF-8, UTF-16 or GB18030; commas, semicolons "
            "or tabs. From Excel: Save as, CSV UTF-8."
        ),
        error_messages={"empty": gettext_lazy("The file is empty. Nothing was imported.")},
    )

    def __init__(self, *args: Any, visible: Visible, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        brands = Brand.objects.filter(pk__in=visible.write_brands, is_active=True)
        fields: dict[str, Any] = self.fields
        fields["brand"].queryset = brands.order_by("code")

    def clean_file(self) -> Any:
        """Refuse a file that is larger than imports accept."""
        upload = self.cleaned_data["file"]
        if upload.size > settings.IMPORT_MAX_BYTES:
            raise forms.ValidationError(
                _("The file is larger than %(size)d MB. Nothing was imported. Split it.")
                % {"size": settings.IMPORT_MAX_BYTES // 2**20}
            )
        return upload


class ColumnsForm(forms.Form):
    """Ask for each column of a file which field it is."""

    def __init__(
        self, *args: Any, kind: str, headings: list[str], mapping: dict[str, str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        self.headings = headings
        choices = [
            ("", _("– leave out –")),
            *(
                (field.name, f"{field.label} *" if field.is_required else field.label)
                for field in FIELDS[kind]
            ),
        ]
        chosen = {heading: name for name, heading in mapping.items()}
        for number, heading in enumerate(headings):
            # Of two columns with one heading neither is chosen: which one counts is unknown.
            initial = chosen.get(heading, "") if headings.count(heading) == 1 else ""
            self.fields[f"column-{number}"] = forms.ChoiceField(
                label=heading or _("Column %(number)d") % {"number": number + 1},
                choices=choices,
                initial=initial,
                required=False,
                widget=forms.Select(attrs={"class": "s-select"}),
            )

    def clean(self) -> dict[str, Any]:
        """Refuse a field that is chosen for two columns."""
        cleaned = super().clean() or {}
        labels = {field.name: field.label for field in FIELDS[self.kind]}
        chosen = [name for name in cleaned.values() if name]
        for name in sorted({name for name in chosen if chosen.count(name) > 1}):
            self.add_error(
                None,
                _("“%(field)s” is chosen for more than one column. Choose it once.")
                % {"field": labels[name]},
            )
        return cleaned

    def mapping(self) -> dict[str, str]:
        """Return field → heading as chosen."""
        return {
            self.cleaned_data[f"column-{number}"]: heading
            for number, heading in enumerate(self.headings)
            if self.cleaned_data[f"column-{number}"]
        }
