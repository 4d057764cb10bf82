"""Lists of names, in the reader's language."""

from __future__ import annotations

import pytest
from django.template import engines
from django.utils.translation import override


@pytest.mark.parametrize(
    ("language", "text"), [("en", "Tea, Spa"), ("zh-hans", "Tea、Spa"), ("zh-hant", "Tea、Spa")]
)
def test_a_list_of_names_has_its_languages_comma(language, text):
    template = engines["django"].from_string("{% load wording %}{{ names|listed }}")
    with override(language):
        assert template.render({"names": ["Tea", "Spa"]}) == text
        assert template.render({"names": []}) == ""
        assert template.render({"names": ["<b>"]}) == "&lt;b&gt;"
