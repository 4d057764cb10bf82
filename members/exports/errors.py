"""Why an export was not made or is not handed out, in the asker's words."""


class ExportRefused(Exception):
    """Say why an export was not taken on, or stopped."""


class ExportOutdated(ExportRefused):
    """Say why a file is no longer what its asker may see."""
