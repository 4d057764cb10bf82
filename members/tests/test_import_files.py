"""Files of any size and shape are read in constant memory."""

import io
import tracemalloc

import pytest

from members.imports.errors import ImportRefused
from members.imports.files import MAX_ROW_BYTES, chunks, inspect_file, opened


def read(path, *, rows=3, start=0, start_line=0):
    """Return the readable rows by line, the bad lines, and the last chunk."""
    shape = inspect_file(path)
    good, bad, last = {}, {}, None
    with opened(path, shape.encoding) as source:
        for chunk in chunks(source, shape, rows=rows, start=start, start_line=start_line):
            good.update(zip(chunk.lines, chunk.rows, strict=True))
            bad.update({row.line: row for row in chunk.bad})
            last = chunk
    return good, bad, last


@pytest.fixture
def file_of(tmp_path):
    """Return a function that writes bytes to a file."""

    def write(data):
        path = tmp_path / "some.csv"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("gb18030", "gb18030"),
        ("gbk", "gb18030"),
        ("utf-16", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters_are_recognised(file_of, encoding, found, delimiter):
    text = delimiter.join(["会员号", "姓名"]) + "\n" + delimiter.join(["1", "张伟"]) + "\n"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    path = file_of((mark + text + delimiter.join(["2", "王芳"])).encode(encoding))
    shape = inspect_file(path)
    assert (shape.encoding, shape.delimiter, shape.headings) == (
        found,
        delimiter,
        ["会员号", "姓名"],
    )
    assert read(path)[0] == {2: ["1", "张伟"], 3: ["2", "王芳"]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \r\n \n", "empty"),
        (b"\xef\xbb\xbf\n", "no headings"),
        (b"PK\x03\x04rest", "Excel"),
        (b"\x89PNG\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "no text file"),
        (b"a,b\r1,2\r", "CR"),
        (b"a,b\r1,2\n3,4\n", "CR"),
        (b"name\n" + b"\xff\xfe\xff\x80" * 30, "neither"),
    ],
)
def test_a_file_that_is_no_csv_is_refused_in_words(file_of, data, words):
    with pytest.raises(ImportRefused, match=words):
        inspect_file(file_of(data))


def test_headings_alone_are_told_from_headings_with_rows(file_of):
    for data in (b"a,b", b"a,b\n\n,,\r\n \n", "a,b\n".encode("utf-16")):
        assert not inspect_file(file_of(data)).has_rows
    for data in (b"a,b\n1,", b"a,b\n" + b"\n" * 2_000_000 + b"1,2", "a,b\n1,2".encode("utf-16")):
        assert inspect_file(file_of(data)).has_rows


def test_a_missing_file_is_refused_in_words(tmp_path):
    with pytest.raises(ImportRefused, match="cannot be read"):
        inspect_file(tmp_path / "none.csv")


def test_few_broken_bytes_in_utf8_give_back_their_row_only(file_of):
    lines = ["号,名", *(f"{number},张伟张伟" for number in range(9))]
    data = "\n".join(lines).encode().replace(b"4,\xe5", b"4,\xff")
    good, bad, _last = read(file_of(data))
    assert sorted(good) == [2, 3, 4, 5, 7, 8, 9, 10]
    assert "UTF-8" in bad[6].reason


def test_quoted_line_breaks_stay_in_their_cell_across_chunks(file_of):
    path = file_of('a,b\n1,"x\ny\nz"\n2,"p\nq"\n3,c\n')
    for rows in (1, 2, 3, 50):
        good, bad, last = read(path, rows=rows)
        assert good == {2: ["1", "x\ny\nz"], 5: ["2", "p\nq"], 7: ["3", "c"]}
        assert not bad
        assert (last.end, last.end_line) == (path.stat().st_size, 7)


def test_a_first_chunk_may_be_shorter_and_the_rest_goes_on_after_it(file_of):
    path = file_of("a,b\n" + "".join(f"{number},x\n" for number in range(9)))
    shape = inspect_file(path)
    with opened(path, shape.encoding) as source:
        found = [chunk.lines for chunk in chunks(source, shape, rows=4, first_rows=2)]
    assert found == [[2, 3], [4, 5, 6, 7], [8, 9, 10]]


def test_a_quotation_mark_without_partner_costs_its_own_row_only(file_of):
    path = file_of('a,b\n1,x\n2,"y\n3,z\n4,w\n')
    for rows in (1, 2, 50):
        good, bad, _last = read(path, rows=rows)
        assert good == {2: ["1", "x"], 4: ["3", "z"], 5: ["4", "w"]}
        assert list(bad) == [3]
        assert "quotation mark" in bad[3].reason
        assert bad[3].cells == ['2,"y']


def test_a_mark_that_finds_a_wrong_partner_gives_the_rows_between_back_to_reading(file_of):
    path = file_of('a,b\n1,"x\n2,y\n3,"z"\n4,w\n')
    good, bad, _last = read(path, rows=50)
    assert good == {3: ["2", "y"], 4: ["3", "z"], 5: ["4", "w"]}
    assert list(bad) == [2]


def test_a_row_of_another_width_is_given_back(file_of):
    good, bad, _last = read(file_of("a,b\n1,2\n1,2,3\n1\n4,5,,\n\n6,7\n"))
    assert good == {2: ["1", "2"], 5: ["4", "5"], 7: ["6", "7"]}
    assert sorted(bad) == [3, 4]
    assert "3 cells" in bad[3].reason


def test_reading_on_from_a_checkpoint_gives_the_rest_and_nothing_else(file_of):
    path = file_of('a,b\n1,"x\ny"\n2,z\n3,"p\nq"\n4,r\n')
    whole, _bad, _last = read(path, rows=50)
    shape = inspect_file(path)
    with opened(path, shape.encoding) as source:
        first = next(chunks(source, shape, rows=2))
    rest, _bad, _last = read(path, start=first.end, start_line=first.end_line)
    assert {**dict(zip(first.lines, first.rows, strict=True)), **rest} == whole
    assert not set(first.lines) & set(rest)


def test_a_cell_of_ten_million_characters_is_given_back_and_the_rest_read(file_of):
    giant = "x" * 10_000_000
    good, bad, _last = read(file_of(f'a,b\n1,2\n3,{giant}\n4,5\n6,"{giant}"\n7,8\n'))
    assert good == {2: ["1", "2"], 4: ["4", "5"], 6: ["7", "8"]}
    assert sorted(bad) == [3, 5]
    assert f"{MAX_ROW_BYTES // 1024} KB" in bad[3].reason


def test_a_heading_and_a_cell_may_be_as_long_as_a_row(file_of):
    for data in (b"member_no," + b"n" * 200_000 + b"\n1,2\n", b"a,b\n" + b"1" * 200_000 + b",2\n"):
        good, bad, _last = read(file_of(data))
        assert (list(good), bad) == ([2], {})


def test_memory_does_not_grow_with_the_file(file_of, tmp_path):
    def peak(lines):
        path = file_of(b"a,b,c\n" + b"1234567890,abcdefghij,0987654321\n" * lines)
        shape = inspect_file(path)
        tracemalloc.start()
        with opened(path, shape.encoding) as source:
            read_lines = sum(len(chunk.rows) for chunk in chunks(source, shape, rows=2_000))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert read_lines == lines
        return most

    assert peak(80_000) < 1.2 * peak(8_000)


def test_one_line_without_end_takes_no_more_memory_than_a_block(file_of):
    path = file_of(b"a,b\n1," + b"x" * 30_000_000)
    shape = inspect_file(path)
    tracemalloc.start()
    with opened(path, shape.encoding) as source:
        found = list(chunks(source, shape))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.line for chunk in found for row in chunk.bad] == [2]
    assert most < 8_000_000


def test_windows_line_ends_leave_no_trace(file_of):
    assert read(file_of("a,b\r\n1,2\r\n3,4\r\n"))[0] == {2: ["1", "2"], 3: ["3", "4"]}


def test_source_may_be_any_binary_stream(file_of):
    path = file_of("a,b\n1,2\n")
    shape = inspect_file(path)
    assert [chunk.rows for chunk in chunks(io.BytesIO(path.read_bytes()), shape)] == [[["1", "2"]]]
