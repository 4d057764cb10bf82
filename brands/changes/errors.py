"""What a person is told when a step of a change of mode is not possible."""


class DraftRefused(ValueError):
    """Say in words why a step was not taken; nothing was changed."""
