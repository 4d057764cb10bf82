"""Whatever happens to a group in whatever order: every read is what the oracles say.

The short form runs in every suite. `make fuzz` runs the long one (SLUICE_FUZZ_READS,
SLUICE_FUZZ_SEED) and prints its seeds and counts.
"""

from __future__ import annotations

import os
import random
import time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from brands.models import Brand, Generation
from brands.wall import scope
from config.tests.fuzz import Group, Stage
from members.tests.conftest import Importer
from tenants.api import TokenThrottle
from tenants.context import tenant_transaction
from tenants.models import Grant, User
from tenants.roles import Level, Role

READS = int(os.environ.get("SLUICE_FUZZ_READS", "0"))
# Shrinking a long run takes minutes: asked for when there is something to understand.
PHASES = tuple(Phase) if os.environ.get("SLUICE_FUZZ_SHRINK") else (Phase.explicit, Phase.generate)
SEED = int(os.environ.get("SLUICE_FUZZ_SEED", "0")) or 20_261_121


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


def test_every_read_is_what_the_oracles_say(stage):
    if READS:
        _long(stage)
        return
    _run(stage, SEED, examples=2, steps=12)
    assert stage.tally.total > 5_000
    assert stage.tally.one_sided() == []


def _long(stage: Stage) -> None:
    stage.members = 60
    began, number = time.monotonic(), SEED
    chosen = random.Random(SEED)  # noqa: S311 - a seed that is printed
    while stage.tally.total < READS:
        print(f"seed {number}: {stage.tally.total:,} reads so far", flush=True)
        _run(stage, number, examples=5, steps=40)
        number = chosen.randrange(1, 2**31)
    print("\n".join(stage.tally.lines()))
    print(f"{time.monotonic() - began:.0f} s, first seed {SEED}")
    assert stage.tally.one_sided() == []
