"""Contact data as people write it."""

import pytest

from members.contacts import normalise_phone

_REFUSED = [
    "13800000abc",
    "138O0001234",
    "1-800-FLOWERS",
    "021-5555 1234 ext 5",
    "021-55551234#5",
    "021-55551234-5",
    "021-55551234转5",
    "+44 20 7946 0958;ext=5",
    "13812345678x9",
    "13800x00",
    "13800000",
    "5555 1234",
    "10086",
    "138123456789",
    "13812345678.0",
    "1.3812345678E10",
    "13812345678/13912345678",
    "138+12345678",
    "++8613812345678",
    "١٣٨١٢٣٤٥٦٧٨",
    "+",
    "",
]
_READ = {
    "+8613812345678": [
        "13812345678",
        "138 1234 5678",
        "138-1234-5678",
        "138.1234.5678",
        "138–1234–5678",
        "138\u00a01234\u00a05678",
        "\u202d13812345678\u202c\n",
        "１３８１２３４５６７８",
        "＋８６　１３８　１２３４　５６７８",
        "+86 138 1234 5678",
        "(+86) 138-1234-5678",
        "86 13812345678",
        "0086 138 1234 5678",
    ],
    "+862155551234": ["021-55551234", "（021）5555 1234", "+86 21 5555 1234"],
    "+864008208820": ["400-820-8820"],
    "+442079460958": ["+44 20 7946 0958", "+44 (0)20 7946-0958"],
    "+85223456789": ["+852 2345 6789", "00852 23456789"],
    "+12125550123": ["+1 (212) 555-0123"],
}


@pytest.mark.parametrize("text", _REFUSED)
def test_what_is_no_phone_number_is_not_made_into_somebody_elses(text):
    """Letters, short numbers and extensions are refused, not read as something near them."""
    with pytest.raises(ValueError, match="not a phone number"):
        normalise_phone(text)


@pytest.mark.parametrize("number", _READ)
def test_a_number_is_one_number_however_it_is_written(number):
    """Blanks, hyphens, brackets, full-width digits and country codes make no difference."""
    assert {normalise_phone(text) for text in _READ[number]} == {number}
