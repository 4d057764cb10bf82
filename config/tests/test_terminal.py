"""What a terminal shows: skipped tests by name, and how far a job is."""

import io
import os
import subprocess
import sys

import pytest

from config.embedded.folder import BASE_DIR
from config.progress import ProgressBars


@pytest.mark.long
def test_in_ci_a_skipped_test_fails_the_run_and_is_named(tmp_path):
    file = tmp_path / "test_skips.py"
    file.write_text(
        "import pytest\n\ndef test_fine(): pass\n\n"
        "@pytest.mark.skip(reason='no program')\ndef test_left_out(): pass\n"
    )
    line = [sys.executable, "-m", "pytest", "-p", "config.pytest_services", "-c", os.devnull]
    line += ["-p", "no:django", "-p", "no:cacheprovider", str(file)]

    def outcome(**extra: str) -> tuple[int, str]:
        env = {**os.environ, "PYTHONPATH": str(BASE_DIR), **extra}
        env |= dict.fromkeys(("DATABASE_URL", "OWNER_DATABASE_URL"), "postgresql://unused")
        done = subprocess.run(
            line, env=env, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    code, output = outcome(SLUICE_NO_SKIPS="1")
    assert code == 1
    assert "test_left_out" in output
    code, output = outcome(SLUICE_NO_SKIPS="")
    assert code == 0
    # Elsewhere too what was not shown is said aloud.
    assert "SKIPPED" in output
    assert "no program" in output


def test_without_a_terminal_progress_is_one_line_a_step():
    stream = io.StringIO()
    progress = ProgressBars(stream)
    for done in range(0, 101, 10):
        progress("Orders", done, 100)
    with progress.step("Tables"):
        pass
    first, second = stream.getvalue().splitlines()
    assert first.startswith("✓ Orders  ")
    assert second.startswith("✓ Tables  ")
    assert "\x1b" not in stream.getvalue()


def test_on_a_terminal_progress_draws_a_bar():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = ProgressBars(stream)
    progress("Orders", 50, 100)
    assert "50%  50 of 100" in stream.getvalue()
    progress.close()
    assert stream.getvalue().endswith("s\n")
