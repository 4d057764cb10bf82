from members.management.commands import import_members
from members.models import ImportJob


class Command(import_members.Command):
    """Import answers to notices that one brand collected from a CSV file."""

    help = "Import answers to notices from a CSV file (UTF-8, UTF-16 or GB18030)."
    kind = ImportJob.Kind.CONSENTS
