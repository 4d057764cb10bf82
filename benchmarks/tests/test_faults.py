"""Three points of a fault run; `python -m benchmarks.faults import --points 200` tries many."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings

from benchmarks.faults.state import differing


def test_a_lost_and_a_doubled_row_are_told():
    wanted = {"profiles": ["a", "b"], "orders": ["1"]}
    assert differing({"profiles": ["b", "a"][::-1], "orders": ["1"]}, wanted) == []
    told = differing({"profiles": ["a", "a"], "orders": []}, wanted)
    assert [words.partition(";")[0] for words in told] == [
        "profiles: 1 lost, 1 too many",
        "orders: 1 lost, 0 too many",
    ]


@pytest.mark.long
@pytest.mark.exhaustive
def test_imports_survive_the_death_of_a_worker_of_a_backend_and_of_the_server(tmp_path):
    """In services of their own, so that no other test loses its database."""
    kept = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", "import", "--points", "3", "--json"],
        cwd=settings.BASE_DIR,
        env={
            **{name: os.environ[name] for name in kept if name in os.environ},
            # Beside the tests' own services, where the database's account may walk.
            "SLUICE_VAR": os.environ["SLUICE_VAR"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["points"], found["survived"]) == (3, 3)
    assert set(found["by_victim"]) == {"child", "backend", "postmaster"}
