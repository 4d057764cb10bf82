"""Contact data: normalised, keyed, sealed, masked."""

from __future__ import annotations

import hmac
import json
import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache

import phonenumbers
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from members.keys import GroupKeys
from members.models import Contact, Identity

# A mainland mobile as people write it: 11 digits from 13 to 19, the country code optional.
_MAINLAND_MOBILE = re.compile(r"^(?:\+?86)?(1[3-9][0-9]{9})\Z")
# phonenumbers reads letters as keys (1-800-FLOWERS) and drops what follows an x; here both are a
# slip of the hand, and a number read from one would belong to somebody else.
_PHONE = re.compile(r"^\+?[0-9]+\Z")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
# After NFKC, so that full-width forms and unbroken blanks are among them; the last ones are
# invisible, and come along when a number is copied out of a phone's contacts.
_PUNCTUATION = str.maketrans(
    "", "", " \t-().\u2010\u2012\u2013\u2014\u2212\u200b\u200e\u202a\u202c\u202d\ufeff"
)
_CHINA = 86


def normalise_phone(value: str, region: str = "CN") -> str:
    """Return a phone number as E.164; raises ValueError where it is none or has an extension."""
    compact = unicodedata.normalize("NFKC", value).strip().translate(_PUNCTUATION)
    if not _PHONE.match(compact):
        raise ValueError("not a phone number")
    if match := _MAINLAND_MOBILE.match(compact):
        return f"+86{match[1]}"
    try:
        number = phonenumbers.parse(compact, region)
    except phonenumbers.NumberParseException as error:
        raise ValueError("not a phone number") from error
    # Elsewhere new ranges open faster than this library learns of them.
    is_number = (
        phonenumbers.is_valid_number
        if number.country_code == _CHINA
        else phonenumbers.is_possible_number
    )
    if number.extension or not is_number(number):
        raise ValueError("not a phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normalise_email(value: str) -> str:
    """Return an e-mail address in lower case; raises ValueError where it is none."""
    compact = unicodedata.normalize("NFKC", value).strip().lower()
    if len(compact) > 254 or not _EMAIL.match(compact):
        raise ValueError("not an e-mail address")
    return compact


def normalise_code(value: str) -> str:
    """Return a card number or unionid without blanks at its ends."""
    return unicodedata.normalize("NFKC", value).strip()


def identity_key(keys: GroupKeys, kind: str, normalised: str, space: str = "") -> bytes:
    """Return the 16-byte key under which a normalised identifier is found in this group."""
    text = key_start(kind, space) + normalised
    return hmac.digest(keys.index, text.encode(), "sha256")[:16]


def key_start(kind: str, space: str) -> str:
    """Return what an identifier's key is the digest of, up to the identifier itself.

    SPACE is where it counts (members.identity.spaces); an identifier has no NUL in it.
    """
    return f"{kind}\0{space}\0" if space else f"{kind}:"


# Where a mainland mobile or an e-mail address stands in a text that should hold none.
CONTACT_IN_TEXT = re.compile(
    r"(?<!\d)(?:(?:00)?86)?1[3-9]\d{9}(?!\d)|[^@\s]@[^@\s]+\.[a-z]{2,}", re.IGNORECASE
)

# Contact field → kind of identity → Contact column with its key: what a contact is found by.
IDENTIFIERS: tuple[tuple[str, str, str], ...] = (
    ("phone", Identity.Kind.PHONE, "phone_key"),
    ("unionid", Identity.Kind.UNIONID, "unionid_key"),
    ("card_no", Identity.Kind.CARD, "card_key"),
    ("email", Identity.Kind.EMAIL, "email_key"),
)


def readings(text: str, region: str = "CN") -> dict[str, tuple[str, str]]:
    """Return Contact key column → (kind, normalised) for all that TEXT could be."""
    code = normalise_code(text)
    found: dict[str, tuple[str, str]] = {
        "card_key": (Identity.Kind.CARD, code),
        "unionid_key": (Identity.Kind.UNIONID, code),
    }
    with suppress(ValueError):
        found["phone_key"] = (Identity.Kind.PHONE, normalise_phone(text, region))
    with suppress(ValueError):
        found["email_key"] = (Identity.Kind.EMAIL, normalise_email(text))
    return found


def fingerprint(keys: GroupKeys, text: str) -> bytes:
    """Return the 16 bytes by which the same contact data is known again."""
    return hmac.digest(keys.index, f"contact:{text}".encode(), "sha256")[:16]


# A sealed blob is 2 bytes version of the data key, 12 bytes nonce, then the text under AES-256-GCM.
_NONCE = slice(2, 14)


def seal(keys: GroupKeys, fields: dict[str, str]) -> bytes:
    """Return contact fields encrypted with the group's data key in use."""
    return seal_text(keys, json.dumps(fields, ensure_ascii=False, separators=(",", ":")))


def seal_text(keys: GroupKeys, text: str) -> bytes:
    """Return a text encrypted with the group's data key in use, whose version the blob says."""
    nonce = os.urandom(12)
    head = keys.version.to_bytes(2)
    return head + nonce + _cipher(keys.data).encrypt(nonce, text.encode(), None)


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def sealed_version(blob: bytes) -> int:
    """Return the version of the data key that a blob is sealed with."""
    return int.from_bytes(blob[:2])


def unseal(keys: GroupKeys, contact: Contact) -> dict[str, str]:
    """Return the contact fields of a row: name, phone, email, unionid, card_no, birthday."""
    return open_sealed(keys, bytes(contact.sealed))


def open_sealed(keys: GroupKeys, blob: bytes) -> dict[str, str]:
    """Return the contact fields of a sealed blob."""
    return fields_of(open_text(keys, blob))


def fields_of(text: str) -> dict[str, str]:
    """Return the contact fields that an opened text says."""
    return json.loads(text)


def open_text(keys: GroupKeys, blob: bytes) -> str:
    """Return the text of a sealed blob; raises InvalidTag or ValueError where it was damaged."""
    key = keys.data_key(sealed_version(blob))
    return _cipher(key).decrypt(blob[_NONCE], blob[14:], None).decode()


# --- Masks ----------------------------------------------------------------------------------
# Each shows at most what its docstring says, whatever it is given: of what is too short, nothing.

_HIDDEN = "****"


def mask_name(name: str) -> str:
    """Return the first letter and asterisks: 张** or J***; of a name of one letter none."""
    if len(name) < 2 or not name[0].isalnum():
        return "*" * min(len(name), 3)
    return f"{name[0]}{'*' * min(len(name) - 1, 3)}"


def mask_phone(phone: str) -> str:
    """Return an E.164 number with at least its middle hidden: 138****5678, +44****0958."""
    national = phone.removeprefix("+86")
    if len(national) >= 11:
        return f"{national[:3]}{_HIDDEN}{national[-4:]}"
    if len(national) >= 8:
        return f"{national[:2]}{_HIDDEN}{national[-2:]}"
    return _HIDDEN


def mask_email(email: str) -> str:
    """Return the first letter, where there are more, and the domain: j***@example.com."""
    name, _, domain = email.rpartition("@")
    if not name or not domain:
        return ""
    return f"{name[0] if len(name) > 1 else ''}***@{domain}"


def mask_card(number: str) -> str:
    """Return the last four characters of a card's number, of a short one none: ****5678."""
    return f"{_HIDDEN}{number[-4:] if len(number) >= 8 else ''}" if number else ""


def mask_wechat(code: str) -> str:
    """Return the first four characters of an openid or unionid, of a short one none: oXyz****."""
    return f"{code[:4] if len(code) >= 12 else ''}{_HIDDEN}" if code else ""


def mask_birthday(day: str) -> str:
    """Return the year of a day written as 1990-05-17: 1990-**-**."""
    match = _DAY.match(day)
    return f"{match[1]}-**-**" if match else _HIDDEN if day else ""


_DAY = re.compile(r"^([12][0-9]{3})-[0-9]{2}-[0-9]{2}\Z")
_MASKS: dict[str, Callable[[str], str]] = {
    "name": mask_name,
    "phone": mask_phone,
    "email": mask_email,
    "card_no": mask_card,
    "unionid": mask_wechat,
    "birthday": mask_birthday,
}


def masked(fields: Mapping[str, str]) -> dict[str, str]:
    """Return contact fields with each masked by its kind; a kind without a mask shows nothing."""
    return {name: _MASKS.get(name, _mask_all)(text) for name, text in fields.items()}


def _mask_all(text: str) -> str:
    return _HIDDEN if text else ""
