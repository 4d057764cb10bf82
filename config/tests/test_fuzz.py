"""Whatever happens to a group in whatever order: every read is what the oracles say.

The short form runs in every suite. `make fuzz` runs the long one (`config.tests.fuzz.__main__`),
which asks for it by SLUICE_FUZZ_READS and SLUICE_FUZZ_SEED and sums what SLUICE_FUZZ_KEEP is given.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from brands.models import Brand, Generation
from brands.wall import scope
from config.tests.fuzz.__main__ import SAYS
from config.tests.fuzz.machine import Group
from config.tests.fuzz.stage import Stage
from members.tests.conftest import Importer
from tenants.api import TokenThrottle
from tenants.context import tenant_transaction
from tenants.models import Grant, User
from tenants.roles import Level, Role

READS = int(os.environ.get("SLUICE_FUZZ_READS", "0"))
# Shrinking a long run takes minutes: asked for when there is something to understand.
PHASES = tuple(Phase) if os.environ.get("SLUICE_FUZZ_SHRINK") else (Phase.explicit, Phase.generate)
SEED = int(os.environ.get("SLUICE_FUZZ_SEED", "0")) or 20_261_121
SHORT_STEPS = 8


@pytest.fixture
def stage(acme, cast, tmp_path, monkeypatch) -> Stage:
    """Return what every run starts from."""
    monkeypatch.setattr(TokenThrottle, "THROTTLE_RATES", {"token": "1000000/min"})
    acme.locale = "en"
    with tenant_transaction(acme), scope.bulk(reason="test"):
        spa = Brand.objects.get(code="spa")
        Generation.objects.all().delete()
    user = User.objects.create_user("spa@example.com", "a long enough passphrase", name="Spa")
    user.acting_grant = Grant.objects.create(
        user=user,
        role=Role.BRAND_MANAGER,
        level=Level.BRAND,
        tenant=acme,
        place_id=spa.pk,
        place_name="Spa",
    )
    people = {**cast.members(), "spa_manager": user}
    engagement = people["provider_operator"].acting_grant.engagement
    folder = tmp_path / "files"
    folder.mkdir()
    return Stage(acme, people, engagement, Importer(acme, folder), ZoneInfo(acme.time_zone))


def _run(stage: Stage, number: int, *, examples: int, steps: int) -> None:
    machine = type("Group", (Group,), {"stage": stage})
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=True,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.long
def test_every_read_is_what_the_oracles_say(stage):
    if READS:
        _long(stage)
        return
    _run(stage, SEED, examples=2, steps=SHORT_STEPS)
    assert stage.tally.total > 3_000
    # What is taken in turns, and what exports leave, is met too seldom here on both sides.
    one_sided = stage.tally.one_sided("sql", "orm", "page", "api")
    assert [line for line in one_sided if not line.startswith("own ")] == []


def _long(stage: Stage) -> None:
    stage.members = 16
    number, chosen = SEED, random.Random(SEED)  # noqa: S311 - a seed that is printed
    try:
        while stage.tally.total < READS:
            print(f"\n{SAYS}seed {number}: {stage.tally.total:,} reads so far", flush=True)
            _run(stage, number, examples=3, steps=40)
            number = chosen.randrange(1, 2**31)
    finally:
        if kept := os.environ.get("SLUICE_FUZZ_KEEP"):
            stage.tally.keep(Path(kept))
