"""Run the machine in several processes and sum their counts: `python -m config.tests.fuzz`.

Each process has a seed, a database and a log of its own. What fails is shown with its seed and the
command that repeats it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from config.tests.fuzz.tally import Tally

# Begins the lines of a process that its caller shows.
SAYS = "fuzz: "


@dataclass
class Process:
    """One process of the run: its first seed, the one it is at, and all that it said."""

    name: str
    first_seed: int
    reads: int
    folder: Path
    seed: int = 0
    lines: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    @property
    def kept(self) -> Path:
        """Return where it writes its counts."""
        return self.folder / f"{self.name}.json"

    def start(self) -> threading.Thread:
        """Start it, and a thread that listens to it."""
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "pytest", "-s", "-q", "-x", "--show-capture=no"]
            + ["-p", "no:cacheprovider", "config/tests/test_fuzz.py"],
            env={
                **os.environ,
                "SLUICE_FUZZ_READS": str(self.reads),
                "SLUICE_FUZZ_SEED": str(self.first_seed),
                "SLUICE_FUZZ_KEEP": str(self.kept),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        thread = threading.Thread(target=self._listen)
        thread.start()
        return thread

    def _listen(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            # pytest's dots may stand before it.
            if SAYS in line:
                said = line.split(SAYS, 1)[1].strip()
                if said.startswith("seed "):
                    self.seed = int(said.split()[1].rstrip(":"))
                print(f"[{self.name}] {said}", flush=True)
        self.process.wait()

    @property
    def has_failed(self) -> bool:
        """Tell whether it ended in any other way than well."""
        return self.process is None or self.process.returncode != 0


def main() -> int:
    """Run, sum and print; 1 where a read was not what the oracles say."""
    parser = argparse.ArgumentParser(prog="python -m config.tests.fuzz", description=__doc__)
    parser.add_argument("--reads", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    asked = parser.parse_args()
    # A run that is to be repeated is one seed in one process.
    many = asked.processes if asked.reads > 1_000 else 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            Process(str(one + 1), asked.seed + one, -(-asked.reads // many), Path(folder))
            for one in range(many)
        ]
        for thread in [process.start() for process in processes]:
            thread.join()
        failed = [process for process in processes if process.has_failed]
        for process in failed:
            print("".join(process.lines[-120:]))
            print(f"[{process.name}] failed at seed {process.seed}. To repeat it:")
            print(f"    make fuzz SEED={process.seed} READS=1")
        tally = Tally.summed(process.kept for process in processes if process.kept.exists())
    print("\n".join(tally.lines()))
    print(f"{time.monotonic() - began:.0f} s in {many} processes, first seed {asked.seed}")
    if failed:
        return 1
    one_sided = tally.one_sided() if asked.reads > 1_000 else []
    if one_sided:
        print("Of these only denials were seen, or none:", *one_sided, sep="\n    ")
    return bool(one_sided)


if __name__ == "__main__":
    sys.exit(main())
