#!/usr/bin/env python
"""Run Django's command line for Sluice."""

import os
import sys


def main() -> None:
    """Run the command; operators' commands connect as the owner role unless told otherwise."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("SLUICE_PROCESS", "bulk")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        # The server itself answers with a code; without one there was no connection.
        if getattr(error.__cause__, "sqlstate", None):
            raise
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        sys.exit(
            f"No database answers ({why}). What was committed is kept. Start it (the demo's own: "
            "manage.py services start), or set DATABASE_URL and OWNER_DATABASE_URL; then run this "
            "again."
        )


if __name__ == "__main__":
    main()
