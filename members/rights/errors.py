"""Why a request is not done."""


class RightsRefused(ValueError):
    """Say in words why a request was not taken or not done; nothing of it was."""
