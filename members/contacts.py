"""Contact data: normalised, keyed, sealed, masked."""

from __future__ import annotations

import hmac
import json
import os
import re
import unicodedata
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
    """Return the 16-byte key under which a normalised identifier is found in this group.

    SPACE is where it counts (members.identity.spaces); an identifier has no NUL in it.
    """
    text = f"{kind}\0{space}\0{normalised}" if space else f"{kind}:{normalised}"
    return hmac.digest(keys.index, text.encode(), "sha256")[:16]


def find_keys(keys: GroupKeys, text: str, region: str = "CN") -> dict[str, bytes]:
    """Return Contact key column → key for everything TEXT could be: phone, e-mail, card."""
    found = {"card_key": identity_key(keys, Identity.Kind.CARD, normalise_code(text))}
    try:
        phone = normalise_phone(text, region)
        found["phone_key"] = identity_key(keys, Identity.Kind.PHONE, phone)
    except ValueError:
        pass
    try:
        email = normalise_email(text)
        found["email_key"] = identity_key(keys, Identity.Kind.EMAIL, email)
    except ValueError:
        pass
    return found


def seal(keys: GroupKeys, fields: dict[str, str]) -> bytes:
    """Return contact fields encrypted with the group's data key (AES-256-GCM, random nonce)."""
    return seal_text(keys, json.dumps(fields, ensure_ascii=False, separators=(",", ":")))


def seal_text(keys: GroupKeys, text: str) -> bytes:
    """Return the JSON of contact fields encrypted, as `seal` does."""
    nonce = os.urandom(12)
    return nonce + _cipher(keys.data).encrypt(nonce, text.encode(), None)


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def unseal(keys: GroupKeys, contact: Contact) -> dict[str, str]:
    """Return the contact fields of a row: name, phone, email, unionid, card_no, birthday."""
    return open_sealed(keys, bytes(contact.sealed))


def open_sealed(keys: GroupKeys, blob: bytes) -> dict[str, str]:
    """Return the contact fields of a sealed blob."""
    return json.loads(_cipher(keys.data).decrypt(blob[:12], blob[12:], None))


def mask_name(name: str) -> str:
    """Return the first character and asterisks: 张** or J***."""
    return f"{name[0]}{'*' * min(max(len(name) - 1, 1), 3)}" if name else ""


def mask_phone(phone: str) -> str:
    """Return an E.164 number with its middle hidden: 138****5678."""
    national = phone.removeprefix("+86")
    return f"{national[:3]}****{national[-4:]}" if len(national) >= 8 else "****"


def mask_email(email: str) -> str:
    """Return the first letter and the domain: j***@example.com."""
    name, _, domain = email.partition("@")
    return f"{name[0]}***@{domain}" if name and domain else ""
