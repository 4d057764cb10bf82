"""PostgreSQL and Valkey from their PyPI packages, run under var/ where no addresses are set.

Nothing here imports Django: settings are read from var/sluice.env, which these services write.
"""


class EmbeddedError(Exception):
    """Say in one line what happened, what was kept and what to do."""
