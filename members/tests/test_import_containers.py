"""Workbooks and archives are taken apart under limits; what is wrong with them is said in words."""

import csv
import datetime as dt
import gzip
import io
import zipfile
from itertools import count

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from members.imports import containers
from members.imports.containers import is_folded, unfold
from members.imports.errors import ImportRefused
from members.imports.files import chunks, inspect_file, opened

CSV = "member_no,name\nM1,张伟\n"


@pytest.fixture
def kept(tmp_path):
    """Return a function that writes bytes to a file, and one that unfolds it."""

    class Kept:
        numbers = count()

        def write(self, data):
            path = tmp_path / "upload.csv"
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
            return path

        def fresh(self):
            return tmp_path / f"spool-{next(self.numbers)}.csv"

        def unfold(self, data, choice=""):
            return unfold(self.write(data), self.fresh, choice=choice)

        def spools(self):
            return sorted(tmp_path.glob("spool-*"))

    return Kept()


def zipped(files, **options):
    """Return a zip of name → content."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def workbook(*sheets, change=None):
    """Return an XLSX of (title, rows)."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    if change:
        change(book)
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


# Entities to be expanded, in an encoding in which the word for them looks otherwise.
ENTITIES = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode(
    "utf-16"
)


def rows_of(path):
    """Return headings and rows by line, as an import reads them."""
    shape = inspect_file(path)
    with opened(path, shape.encoding) as source:
        found = list(chunks(source, shape))
    lines = {
        line: row for chunk in found for line, row in zip(chunk.lines, chunk.rows, strict=True)
    }
    assert not [bad for chunk in found for bad in chunk.bad]
    return shape.headings, lines


def test_gzip_and_zip_are_expanded_beside_the_upload(kept):
    for data in (
        gzip.compress(CSV.encode()),
        zipped({"members.csv": CSV, "__MACOSX/._members.csv": b"\x00", "empty.csv": ""}),
    ):
        found = kept.unfold(data)
        assert not found.choices
        assert rows_of(found.path) == (["member_no", "name"], {2: ["M1", "张伟"]})
        assert (found.path.stat().st_mode & 0o777) == 0o600
    assert not is_folded(kept.write(CSV))


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig"])
def test_a_packed_file_may_have_any_encoding_and_a_chinese_name(kept, encoding):
    # Windows in China writes names in GBK without saying so.
    data = zipped({"AAAA.csv": CSV.encode(encoding)}).replace(b"AAAA", "会员".encode("gb18030"))
    found = kept.unfold(data)
    assert found.inside == ("会员.csv",)
    assert rows_of(found.path)[1] == {2: ["M1", "张伟"]}


def test_of_several_files_a_person_chooses_one_and_names_never_become_paths(kept, tmp_path):
    data = zipped({"../../evil.csv": CSV, "/etc/other.csv": "a,b\n1,2\n"})
    found = kept.unfold(data)
    assert [part.name for part in found.choices] == ["evil.csv", "other.csv"]
    assert not kept.spools()
    by_name = kept.unfold(data, choice="other.csv")
    assert rows_of(by_name.path)[1] == {2: ["1", "2"]}
    assert kept.unfold(data, choice=found.choices[0].place).inside == ("evil.csv",)
    assert all(path.parent == tmp_path for path in kept.spools())
    with pytest.raises(ImportRefused, match="holds no “third”.*evil.csv"):
        kept.unfold(data, choice="third")


def test_a_workbook_within_an_archive_is_read_and_an_archive_within_one_refused(kept):
    book = workbook(("S", [["member_no"], ["M1"]]))
    found = kept.unfold(zipped({"book.xlsx": book}))
    assert found.inside == ("book.xlsx", "S")
    assert rows_of(found.path)[1] == {2: ["M1"]}
    assert len(kept.spools()) == 1
    for nested in (gzip.compress(b"x"), zipped({"a.csv": CSV})):
        with pytest.raises(ImportRefused, match="another archive"):
            kept.unfold(zipped({"inner": nested}))
    assert len(kept.spools()) == 1


