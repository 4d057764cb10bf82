"""Say where a list goes on, without telling which number of record that is.

Orders, events and the like of all brands are numbered together: whoever read the numbers of their
own would count by the gaps what siblings bring in between.
"""

from __future__ import annotations

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_NONCE, _NUMBER = 12, 8


def _cipher() -> AESGCM:
    return AESGCM(hashlib.sha256(b"sluice.api.cursor:" + settings.SECRET_KEY.encode()).digest())


def cursor_of(number: int, place: str) -> str:
    """Return the cursor behind a row of a list, which PLACE names: no other list takes it."""
    nonce = os.urandom(_NONCE)
    sealed = _cipher().encrypt(nonce, number.to_bytes(_NUMBER), place.encode())
    return base64.urlsafe_b64encode(nonce + sealed).decode()


def number_in(cursor: str, place: str) -> int:
    """Return the number that a cursor of a list seals; raises ValueError for what is none."""
    blob = base64.urlsafe_b64decode(cursor.encode("ascii"))
    try:
        return int.from_bytes(_cipher().decrypt(blob[:_NONCE], blob[_NONCE:], place.encode()))
    except InvalidTag as error:
        raise ValueError("no cursor of this list") from error
