"""The threat model names tests that there are, for every attacker."""

from __future__ import annotations

import ast
import re

import pytest
from django.conf import settings

TEXT = (settings.BASE_DIR / "docs/threat-model.md").read_text()
NAMED = re.compile(r"`([\w/]+/tests/\w+\.py)(?:::(\w+))?`")
ATTACKERS = (
    "Curious brand manager",
    "HQ beyond the mode",
    "Person of another group",
    "Leaving provider",
    "Stolen laptop",
    "Careless developer",
    "Malicious upload",
    "SQL injection in the web",
    "Operator who writes the tables",
)


def test_every_test_that_the_threat_model_names_is_there():
    missing = []
    for path, test in NAMED.findall(TEXT):
        file = settings.BASE_DIR / path
        tree = ast.parse(file.read_text()) if file.is_file() else ast.parse("")
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        if not file.is_file() or (test and test not in names):
            missing.append(f"{path}::{test}")
    assert missing == []
    assert len(NAMED.findall(TEXT)) >= 50


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_every_attacker_has_what_stops_them_and_a_test_that_shows_it(attacker):
    part = TEXT.partition(f"\n## {attacker}\n")[2].partition("\n## ")[0]
    assert NAMED.search(part)
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] not in {"way", "slip"} and set(cells[0]) != {"-"}:
            assert len(cells) == 3, line
            assert NAMED.search(cells[2]), f"nothing shows this: {line}"


def test_no_attacker_is_missing_here():
    heads = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    others = {"Who is trusted with what", "Known and open", "Not defended here"}
    assert set(heads) == set(ATTACKERS) | others
