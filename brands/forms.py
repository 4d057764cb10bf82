"""Forms of the change of mode."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.changes.assessments import LEAST_YEARS, TEXTS
from brands.models import Brand, ImpactAssessment
from brands.modes import Mode

_INPUT = "%Y-%m-%dT%H:%M"


class DraftForm(forms.Form):
    """Ask for a mode, for the whole group or for one brand, now or at a date, and why."""

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
    effective_at = forms.DateTimeField(
        label=_("Takes effect"),
        required=False,
        input_formats=[_INPUT, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_INPUT),
        help_text=_("Empty: at once, when the second HQ admin approves it."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Stands in the history beside your name."),
    )

    def __init__(self, *args: Any, is_for_fixed: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["brand"].queryset = Brand.objects.filter(left_at=None).order_by("code")
        if is_for_fixed:
            del fields["brand"]

    def clean_effective_at(self) -> Any:
        """Refuse a date that has passed."""
        at = self.cleaned_data["effective_at"]
        if at is not None and at <= timezone.now():
            raise forms.ValidationError(
                _("This instant has passed. Choose a later one, or none: then it is at once.")
            )
        return at

    def clean(self) -> dict[str, Any]:
        """Refuse a group without a mode."""
        cleaned = super().clean() or self.cleaned_data
        is_group = "brand" in self.fields and cleaned.get("brand") is None
        if not self.errors and is_group and not cleaned["mode"]:
            raise forms.ValidationError(
                _("The group always has a mode. Choose one of the three, or choose a brand.")
            )
        return cleaned


class AssessmentForm(forms.Form):
    """Take the text of an impact assessment; unfinished text is kept as it is."""

    purpose = forms.CharField(
        label=_("Purpose"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What is the data to be used for, and is that what people were told?"),
    )
    necessity = forms.CharField(
        label=_("Necessity"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Why can the purpose not be reached with less data, or fewer recipients?"),
    )
    legal_basis = forms.ChoiceField(
        label=_("Legal basis"), choices=ImpactAssessment.LegalBasis.choices
    )
    risks = forms.CharField(
        label=_("Risks to the persons"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What could happen to people by this, how likely, how grave?"),
    )
    measures = forms.CharField(
        label=_("Measures"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What is done against each risk, and is it in proportion?"),
    )
    conclusion = forms.ChoiceField(
        label=_("Conclusion"),
        choices=ImpactAssessment.Conclusion.choices,
        widget=forms.RadioSelect,
    )
    years = forms.IntegerField(
        label=_("Keep for, in years"),
        min_value=LEAST_YEARS,
        max_value=30,
        initial=LEAST_YEARS,
        help_text=_("Three at least (PIPL art. 56)."),
    )

    @classmethod
    def unfinished(cls, data: Any) -> dict[str, str]:
        """Return what was typed so far, to be kept with the draft."""
        names = (*TEXTS, "legal_basis", "conclusion", "years")
        return {name: str(data.get(name, ""))[:20_000] for name in names}


class UndoForm(forms.Form):
    """Ask why a change is taken back."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Stands in the history beside your name."),
    )
