"""Forms of imports."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.widgets import UnfoldAdminFileFieldWidget

from brands.models import Brand
from brands.wall.visibility import Visible
from members.imports.contract import fields_open, kind_is_open
from members.imports.mapping import FIELDS
from members.imports.sources import sources_of
from members.models import ImportJob
from tenants.models import User


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
            "Excel (.xlsx), or CSV in UTF-8, UTF-16 or GB18030 with commas, semicolons or tabs; "
            "also packed as .zip or .gz."
        ),
        error_messages={"empty": gettext_lazy("The file is empty. Nothing was imported.")},
    )

    source: Any = forms.ModelChoiceField(
        label=gettext_lazy("Source"),
        queryset=None,
        required=False,
        empty_label=gettext_lazy("– none –"),
        help_text=gettext_lazy(
            "The system that the file comes from. What you choose for its columns is kept for its "
            "next file."
        ),
    )
    new_source = forms.CharField(
        label=gettext_lazy("or a new source"),
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"class": "s-input", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, visible: Visible, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        brands = Brand.objects.filter(pk__in=visible.write_brands, is_active=True)
        fields: dict[str, Any] = self.fields
        fields["brand"].queryset = brands.order_by("code")
        fields["source"].queryset = sources_of(visible.write_brands)
        fields["source"].label_from_instance = (
            str if len(visible.write_brands) == 1 else lambda one: f"{one.brand} · {one}"
        )
        fields["kind"].choices = kinds_for(user)

    def clean(self) -> dict[str, Any]:
        """Refuse a source of another brand than the file's."""
        cleaned = super().clean() or {}
        source = cleaned.get("source")
        if source and cleaned.get("brand") and source.brand_id != cleaned["brand"].pk:
            self.add_error("source", _("This source is another brand's. Nothing was imported."))
        if source and cleaned.get("new_source"):
            self.add_error("new_source", _("Choose a source or name a new one, not both."))
        return cleaned

    def clean_file(self) -> Any:
        """Refuse a file that is larger than imports accept."""
        upload = self.cleaned_data["file"]
        if upload.size > settings.IMPORT_MAX_BYTES:
            raise forms.ValidationError(
                _("The file is larger than %(size)d MB. Nothing was imported. Split it.")
                % {"size": settings.IMPORT_MAX_BYTES // 2**20}
            )
        return upload


def kinds_for(user: User) -> list[tuple[str, Any]]:
    """Return the kinds of files that a person may import, with their names."""
    return [
        (kind, label)
        for kind, label in ImportJob.Kind.choices
        if kind_is_open(kind, user)
        and all(user.has_perm(needed) for needed in _NEEDED.get(kind, ()))
    ]


# Besides the right to import: what the file writes is written by these alone.
_NEEDED: dict[str, tuple[str, ...]] = {
    ImportJob.Kind.STORES: ("brands.add_store", "brands.change_store"),
    ImportJob.Kind.STAFF: ("brands.add_guide", "brands.change_guide"),
}


class SourceForm(forms.Form):
    """Ask for a source's name, brand and rank."""

    brand = forms.ModelChoiceField(
        label=gettext_lazy("Brand"), queryset=Brand.objects.none(), empty_label=None
    )
    name = forms.CharField(
        label=pgettext_lazy("thing", "Name"),
        max_length=80,
        widget=forms.TextInput(attrs={"class": "s-input", "autocomplete": "off"}),
    )
    rank = forms.IntegerField(
        label=gettext_lazy("Rank"),
        min_value=-100,
        max_value=100,
        initial=0,
        widget=forms.NumberInput(attrs={"class": "s-input"}),
    )

    def __init__(self, *args: Any, visible: Visible, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        brands = Brand.objects.filter(pk__in=visible.write_brands, is_active=True)
        fields: dict[str, Any] = self.fields
        fields["brand"].queryset = brands.order_by("code")


class ColumnsForm(forms.Form):
    """Ask for each column of a file which field it is."""

    def __init__(
        self,
        *args: Any,
        kind: str,
        headings: list[str],
        mapping: dict[str, str],
        user: User,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        self.headings = headings
        choices = [
            ("", _("– leave out –")),
            *(
                (field.name, f"{field.label} *" if field.is_required else field.label)
                for field in fields_open(kind, user)
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
