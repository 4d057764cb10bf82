"""Write across the hierarchy, the notices and the mode."""

from brands.services.figures import answers_bump, generation_bump
from brands.services.modes import (
    ModeUnchanged,
    decision_append,
    mode_before,
    mode_change,
    seed_group,
)

__all__ = [
    "ModeUnchanged",
    "answers_bump",
    "decision_append",
    "generation_bump",
    "mode_before",
    "mode_change",
    "seed_group",
]
