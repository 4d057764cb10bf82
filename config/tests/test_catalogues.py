"""The message catalogues: whole, compiled, and with every placeholder in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from django.core.management import CommandError, call_command
from django.utils.translation import gettext, ngettext, override

from config import catalogues, package_messages
from config.management.commands.catalogues import LOCALES


def _catalogue(message: str | tuple[str, str], text: str | tuple[str, ...]) -> Catalog:
    catalogue = Catalog(locale="zh_Hans")
    catalogue.add(message, text)
    return catalogue


@pytest.fixture
def copied(settings, tmp_path: Path) -> Path:
    """Return a project of one page with a Chinese catalogue of its own."""
    settings.BASE_DIR = tmp_path
    page = tmp_path / "templates" / "page.html"
    page.parent.mkdir()
    page.write_text(
        '{% load i18n %}{% translate "Mode" %}{{ x|default:_("none") }}{% translate "May" context '
        '"month" %}{% blocktranslate count n=n %}{{ n }} day{% plural %}{{ n }} days'
        "{% endblocktranslate %}",
        encoding="utf-8",
    )
    return page


@pytest.mark.parametrize("locale", LOCALES)
def test_every_message_is_translated(locale: str) -> None:
    assert catalogues.untranslated(catalogues.merge(locale)) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_every_translation_keeps_its_placeholders_and_tags(locale: str) -> None:
    assert catalogues.mismatched(catalogues.merge(locale)) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_what_django_reads_is_what_the_catalogue_says(locale: str) -> None:
    assert catalogues.is_compiled(locale)


def test_django_speaks_chinese_with_one_form_for_one_and_many() -> None:
    with override("zh-hans"):
        assert gettext("Fan-maximizing") == "粉丝最大化"
        days = [ngettext("%(counter)s day", "%(counter)s days", n) for n in (1, 7)]
    assert days == ["%(counter)s 天"] * 2


def test_our_words_win_over_those_of_the_packages() -> None:
    with override("zh-hans"):
        assert gettext("Group") == "集团"


def test_what_packages_leave_in_english_is_chinese_here() -> None:
    words = [*package_messages.UNFOLD, *package_messages.IMPORT_EXPORT, *package_messages.DJANGO]
    with override("zh-hans"):
        assert [word for word in words if gettext(word) == word] == []


@pytest.mark.usefixtures("copied")
def test_a_page_yields_its_plain_plural_and_contextual_messages() -> None:
    found = {(one.id, one.context) for one in catalogues.template_catalogue() if one.id}
    assert found == {
        ("Mode", None),
        ("none", None),
        ("May", "month"),
        (("%(n)s day", "%(n)s days"), None),
    }


def test_a_gap_is_named_until_it_is_filled(copied: Path) -> None:
    call_command("catalogues", verbosity=0)
    with pytest.raises(CommandError, match="4 messages lack a translation"):
        call_command("catalogues", check=True)
    path = catalogues.po_path("zh_Hans")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('msgstr ""\n\n', 'msgstr "词"\n\n'), encoding="utf-8")
    with pytest.raises(CommandError, match="1 messages lack a translation"):
        call_command("catalogues", check=True)


def test_a_message_that_left_the_pages_leaves_the_catalogue(copied: Path) -> None:
    call_command("catalogues")
    copied.write_text("{% load i18n %}{% translate 'Back' %}", encoding="utf-8")
    assert [one.id for one in catalogues.merge("zh_Hans") if one.id] == ["Back"]


@pytest.mark.usefixtures("copied")
def test_an_edited_catalogue_is_not_compiled_until_it_is_saved_again() -> None:
    call_command("catalogues")
    assert catalogues.is_compiled("zh_Hans")
    path = catalogues.po_path("zh_Hans")
    text = path.read_text(encoding="utf-8")
    edited = text.replace('msgid "Mode"\nmsgstr ""', 'msgid "Mode"\nmsgstr "聚合模式"')
    assert edited != text
    path.write_text(edited, encoding="utf-8")
    assert not catalogues.is_compiled("zh_Hans")
    call_command("catalogues")
    assert catalogues.is_compiled("zh_Hans")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("%(days)s days", "天"),
        ("%(days)s days", "%(day)s 天"),
        ("Column %d", "第 %s 列"),
        ("From <strong>%(mode)s</strong>", "从 %(mode)s"),
        (("%(n)s store", "%(n)s stores"), ("家门店",)),
    ],
)
def test_a_translation_with_other_placeholders_or_tags_is_named(
    message: str | tuple[str, str], text: str | tuple[str, ...]
) -> None:
    expected = message[0] if isinstance(message, tuple) else message
    assert catalogues.mismatched(_catalogue(message, text)) == [expected]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("From %(first)s to %(last)s", "%(last)s 之前，自 %(first)s 起"),
        (("the day before", "the %(n)s days before"), ("此前 %(n)s 天",)),
    ],
)
def test_a_translation_may_move_its_placeholders(
    message: str | tuple[str, str], text: str | tuple[str, ...]
) -> None:
    assert catalogues.mismatched(_catalogue(message, text)) == []
