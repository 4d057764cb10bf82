from members.management.commands import import_members
from members.models import ImportJob


class Command(import_members.Command):
    """Import order lines of one brand from a CSV file."""

    help = "Import order lines of one brand from a CSV file (UTF-8, UTF-16 or GB18030)."
    kind = ImportJob.Kind.ORDERS
