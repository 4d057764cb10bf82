"""Both embedded services together: start, stop, and the file that tells where they are."""

import shutil
from urllib.parse import urlparse

from config.embedded import EmbeddedError
from config.embedded.folder import VarFolder, clear_errors, free_port
from config.embedded.postgres import APP, LOOK, OWNER, SUPERUSER, WHOLE, Postgres
from config.embedded.valkey import Valkey

# Whoever sets all of these brings services of their own.
ADDRESSES = ("DATABASE_URL", "OWNER_DATABASE_URL", "BROKER_URL", "CACHE_URL")
_PORT_TRIES = 5
_KEPT_FOLDERS = ("postgres", "postgres.unfinished", "valkey", "log", "static", "media", "demo")


class Services:
    """Run PostgreSQL and Valkey under one var folder; the caller holds the folder's lock."""

    def __init__(self, folder: VarFolder, *, for_tests: bool = False) -> None:
        folder.create()
        self.folder = folder
        self.postgres = Postgres(folder, for_tests=for_tests)
        self.valkey = Valkey(folder, for_tests=for_tests)
        self.done = ""

    def start(self, *, detached: bool = False) -> dict[str, str]:
        """Start both, write sluice.env and return what it says.

        Detached services outlive this process; the others end with it.
        """
        try:
            with clear_errors(self.folder):
                return self._start(detached=detached)
        except BaseException:
            self.stop()
            raise

    def _start(self, *, detached: bool) -> dict[str, str]:
        keys = self.folder.secrets()
        self.folder.detached_mark.unlink(missing_ok=True)
        self.done = self.postgres.prepare(
            owner_password=keys["OWNER_PASSWORD"], app_password=keys["APP_PASSWORD"]
        )
        self.valkey.prepare()
        before = self.folder.values()
        if self.done == "kept" and not {"WHOLE_ROLE", "LOOK_ROLE"} <= before.keys():
            self.postgres.add_roles()
        for _ in range(_PORT_TRIES):
            port = free_port(_port_of(before.get("DATABASE_URL")))
            if self.postgres.start(port, detached=detached):
                break
        else:
            raise EmbeddedError("PostgreSQL found no free port. Data is kept. Try again.")
        for _ in range(_PORT_TRIES):
            valkey_port = free_port(_port_of(before.get("BROKER_URL")))
            if self.valkey.start(valkey_port, keys["VALKEY_PASSWORD"], detached=detached):
                break
        else:
            raise EmbeddedError("Valkey found no free port. Data is kept. Try again.")
        values = {
            **keys,
            "DEMO": "1",
            "DATABASE_URL": self.postgres.url(APP, keys["APP_PASSWORD"], port),
            "OWNER_DATABASE_URL": self.postgres.url(OWNER, keys["OWNER_PASSWORD"], port),
            "BROKER_URL": self.valkey.url(keys["VALKEY_PASSWORD"], valkey_port, 0),
            "CACHE_URL": self.valkey.url(keys["VALKEY_PASSWORD"], valkey_port, 1),
            "WHOLE_ROLE": WHOLE,
            "LOOK_ROLE": LOOK,
        }
        if self.postgres.for_tests:
            address = self.postgres.url(SUPERUSER, keys["OWNER_PASSWORD"], port)
            values["SUPERUSER_DATABASE_URL"] = address
        self.folder.write_values(self.folder.env_file, values)
        if detached:
            self.folder.detached_mark.touch()
        return values

    def run_detached(self) -> bool:
        """Say whether both run already, started to outlive their starter."""
        return self.folder.detached_mark.exists() and all(self.status().values())

    def status(self) -> dict[str, bool]:
        """Return which of the services run."""
        return {
            "PostgreSQL": self.postgres.is_running(),
            "Valkey": self.valkey.is_running(),
        }

    def died(self) -> str | None:
        """Return the name of a service this process started and that has ended."""
        for name, service in (("PostgreSQL", self.postgres), ("Valkey", self.valkey)):
            if service.process is not None and service.process.poll() is not None:
                return name
        return None

    def stop(self) -> None:
        """Stop both; what they hold stays."""
        self.valkey.stop()
        self.postgres.stop()
        self.folder.detached_mark.unlink(missing_ok=True)

    def erase(self) -> None:
        """Stop both and remove everything they hold, keys included."""
        self.stop()
        # By name: SLUICE_VAR may point to a folder that holds other things as well.
        for name in _KEPT_FOLDERS:
            shutil.rmtree(self.folder.root / name, ignore_errors=True)
        self.folder.env_file.unlink(missing_ok=True)


def _port_of(address: str | None) -> int | None:
    return urlparse(address).port if address else None
