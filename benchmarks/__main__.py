"""Run one measure or all: python -m benchmarks [NAME] [--rows N] [--json]."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module

from benchmarks.database import own_services
from config.embedded import EmbeddedError

# Each is a module here with DEFAULT_ROWS, LEAST_ROWS and run(rows) → Report.
MEASURES = (
    "provision",
    "import_members",
    "reimport",
    "import_orders",
    "oneid",
    "ingest",
    "page",
    "wall",
    "switch",
    "preview",
    "overlap",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measures asked for; return 0 unless one of them could not run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=MEASURES, help="one measure; all without it")
    parser.add_argument("--rows", type=int, help="how many rows, each measure's own default else")
    parser.add_argument("--json", action="store_true", help="print one JSON object, no table")
    options = parser.parse_args(arguments)
    names = [options.name] if options.name else list(MEASURES)
    reports = []
    try:
        with own_services():
            for name in names:
                measure = import_module(f"benchmarks.{name}")
                rows = measure.DEFAULT_ROWS if options.rows is None else options.rows
                report = measure.run(max(rows, measure.LEAST_ROWS))
                reports.append(report.json())
                if not options.json:
                    print(report.text(), end="\n\n", flush=True)
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        found = reports[0] if options.name else {"measures": reports}
        print(json.dumps(found, ensure_ascii=False, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
