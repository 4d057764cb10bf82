"""A master key that never leaves HashiCorp Vault: its transit engine wraps and unwraps."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tenants.master_key import WrongMasterKey

_SECONDS = 10


class VaultTransitKey:
    """Ask Vault's transit engine (an aes256-gcm96 key) to wrap and unwrap.

    https://developer.hashicorp.com/vault/api-docs/secret/transit. Keys stay opened in a process, so
    Vault is asked once for each group and process. Rotate the key in Vault, then run
    `rotate_master_key`, and raise `min_decryption_version` in Vault last.
    """

    def __init__(self) -> None:
        self._address = settings.VAULT_ADDR.rstrip("/")
        if not self._address.startswith(("http://", "https://")) or not settings.VAULT_TOKEN:
            raise ImproperlyConfigured(
                "VAULT_ADDR must be an http(s):// address, and VAULT_TOKEN must be set."
            )

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return KEY as Vault wraps it: b"vault:v1:…"."""
        answer = self._post("encrypt", {"plaintext": _b64(key)}, context)
        return str(answer["ciphertext"]).encode()

    def unwrap(self, blob: bytes, context: bytes) -> bytes:
        """Return the key; raises WrongMasterKey where Vault refuses to open it."""
        answer = self._post("decrypt", {"ciphertext": blob.decode("ascii", "replace")}, context)
        return base64.b64decode(answer["plaintext"])

    def is_current(self, blob: bytes, context: bytes) -> bool:
        """Tell whether BLOB names the version of the key that Vault wraps with now."""
        try:
            self.unwrap(blob, context)
        except WrongMasterKey:
            return False
        return blob.split(b":")[:2] == self.wrap(bytes(32), context).split(b":")[:2]

    def _post(self, act: str, body: dict[str, str], context: bytes) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - http(s) alone, see __init__
            f"{self._address}/v1/transit/{act}/{settings.VAULT_TRANSIT_KEY}",
            data=json.dumps({**body, "associated_data": _b64(context)}).encode(),
            headers={"X-Vault-Token": settings.VAULT_TOKEN, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if act == "decrypt" and error.code == 400:
                raise WrongMasterKey(
                    "Vault does not open a key: it was wrapped under another key of Vault's, or "
                    "the key's row was damaged."
                ) from error
            raise ImproperlyConfigured(
                f"Vault answered {error.code} to {act}. Look at VAULT_TOKEN and VAULT_TRANSIT_KEY."
            ) from error
        except (OSError, ValueError, KeyError) as error:
            raise ImproperlyConfigured(
                f"Vault at {self._address} gave no answer that could be used. Nothing was changed."
            ) from error


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