def encrypted():
    """Return a zip whose file says that it needs a password."""
    data = bytearray(zipped({"a.csv": CSV}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def damaged(data, at=0.5):
    """Return bytes with some in the middle turned over."""
    place = int(len(data) * at)
    return data[:place] + bytes(byte ^ 0xFF for byte in data[place : place + 8]) + data[place + 8 :]


LONG = "member_no,name\n" + "".join(f"M{n},{n * 7919 % 1000003}\n" for n in range(5000))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(LONG.encode())[:-2000], "ends too early"),
        (damaged(gzip.compress(LONG.encode())), "damaged"),
        (zipped({"a.csv": LONG})[:-30], "damaged"),
        (damaged(zipped({"a.csv": LONG})), "damaged"),
        (encrypted(), "password"),
        (zipped({}), "no file with rows"),
        (zipped({"folder/": ""}), "no file with rows"),
        (zipped({"word/document.xml": "<a/>"}), "not read here"),
        (b"Rar!\x1a\x07\x00" + b"\0" * 300, "RAR"),
        (b"7z\xbc\xaf\x27\x1c" + b"\0" * 300, "7z"),
        (b"a.csv" + b"\0" * 252 + b"ustar" + b"\0" * 300, "tar"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old kind"),
        (zipped({"xl/workbook.xml": "<workbook"}), "workbook is damaged"),
        (
            zipped({"xl/workbook.xml": ENTITIES, "xl/_rels/workbook.xml.rels": "<r/>"}),
            "workbook is damaged",
        ),
        (workbook(("S", [])), "sheets are empty"),
        (workbook(("S", [["a", "=1+1"], ["b", "=2+2"]])), "2 cells .* never computed"),
    ],
)
def test_what_cannot_be_taken_apart_is_refused_in_words_and_leaves_nothing(kept, data, words):
    with pytest.raises(ImportRefused, match=words):
        kept.unfold(data)
    assert not kept.spools()


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped({"a.csv": data})])
def test_a_bomb_is_refused_before_it_fills_the_disk(kept, monkeypatch, settings, pack):
    monkeypatch.setattr(containers, "RATIO_FROM", 2**21)
    bomb = pack(b"\0" * 2**23)
    with pytest.raises(ImportRefused, match="200 times"):
        kept.unfold(bomb)
    settings.IMPORT_MAX_BYTES = 2**20
    with pytest.raises(ImportRefused, match="larger than 1 MB once unpacked"):
        kept.unfold(pack((LONG * 30).encode()))
    assert not kept.spools()


def test_a_workbook_that_expands_without_end_is_refused(kept, monkeypatch):
    monkeypatch.setattr(containers, "RATIO_FROM", 2**20)
    book = workbook(("S", [["a"], ["b"]]))
    packed = io.BytesIO(book)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/picture.bin", b"\0" * 2**24)
    with pytest.raises(ImportRefused, match="200 times"):
        kept.unfold(packed.getvalue())


def test_cells_are_written_as_people_type_them(kept):
    moment = dt.datetime(2026, 1, 2, 3, 4, 5)
    cells = {
        "phone": (13800000000, "13800000000"),
        "text": ("00123", "00123"),
        "day": (dt.date(1990, 1, 2), "1990-01-02"),
        "moment": (moment, "2026-01-02 03:04:05"),
        "time": (dt.time(9, 5), "09:05:00"),
        "amount": (12.5, "12.5"),
        "small": (0.00001, "0.00001"),
        "sum": (0.1 + 0.2, "0.3"),
        "yes": (True, "TRUE"),
        "lines": ("a\nb", "a b"),
        "long": (6222021234567890123, "6.22202123456789E+18"),
        "fifteen": (123456789012345, "123456789012345"),
        "quoted": ('say "hi", 张', 'say "hi", 张'),
    }
    book = workbook(("S", [list(cells), [given for given, _text in cells.values()]]))
    found = kept.unfold(book)
    headings, lines = rows_of(found.path)
    assert dict(zip(headings, lines[2], strict=True)) == {
        k: text for k, (_g, text) in cells.items()
    }


def test_days_count_from_1904_where_the_workbook_says_so(kept):
    def mac(book):
        book.epoch = CALENDAR_MAC_1904

    found = kept.unfold(workbook(("S", [["d"], [dt.date(2026, 3, 4)]]), change=mac))
    assert rows_of(found.path)[1] == {2: ["2026-03-04"]}


