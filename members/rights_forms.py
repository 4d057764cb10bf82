"""Forms of what people ask of their data."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _

from brands.notice_forms import moment_widget
from members.models import Profile, RightsRule
from members.models.rights import LATEST_DAYS, Request

_NOT_YET = ("", _("Not yet: keep the request until it is"))
CORRECTIONS: tuple[tuple[str, Any], ...] = (
    ("name", _("Name")),
    ("phone", _("Phone")),
    ("email", _("E-mail")),
    ("card_no", _("Card number")),
    ("unionid", _("WeChat unionid")),
    ("birthday", _("Birthday")),
)


class RequestForm(forms.Form):
    """Ask what a person wants, how they asked and how one knows that it is they."""

    what = forms.ChoiceField(
        label=_("The person asks for"), choices=Request.What.choices, widget=forms.RadioSelect
    )
    through = forms.ChoiceField(
        label=_("How they asked"),
        choices=[one for one in Request.Through.choices if one[0] != Request.Through.PASSED_ON],
    )
    received_at = forms.DateTimeField(
        label=_("When they asked"),
        required=False,
        widget=moment_widget(),
        help_text=_("Empty: now. The days to answer count from then."),
    )
    checked = forms.ChoiceField(
        label=_("How you know that it is they"),
        required=False,
        choices=[_NOT_YET, *Request.Checked.choices],
    )
    is_for_group = forms.BooleanField(
        label=_("They ask the whole group: hand it to HQ as well"),
        required=False,
        help_text=_("You are not told whether other brands know the person."),
    )
    # What is right, for a correction; empty fields stay as they are.
    name = forms.CharField(label=_("Name"), max_length=80, required=False)
    phone = forms.CharField(label=_("Phone"), max_length=40, required=False)
    email = forms.CharField(label=_("E-mail"), max_length=254, required=False)
    card_no = forms.CharField(label=_("Card number"), max_length=64, required=False)
    unionid = forms.CharField(label=_("WeChat unionid"), max_length=64, required=False)
    birthday = forms.DateField(
        label=_("Birthday"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    gender = forms.ChoiceField(
        label=_("Gender"),
        required=False,
        choices=[("", _("as it is")), *Profile.Gender.choices[:2]],
    )
    is_sure = forms.BooleanField(
        label=_("An erasure cannot be taken back"),
        required=False,
        help_text=_("Tick it for an erasure."),
    )
    request_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, is_own: bool, is_restricted: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        if not is_own:
            del fields["is_for_group"]
        left = Request.What.LIFTING if not is_restricted else Request.What.RESTRICTION
        fields["what"].choices = [one for one in Request.What.choices if one[0] != left]
        fields["request_key"].initial = uuid.uuid4

    @property
    def corrections(self) -> list[Any]:
        """Return the fields of a correction."""
        return [self[name] for name in (*(name for name, _label in CORRECTIONS), "gender")]

    @property
    def right(self) -> dict[str, str]:
        """Return field → right value, of those that were filled in."""
        data = self.cleaned_data
        names = (*(name for name, _label in CORRECTIONS), "gender")
        return {name: str(data[name]).strip() for name in names if data.get(name)}

    def clean(self) -> dict[str, Any]:
        """Refuse an erasure that nobody confirmed."""
        data = super().clean() or {}
        if data.get("what") == Request.What.ERASURE and not data.get("is_sure"):
            self.add_error("is_sure", _("Tick this to erase. Nothing was recorded."))
        return data


class StepForm(forms.Form):
    """Say how one knows that it is the person, or why the request is refused."""

    checked = forms.ChoiceField(
        label=_("How you know that it is they"), required=False, choices=Request.Checked.choices
    )
    reason = forms.CharField(
        label=_("Why it is refused"),
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("The person is told this. Write no name and no number."),
    )


class RuleForm(forms.ModelForm):
    """Ask what the group promises, and for how long orders of erased members are kept."""

    class Meta:
        model = RightsRule
        fields = ("deadline_days", "orders_months")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        days: Any = self.fields["deadline_days"]
        days.validators += [MinValueValidator(1), MaxValueValidator(LATEST_DAYS)]
        days.widget.attrs.update(min=1, max=LATEST_DAYS)
