"""Say in the reader's language what the audit keeps as codes: acts, kinds of rows, changes."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from django.apps import apps
from django.db.models.options import Options
from django.utils import formats, timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from tenants.wording import listed

# The last word of an action's code. The code itself is what one searches by.
ACTS = {
    "add": _("add"),
    "approve": _("approve"),
    "assess": _("assess"),
    "call_off": _("call off"),
    "cancel": _("cancel"),
    "certify": _("certify"),
    "change": _("change"),
    "check": _("check"),
    "choose": _("choose"),
    "correct": _("correct"),
    "create": _("create"),
    "delete": _("delete"),
    "download": _("download"),
    "end": _("end"),
    "exchange": _("exchange"),
    "export": _("export"),
    "finish": _("finish"),
    "give": _("give"),
    "import": _("import"),
    "invite": _("invite"),
    "issue": _("issue"),
    "join": _("join"),
    "leave": _("leave"),
    "look": _("look as"),
    "look_end": _("stop looking as"),
    "overtake": _("overtake"),
    "pause": _("pause"),
    "part": _("part"),
    "preview": _("ask for a preview"),
    "provision": _("set up"),
    "publish": _("publish"),
    "refuse": _("refuse"),
    "reject": _("reject"),
    "remove": _("remove"),
    "reopen": _("take back into work"),
    "request": _("request"),
    "resume": _("resume"),
    "retire": _("delete the former key"),
    "retry": _("try again"),
    "reveal": _("reveal"),
    "revoke": _("revoke"),
    "roll_back": _("roll back"),
    "rotate": _("change the key"),
    "run": _("run"),
    "start": _("start"),
    "stay": _("stay"),
    "submit": _("submit"),
    "suspend": _("suspend"),
    "undo": _("take back"),
    "use": _("use"),
    "verify": _("verify"),
    "withdraw": _("withdraw"),
    "wrap": _("wrap the keys anew"),
}

# What changes name besides the fields of their row.
NAMES = (
    gettext_noop("brand"),
    gettext_noop("checked"),
    gettext_noop("columns"),
    gettext_noop("days"),
    gettext_noop("digest"),
    gettext_noop("fields"),
    gettext_noop("file"),
    gettext_noop("filters"),
    gettext_noop("from"),
    gettext_noop("keys deleted"),
    gettext_noop("keys"),
    gettext_noop("note"),
    gettext_noop("part"),
    gettext_noop("place"),
    gettext_noop("reason"),
    gettext_noop("rows"),
    gettext_noop("until"),
    gettext_noop("what"),
    gettext_noop("without contact"),
)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def act(action: str) -> str:
    """Return what was done; the code where it has no word."""
    return str(ACTS.get(action.rpartition(".")[2], action))


def _options(label: str) -> Options | None:
    try:
        return apps.get_model(label)._meta
    except (LookupError, ValueError):
        return None


def kind(label: str) -> str:
    """Return the name of a model; its label where it is gone."""
    options = _options(label)
    return str(options.verbose_name) if options else label


def changes(label: str, changed: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return field, before and after of a change to a row of the model LABEL."""
    options = _options(label)
    fields = {field.name: field for field in options.fields} if options else {}
    # As the row has its fields; the database keeps them in an order of its own.
    places = {name: place for place, name in enumerate(fields)}
    rows = []
    for name in sorted(changed, key=lambda name: places.get(name, len(places))):
        before, after = changed[name]
        field = fields.get(name)
        # A field without a name of its own has its English one.
        title = gettext(str(field.verbose_name) if field else name.replace("_", " "))
        words: dict[Any, Any] = {True: gettext("yes"), False: gettext("no")}
        words.update(field.flatchoices if field else ())
        rows.append((title, _worded(before, words), _worded(after, words)))
    return rows


def _worded(value: Any, words: dict[Any, Any]) -> Any:
    # Numbers stay: 1 == True for a dictionary.
    if not isinstance(value, str | bool):
        return listed(value) if isinstance(value, list) else value
    if value in words:
        return words[value]
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        local = timezone.localtime(dt.datetime.fromisoformat(value))
        return f"{formats.date_format(local, 'DATE_FORMAT')} {local:%H:%M}"
    if isinstance(value, str) and _DAY.fullmatch(value):
        return formats.date_format(dt.date.fromisoformat(value), "DATE_FORMAT")
    return value
