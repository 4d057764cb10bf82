"""Forms of answers: what a person said, to which notice, when and how one knows."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brands.models import ChannelAccount, Notice
from brands.modes import Mode
from brands.notice_forms import moment_widget
from brands.selectors import notices_in_force
from brands.wall.visibility import Kind
from members.consents.ledger import fourteenth_birthday
from members.models import Entry

What = Entry.What


class AnswerForm(forms.Form):
    """Ask what a member said; the time is now unless another is given."""

    what = forms.ChoiceField(
        label=_("The person"), choices=What.choices, widget=forms.RadioSelect, initial=What.YES
    )
    notice = forms.ModelChoiceField(
        label=_("Notice"),
        queryset=Notice.objects.none(),
        required=False,
        empty_label=_("none in particular (only for a no)"),
        error_messages={
            "invalid_choice": _(
                "This notice is not in force (any more). Nothing was recorded. Choose another."
            )
        },
    )
    at = forms.DateTimeField(
        label=_("When"), required=False, widget=moment_widget(), help_text=_("Empty: now.")
    )
    channel = forms.CharField(
        label=_("Through"),
        max_length=40,
        widget=forms.TextInput(attrs={"list": "channels"}),
        help_text=_("Where the person was asked: an account, the store, the telephone."),
    )
    evidence = forms.CharField(
        label=_("Evidence"),
        max_length=200,
        required=False,
        help_text=_("Where one finds it again: a form's number, a chat, a recording."),
    )
    is_by_guardian = forms.BooleanField(label=_("A parent or guardian answered"), required=False)
    birthday = forms.DateField(
        label=_("Birthday, if the person is under 14"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Kept with the contact data. Before the 14th birthday a guardian answers."),
    )
    # Sent twice, the form is one answer.
    request_key = forms.UUIDField(
        widget=forms.HiddenInput,
        error_messages={
            code: _("This form was changed on its way. Nothing was recorded. Load the page again.")
            for code in ("required", "invalid")
        },
    )

    def __init__(
        self, *args: Any, brand_id: int, is_for_group: bool = False, **kwargs: Any
    ) -> None:
        kwargs.setdefault("initial", {}).setdefault("request_key", uuid.uuid4())
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        if is_for_group:
            # HQ's word is not kept with a brand's contact data.
            fields["birthday"].help_text = ""
        fields["notice"].queryset = notices_in_force().order_by("-effective_from", "-pk")
        accounts = ChannelAccount.objects.filter(brand_id__in=[brand_id], is_active=True)
        self.channels = [*accounts.values_list("name", flat=True), _("Store"), _("Telephone")]

    def clean(self) -> dict[str, Any]:
        """Refuse a yes to nothing, and days to come."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("what") == What.YES and not cleaned.get("notice") and not self.errors:
            self.add_error("notice", _("A yes answers a notice. Choose the one the person read."))
        birthday = cleaned.get("birthday")
        if birthday and birthday > timezone.localdate():
            self.add_error("birthday", _("This day is yet to come. Nothing was recorded."))
        elif birthday:
            cleaned["minor_until"] = fourteenth_birthday(birthday)
        return cleaned


class GapForm(forms.Form):
    """Read which mode is asked about, for which brand, with which kinds of data."""

    mode = forms.ChoiceField(choices=Mode.choices)
    brand = forms.SlugField(required=False)
    kind = forms.MultipleChoiceField(
        required=False,
        choices=[(kind, kind) for kind in (Kind.PROFILE, Kind.CONTACT, Kind.ACTIVITY)],
    )
