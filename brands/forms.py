"""Forms of the mode."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from brands.models import Brand
from brands.modes import Mode


class ModeForm(forms.Form):
    """Ask for a mode, for the whole group or for one brand."""

    brand = forms.ModelChoiceField(
        label=_("For"),
        queryset=Brand.objects.none(),
        to_field_name="code",
        required=False,
        empty_label=_("The group: every brand without a mode of its own"),
    )
    mode = forms.ChoiceField(
        label=_("Mode"),
        required=False,
        choices=[*Mode.choices, ("", _("As the group (for a brand: take its own mode away)"))],
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=400,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Stands in the history beside your name."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["brand"].queryset = Brand.objects.order_by("code")

    def clean(self) -> dict[str, Any]:
        """Refuse a group without a mode."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and cleaned["brand"] is None and not cleaned["mode"]:
            raise forms.ValidationError(
                _("The group always has a mode. Choose one of the three, or choose a brand.")
            )
        return cleaned
