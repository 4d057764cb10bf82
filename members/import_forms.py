"""Forms of an import's life: the rules by which its rows win, the file of mended rows."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget

from members.imports.rules import NEWEST, PRIORITY
from members.models import ImportJob

# Of the other kinds the row of the file always wins.
RULED_KINDS = frozenset({ImportJob.Kind.MEMBERS, ImportJob.Kind.CONTACTS})


class RulesForm(forms.Form):
    """Ask which value stays where a file says something else than what is stored."""

    wins = forms.ChoiceField(
        label=_("Where a file and what is stored differ"),
        choices=[
            (NEWEST, _("the newer row wins")),
            (PRIORITY, _("the source of higher rank wins")),
        ],
    )
    keeps_filled = forms.BooleanField(
        label=_("An empty cell leaves what is stored"),
        required=False,
        help_text=_("Otherwise it blanks it. Where the higher rank wins, it always leaves it."),
    )

    prefix = "rules"

    def __init__(self, *args: Any, job: ImportJob, **kwargs: Any) -> None:
        kwargs["initial"] = job.rules
        super().__init__(*args, **kwargs)


class MendForm(forms.Form):
    """Ask for the file of rejected rows, mended."""

    file = forms.FileField(
        label=_("The mended file"),
        # Unfold's script looks for the parts of its own widget beside every file field.
        widget=UnfoldAdminFileFieldWidget,
        error_messages={"empty": _("The file is empty. Nothing was imported.")},
    )