def test_errors_of_formulas_stay_errors_and_computed_values_are_used(kept):
    book = workbook(("S", [["member_no", "phone", "sum"], ["M1", "ERR", 7]]))
    xml = {}
    with zipfile.ZipFile(io.BytesIO(book)) as packed:
        for name in packed.namelist():
            xml[name] = packed.read(name)
    sheet = xml["xl/worksheets/sheet1.xml"].decode()
    start, end = sheet.index('<c r="B2"'), sheet.index("</c>", sheet.index('<c r="B2"')) + 4
    sheet = sheet[:start] + '<c r="B2" t="e"><f>VLOOKUP(1,A1,1)</f><v>#N/A</v></c>' + sheet[end:]
    sheet = sheet.replace("<v>7</v>", "<f>3+4</f><v>7</v>")
    xml["xl/worksheets/sheet1.xml"] = sheet.encode()
    # With a macro beside it, which nobody runs.
    found = kept.unfold(zipped({**xml, "xl/vbaProject.bin": b"\xd0\xcf\x11\xe0macro"}))
    assert rows_of(found.path)[1] == {2: ["M1", "#N/A", "7"]}


def test_of_several_sheets_a_person_chooses_one_but_hidden_and_empty_ones_are_passed_over(kept):
    def hide(book):
        book["secret"].sheet_state = "hidden"

    secret, empty = ("secret", [["x"], [1]]), ("empty", [])
    one, two = ("会员", [["member_no"], ["M1"]]), ("订单 & <2026>", [["order_no"], ["A1"]])
    found = kept.unfold(workbook(secret, one, empty, change=hide))
    assert found.inside == ("会员",)
    several = workbook(secret, one, two, empty, change=hide)
    assert [part.name for part in kept.unfold(several).choices] == ["会员", "订单 & <2026>"]
    assert rows_of(kept.unfold(several, choice="订单 & <2026>").path)[1] == {2: ["A1"]}


def test_titles_and_merged_headings_are_passed_over_and_lines_keep_their_numbers(kept):
    def merge(book):
        sheet = book["S"]
        sheet.merge_cells("A1:D1")
        sheet.merge_cells("A2:A3")
        sheet.merge_cells("B2:C2")
        sheet.merge_cells("A6:A7")

    rows = [
        ["会员导出 2026", None, None, None],
        ["会员号", "联系", None, "性别"],
        [None, "姓名", "手机号", "性别"],
        ["M1", "张伟", 13800000000, "男"],
        [],
        ["M2", "王芳", 13900000000, "女"],
        [None, "王芳", 13900000001, "女"],
    ]
    headings, lines = rows_of(kept.unfold(workbook(("S", rows), change=merge)).path)
    assert headings == ["会员号", "姓名", "手机号", "性别"]
    assert lines == {
        4: ["M1", "张伟", "13800000000", "男"],
        6: ["M2", "王芳", "13900000000", "女"],
        7: ["M2", "王芳", "13900000001", "女"],
    }


def test_a_stray_cell_far_away_ends_the_child_and_nothing_else(kept, monkeypatch):
    monkeypatch.setattr(containers, "WORKBOOK_MEMORY", 2**29)

    def stray(book):
        book["S"]["XFD1048576"] = "x"

    with pytest.raises(ImportRefused, match="stray cell"):
        kept.unfold(workbook(("S", [["a"], ["b"]]), change=stray))
    assert not kept.spools()


def test_a_csv_may_have_a_title_above_its_headings(kept):
    path = kept.write("会员导出\n\n会员号,姓名,手机号\nM1,张伟,13800000000\n")
    assert rows_of(path) == (["会员号", "姓名", "手机号"], {4: ["M1", "张伟", "13800000000"]})
    lines = kept.write("手机号\n13800000000\n13900000000\n")
    assert rows_of(lines) == (["手机号"], {2: ["13800000000"], 3: ["13900000000"]})
    broken = kept.write('member_no,"phone\nnumber"\nM1,2\n')
    assert rows_of(broken) == (["member_no", "phone number"], {3: ["M1", "2"]})


@pytest.mark.parametrize("text", ["<html><table>", "<?xml version='1.0'?>", "%PDF-1.7"])
def test_a_web_page_that_is_called_xls_is_refused(kept, text):
    with pytest.raises(ImportRefused, match="web page"):
        inspect_file(kept.write(text))


def test_the_spool_is_read_by_the_ordinary_reader_of_csv(kept):
    found = kept.unfold(workbook(("S", [["a", "b"], ["1", 'x"y']])))
    with found.path.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [["a", "b"], ["1", 'x"y']]
