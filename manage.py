#!/usr/bin/env python
"""Run Django's command line for Sluice."""

import os
import sys


def main() -> None:
    """Run the command; operators' commands connect as the owner role unless told otherwise."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("SLUICE_PROCESS", "bulk")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
