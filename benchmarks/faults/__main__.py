"""Kill at seeded points and check what is left: python -m benchmarks.faults NAME [--points N]."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence

from benchmarks.faults.site import site
from config.embedded import EmbeddedError

NAMES = ("import", "resolution")
CHECKED = (
    "nothing lost, nothing doubled: profiles, contacts as opened, masks, identities, answers, "
    "orders, lines and rejected rows equal an undisturbed run's by natural keys",
    "persons: the same partition of members",
    "notices on rows: the same",
    "totals, days and pools: the same, and equal to the facts (members.figures)",
    "no half state: no figure waits, no upload is left, every job is done with the same counts",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the points and print what came of them; return 0 if all survived."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first point")
    parser.add_argument("--json", action="store_true", help="print one JSON object, no lines")
    options = parser.parse_args(arguments)
    try:
        with site() as running:
            # Models are there once the services run.
            from benchmarks.faults.imports import PARTS, Imports

            work = Imports(running, part=PARTS[options.name], seed=options.seed)
            work.learn()
            say = (lambda text: None) if options.json else (lambda text: print(text, flush=True))
            say(f"undisturbed: {work.seconds:.1f} s, {work.statements} statements")
            start = time.monotonic()
            points = []
            for number in range(options.first, options.first + options.points):
                point = work.try_point(number)
                points.append(point)
                verdict = "; ".join(point.problems) or "survived"
                went_on = f" [{', '.join(point.went_on)}]" if point.went_on else ""
                say(f"{number:4} {point.victim:10} {point.place:24} {verdict}{went_on}")
                say(f"     {point.found}")
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    survived = sum(not point.problems for point in points)
    found = {
        "name": options.name,
        "seed": options.seed,
        "points": len(points),
        "survived": survived,
        "by_victim": Counter(point.victim for point in points),
        "went_on": {
            "by itself": sum(not point.went_on for point in points),
            **Counter(how for point in points for how in set(point.went_on)),
        },
        "seconds": round(time.monotonic() - start),
        "checked": CHECKED,
        "problems": {point.number: point.problems for point in points if point.problems},
    }
    if options.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print(
            f"\n{options.name}: {survived} of {len(points)} points survived "
            f"({found['seconds']} s, seed {options.seed})"
        )
        for title in ("by_victim", "went_on"):
            print(f"  {title}: " + ", ".join(f"{k} {v}" for k, v in found[title].items()))
        for line in CHECKED:
            print(f"  checked: {line}")
    return 0 if survived == len(points) else 1


if __name__ == "__main__":
    sys.exit(main())
