"""Forms of notices: a draft in all languages side by side, and the end of a notice."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from brands.models import Brand
from brands.services.notices import Content
from brands.wall.visibility import Kind

_MOMENT = "%Y-%m-%dT%H:%M"
LONGEST_MONTHS = 1200


def moment_widget() -> forms.DateTimeInput:
    """Return what asks for a day and a time."""
    return forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT)


class DraftForm(forms.Form):
    """Ask for what a notice says; nothing is required, since a draft may be incomplete."""

    version = forms.CharField(
        label=_("Version"),
        max_length=20,
        required=False,
        help_text=_("Stands beside every answer, on paper and in files."),
    )
    purposes = forms.CharField(
        label=_("Purposes"),
        max_length=400,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("What the data is used for. Another purpose needs another notice."),
    )
    names_group = forms.BooleanField(label=_("The group (its HQ)"), required=False)
    brands = forms.ModelMultipleChoiceField(
        label=_("Brands"),
        queryset=Brand.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    kinds = forms.MultipleChoiceField(
        label=_("Kinds of data"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[
            (Kind.PROFILE, _("Profiles: brand, store, tier, dates and totals")),
            (Kind.CONTACT, _("Contact data: name, phone, e-mail (other brands see it masked)")),
            (Kind.ACTIVITY, _("Activity: orders and what was bought")),
        ],
    )
    covers_automation = forms.BooleanField(
        label=_("It tells of automated decisions (strata, offers by rule)"), required=False
    )
    retention_months = forms.IntegerField(
        label=_("Data is kept for"),
        min_value=1,
        max_value=LONGEST_MONTHS,
        required=False,
        help_text=_("Months."),
    )
    consent_months = forms.IntegerField(
        label=_("A yes holds for"),
        min_value=1,
        max_value=LONGEST_MONTHS,
        required=False,
        help_text=_("Months. Empty: until it is withdrawn."),
    )
    effective_from = forms.DateTimeField(
        label=_("In force from"),
        required=False,
        widget=moment_widget(),
        help_text=_("Empty: as soon as it is published."),
    )
    ends_at = forms.DateTimeField(
        label=_("Ends"), required=False, widget=moment_widget(), help_text=_("Empty: no end.")
    )

    def __init__(self, *args: Any, content: Content, **kwargs: Any) -> None:
        kwargs["initial"] = {
            **{name: getattr(content, name) for name in content.__dataclass_fields__},
            "kinds": [kind for kind in _COVERS if getattr(content, _COVERS[kind])],
            **{
                f"{part}_{code}": text
                for code, texts in content.texts.items()
                for part, text in zip(("title", "text"), texts, strict=True)
            },
        }
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        # One that has left stays in the list while the draft names it, so that it can be unticked.
        fields["brands"].queryset = Brand.objects.filter(
            pk__in=set(content.brands)
            | set(Brand.objects.filter(left_at=None).values_list("pk", flat=True))
        ).order_by("code")
        for code, _name in settings.LANGUAGES:
            fields[f"title_{code}"] = forms.CharField(
                label=_("Title"), max_length=200, required=False
            )
            fields[f"text_{code}"] = forms.CharField(
                label=_("Text"),
                max_length=40_000,
                required=False,
                strip=False,
                widget=forms.Textarea(attrs={"rows": 12}),
            )

    @property
    def languages(self) -> list[tuple[str, str, forms.BoundField, forms.BoundField]]:
        """Return code, name, title and text of each language."""
        return [
            (code, str(name), self[f"title_{code}"], self[f"text_{code}"])
            for code, name in settings.LANGUAGES
        ]

    @property
    def content(self) -> Content:
        """Return what was typed."""
        data = self.cleaned_data
        kinds = set(data["kinds"])
        return Content(
            version=data["version"].strip(),
            purposes=data["purposes"].strip(),
            names_group=data["names_group"],
            brands=tuple(brand.pk for brand in data["brands"]),
            **{name: kind in kinds for kind, name in _COVERS.items()},
            covers_automation=data["covers_automation"],
            retention_months=data["retention_months"],
            consent_months=data["consent_months"],
            effective_from=data["effective_from"],
            ends_at=data["ends_at"],
            texts={
                code: (data[f"title_{code}"].strip(), data[f"text_{code}"].replace("\r\n", "\n"))
                for code, _name in settings.LANGUAGES
                if data[f"title_{code}"].strip() or data[f"text_{code}"].strip()
            },
        )


_COVERS = {
    Kind.PROFILE: "covers_profile",
    Kind.CONTACT: "covers_contact",
    Kind.ACTIVITY: "covers_activity",
}


class EndForm(forms.Form):
    """Ask from when a notice ends, and why."""

    at = forms.DateTimeField(
        label=_("Ends"), required=False, widget=moment_widget(), help_text=_("Empty: at once.")
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Stands in the audit beside your name."),
    )
