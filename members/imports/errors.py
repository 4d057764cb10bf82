"""What can be wrong with an import as a whole."""


class ImportRefused(ValueError):
    """Say why a file cannot be imported at all; nothing of it was written."""


class ImportOvertaken(RuntimeError):
    """Say that another worker moved the job's checkpoint; this one stops."""
