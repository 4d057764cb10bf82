"""Cells of exported files: harmless in every spreadsheet."""

from __future__ import annotations

import pytest

from members.exports.cells import harmless


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+8613800001111", "'+8613800001111"),
        ("-2", "'-2"),
        ("@sum", "'@sum"),
        ("\t=1", "'=1"),
        ("\r=1", "'=1"),
        (" \t =1", " \t '=1"),
        ("\u3000＝1", "\u3000'＝1"),
        ("Li;=1", "Li;'=1"),
        ("Li; =1", "Li; '=1"),
        ("a\t=1", "a\t'=1"),
        ('x,"=1', "x,\"'=1"),
        ("a|@x", "a|'@x"),
        ("two\n=lines", "two\n'=lines"),
        ("a-b, c+d = 5", "a-b, c+d = 5"),
        ("张三", "张三"),
        ("", ""),
    ],
)
def test_no_cell_runs_in_a_spreadsheet_whatever_its_delimiter(text, safe):
    assert harmless(text) == safe
