"""gunicorn's settings: `gunicorn --config python:config.gunicorn config.wsgi:application`."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from config.logs import WithoutContact


def _without_query(address: str) -> str:
    return address.partition("?")[0]


class GunicornLogger(Logger):
    """Write gunicorn's own logs, and its access log where one is asked for, without contact."""

    def setup(self, cfg: Any) -> None:
        """Give every handler of gunicorn the formatter that leaves contact out."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                kept = handler.formatter
                handler.setFormatter(
                    WithoutContact(kept._fmt if kept else None, kept.datefmt if kept else None)
                )

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> Any:
        """Return what an access line may be made of: addresses without their query."""
        bare = {
            **environ,
            "RAW_URI": _without_query(environ.get("RAW_URI", "")),
            "QUERY_STRING": "",
            "HTTP_REFERER": _without_query(environ.get("HTTP_REFERER", "-")),
        }
        atoms = super().atoms(resp, req, bare, request_time)
        return {
            name: value
            for name, value in atoms.items()
            # Headers and variables hold cookies, tokens and whole addresses.
            if not name.startswith("{")
        }


# Searches by phone are in addresses, and gunicorn writes addresses.
logger_class = GunicornLogger
