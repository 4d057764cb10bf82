"""What the packages' pages say without a translation of their own, for our catalogues to hold.

Unfold brings no Chinese. Of Django's words a few read stiffly in Chinese; ours win over them.
"""

from django.utils.translation import gettext_noop as _
from django.utils.translation import ngettext_lazy

UNFOLD = (
    _(" By %(filter_title)s "),
    _("Add new item"),
    _("Add row"),
    _("After you've created a user, you’ll be able to edit more user options."),
    _("All applications"),
    _("Apply Filters"),
    _("Choose file to upload"),
    _("Click to cancel"),
    _("Click to download"),
    _("Collapse"),
    _("Dark"),
    _("Date"),
    _("Date from"),
    _("Date to"),
    _("Default"),
    _("Expand row"),
    _("False"),
    _("General"),
    _("Filters"),
    _("Go back"),
    _("Image preview"),
    _("Light"),
    _("Loading more results..."),
    _("More actions"),
    _("No data"),
    _("No recent searches"),
    _("No results found"),
    _("No results matching your query"),
    _("Object"),
    _("Recent searches"),
    _("Record picture"),
    _("Reset filters"),
    _("Return to site"),
    _("Run"),
    _("Search apps and models..."),
    _("Select action"),
    _("Select action to run"),
    _("Select all rows"),
    _("Select format"),
    _("Select record"),
    _("Select value"),
    _("System"),
    _("This exporter will export the following fields"),
    _("This item will be deleted."),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("Toggle password visibility"),
    _("True"),
    _("Type to search"),
    _("Value"),
    _("View traceback"),
    _("Welcome back to"),
    _("You have been successfully logged out from the administration"),
)
UNFOLD_PLURALS = (
    ngettext_lazy(
        "\n                Found %(counter)s result in %(time)s seconds\n            ",
        "\n                Found %(counter)s results in %(time)s seconds\n            ",
    ),
    ngettext_lazy(
        "\n                    Export %(len)s selected item.\n                ",
        "\n                    Export %(len)s selected items.\n                ",
    ),
)
IMPORT_EXPORT = (
    _(
        "%(exc_name)s encountered while trying to read file. Ensure you have chosen the correct "
        "format for the file."
    ),
    _("No valid data to import. Ensure your file has the correct headers or data for import."),
    _(
        "Please correct these errors in your data where possible, then reupload it using the form "
        "above."
    ),
    _("Resource"),
    _("Select all"),
    _("Some rows failed to validate"),
    _("Value could not be parsed."),
)
ALLAUTH = (_("Two-Factor Authentication"),)
DJANGO = (
    _("%(model)s instance with %(field)s %(value)r is not a valid choice."),
    _("Add %(name)s"),
    _("Add %s"),
    _("Change %s"),
    _("Error:"),
    _("Filter"),
    _("Save and add another"),
    _("Select %s"),
    _("Select %s to change"),
    _("Select %s to view"),
    _("URL"),
    _("View %s"),
)
DJANGO_PLURALS = (
    ngettext_lazy(
        "This password is too short. It must contain at least %d character.",
        "This password is too short. It must contain at least %d characters.",
    ),
)
