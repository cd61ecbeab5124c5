import datetime as dt
import gzip
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.errors import DeclarationError, DumpUnreadableError, HeaderError
from schemas.policies import Drift, Limits, Source
from tasks.ingest import sheets, workbook
from tasks.ingest.blocks import RecordFlag
from tasks.ingest.reader import RecordReader

Reader = Callable[..., Any]

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
#: Styles 0 to 5: none, a date, an instant, a duration, per cent, a time; 6: red below zero.
_STYLES = f"""<styleSheet xmlns="{_MAIN}"><numFmts count="3">
<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm:ss.000"/><numFmt numFmtId="165" formatCode="[h]:mm:ss"/>
<numFmt numFmtId="166" formatCode="0.00;[Red]\\-0.00&quot; dry&quot;"/></numFmts>
<cellXfs count="7"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="9"/>
<xf numFmtId="21"/><xf numFmtId="166"/></cellXfs></styleSheet>"""
DATE, INSTANT, DURATION, PERCENT, TIME, RED = range(1, 7)


def number(value: object, style: int = 0) -> str:
    return f'<c r="@" s="{style}"><v>{value}</v></c>'


def text(value: str) -> str:
    return f'<c r="@" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'


def rows(*lines: list[str], first: int = 1, column: str = "A") -> str:
    """Rows of cells, each at its place; an empty string is no cell."""
    found = ""
    for line, cells in enumerate(lines, start=first):
        placed = [cell.replace('r="@"', f'r="{chr(ord(column) + at)}{line}"') for at, cell in enumerate(cells) if cell]
        found += f'<row r="{line}">{"".join(placed)}</row>' if placed else ""
    return found


def book(
    sheets: dict[str, str] | str,
    *,
    shared: str = "",
    properties: str = "",
    beside: dict[str, str] | None = None,
) -> bytes:
    """An XLSX file of these sheets, by name, given as the rows in them."""
    named = {"Data": sheets} if isinstance(sheets, str) else sheets
    numbers = range(1, len(named) + 1)
    entries = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in zip(numbers, named, strict=True)
    )
    links = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
    )
    inside = f"{properties}<sheets>{entries}</sheets>"
    office = f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}">{office}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">{inside}</workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{links}</Relationships>',
        "xl/styles.xml": _STYLES,
        "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}">{shared}</sst>',
    }
    for n, found in zip(numbers, named.values(), strict=True):
        whole = found if found.startswith("<?") else f"<sheetData>{found}</sheetData>"
        parts[f"xl/worksheets/sheet{n}.xml"] = f'<worksheet xmlns="{_MAIN}">{whole}</worksheet>'
    return archive(parts | (beside or {}))


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, part in parts.items():
            packed.writestr(name, part)
    return sink.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


HEADER = [text("id"), text("t")]
SMALL = book(rows(HEADER, [number(1), text("a")], [number(2.5), text(" b ")], [number(3), ""]))


def one_cell(read: Reader, cell: str, **options: str) -> str | None:
    found = read(book(rows([text("x"), text("n")], [cell, number(7)]), **options), "a.xlsx", ["x", "n"])
    ((value, beside),) = found.rows()
    assert beside == "7"
    return value  # type: ignore[no-any-return]


def test_rows_are_records_whose_line_is_the_row(read: Reader) -> None:
    found = read(SMALL, "a.xlsx", ["t", "id"])
    assert found.rows() == [("a", "1"), (" b ", "2.5"), (None, "3")]
    places = found.records.select("_record", "_line", "_offset", "_length", "_raw", "_flags").rows()
    assert places == [(number, number + 1, None, None, None, 0) for number in (1, 2, 3)]
    report = found.report
    assert (report.format, report.text_size, report.header_size, report.records) == ("xlsx", None, None, 3)
    assert (report.size, report.sha256, report.notes) == (len(SMALL), hashlib.sha256(SMALL).hexdigest(), ())


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("0.10000000000000001", "0.1"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("1E+20", "1e+20"),
        ("-12.5", "-12.5"),
        ("123456789012345", "123456789012345"),
        ("9007199254740993", "9007199254740993"),
        ("-1234567890123456789", "-1234567890123456789"),
        ("1e400", "1e400"),
        ("1e-400", "1e-400"),
    ],
)
def test_a_number_is_the_shortest_text_of_what_is_stored(read: Reader, stored: str, expected: str) -> None:
    assert one_cell(read, number(stored)) == expected
    assert one_cell(read, number(stored, PERCENT)) == expected
    assert one_cell(read, f'<c t="n" r="@"><f>A9</f><v>{stored}</v></c>') == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('<c r="@" t="b"><v>1</v></c>', "true"),
        ('<c r="@" t="b"><v>0</v></c>', "false"),
        ('<c r="@" t="e"><v>#N/A</v></c>', "#N/A"),
        ('<c t="e" r="@"><f>1/0</f><v>#DIV/0!</v></c>', "#DIV/0!"),
        ("<c r='@' t='e'><v>#SPILL!</v></c>".replace("'@'", '"@"'), "#SPILL!"),
        ('<c r="@" t="str"><f>x</f><v>a &amp; b</v></c>', "a & b"),
        ('<c r="@" t="s"><v>1</v></c>', "rich text"),
        ('<c r="@" t="s"><v>0</v></c>', "plain\r\n2"),
        ('<c r="@" t="str"><v>9007199254740993000</v></c>', "9007199254740993000"),
        ('<c r="@" t="d"><v>2026-11-01T10:00:00.1234567Z</v></c>', "2026-11-01T10:00:00.1234567Z"),
        (text("1.0"), "1.0"),
        (text(""), None),
        ('<c r="@" s="1"/>', None),
        ("", None),
    ],
)
def test_each_kind_of_cell_has_a_text(read: Reader, cell: str, expected: str | None) -> None:
    rich = "<si><r><t>rich</t></r><r><rPr><b/></rPr><t xml:space='preserve'> text</t></r></si>"
    shared = f"<si><t>plain_x000D_\n2</t></si>{rich}"
    assert one_cell(read, cell, shared=shared) == expected


@pytest.mark.parametrize(
    ("cell", "expected", "later"),
    [
        (number(45000, DATE), "2023-03-15", "2027-03-16"),
        (number(45000.5, INSTANT), "2023-03-15T12:00:00", "2027-03-16T12:00:00"),
        (number(45000.123456789, INSTANT), "2023-03-15T02:57:46.667", "2027-03-16T02:57:46.667"),
        (number(0.25, TIME), "06:00:00", "06:00:00"),
        (number(1.1041666666666667, DURATION), "26:30:00", "26:30:00"),
        (number(0.000005787037037037037, DURATION), "00:00:00.500", "00:00:00.500"),
        (number(2958466, DATE), "2958466", "2958466"),
        (number(-1, DATE), "-1", "-1"),
        (number("-0.10000000000000001", DATE), "-0.10000000000000001", "-0.10000000000000001"),
        (number("-0.10000000000000001", RED), "-0.1", "-0.1"),
    ],
)
def test_dates_are_iso_8601_in_both_systems(read: Reader, cell: str, expected: str, later: str) -> None:
    assert one_cell(read, cell) == expected
    assert one_cell(read, cell, properties='<workbookPr date1904="1"/>') == later


def test_a_whole_day_under_a_declared_instant_is_its_midnight() -> None:
    data = book(rows(HEADER, [number(45000, INSTANT), number(45000, DATE)], [number(45000.5, INSTANT), text("x")]))
    dtypes = {"id": pl.Datetime(), "t": pl.Date()}
    source = Source("{partition}")
    (block,) = RecordReader(io.BytesIO(data), path="a.xlsx", source=source, columns=["id", "t"], dtypes=dtypes)
    assert block.records.select("id", "t").rows() == [
        ("2023-03-15T00:00:00", "2023-03-15"),
        ("2023-03-15T12:00:00", "x"),
    ]


def test_the_header_is_the_row_that_names_most_columns_and_rows_above_are_noted(read: Reader) -> None:
    title, lines = [text("Report of id")], rows(HEADER, [number(1), text("a")], first=4, column="C")
    found = read(book(rows(title, [text("t")]) + lines), "a.xlsx", ["id", "t"])
    assert found.rows() == [("1", "a")]
    assert found.records.get_column("_line").to_list() == [5]
    assert found.report.notes == ("rows above the header: 3",)


def test_columns_are_held_against_the_declared_ones(read: Reader) -> None:
    with pytest.raises(HeaderError, match="undeclared columns 't'"):
        read(SMALL, "a.xlsx", ["id"])
    with pytest.raises(HeaderError, match="no column 'x'"):
        read(SMALL, "a.xlsx", ["id", "t", "x"])
    with pytest.raises(HeaderError, match="none of the declared columns"):
        read(SMALL, "a.xlsx", ["x"])
    drift = Drift(missing="quarantine", extra="ignore", renamed={"t": "text"})
    found = read(SMALL, "a.xlsx", ["other", "text"], drift=drift)
    assert found.rows() == [(None, "a"), (None, " b "), (None, None)]
    assert found.records.get_column("_flags").to_list() == [RecordFlag.MISSING_COLUMN] * 3
    assert {finding.kind for finding in found.report.drift} == {"missing", "extra", "renamed"}


def test_blank_rows_between_records_are_rejected_and_those_behind_are_none(read: Reader) -> None:
    blank = [text("")]
    data = book(
        rows(HEADER, [number(1), text("a")], [], blank, [number(2), text("b")], [], blank, ['<c r="@" s="1"/>'])
    )
    found = read(data, "a.xlsx", ["id", "t"])
    assert found.rows() == [("1", "a"), ("2", "b")]
    assert found.refused() == [(2, "blank_line", None), (3, "blank_line", None)]
    assert found.rejects.get_column("_line").to_list() == [3, 4]
    assert found.report.records == 4
    assert found.report.notes == ("rows of empty text behind the last record: 2",)


def test_a_value_under_no_name_is_rejected_and_kept_as_json(read: Reader) -> None:
    data = book(rows([text("id"), "", text("t")], [number(1), text("stray"), text("a")], [number(2), "", text("b")]))
    found = read(data, "a.xlsx", ["id", "t"])
    assert found.rows() == [("2", "b")]
    ((where, slug, raw),) = found.refused()
    assert (where, slug, json.loads(raw)) == (1, "too_many_fields", ["1", "stray", "a"])
    assert found.reason() == "a value in column B, which the header does not name"


def test_rows_of_many_batches_are_one_sequence(read: Reader) -> None:
    lines = [[number(n), text(f"t{n}")] if n % 7 else [] for n in range(1, 5_000)]
    found = read(book(rows(HEADER, *lines)), "a.xlsx", ["id", "t"], block_size=2_000)
    assert found.blocks > 10
    assert found.rows() == [(str(n), f"t{n}") for n in range(1, 5_000) if n % 7]
    assert [where for where, _, _ in found.refused()] == [n for n in range(1, 5_000) if n % 7 == 0]
    assert found.records.get_column("_line").to_list() == [n + 1 for n in range(1, 5_000) if n % 7]


def test_a_row_longer_than_a_record_may_be_is_rejected_alone(read: Reader) -> None:
    data = book(rows(HEADER, [number(1), text("x" * 5_000)], [number(2), text("b")]))
    found = read(data, "a.xlsx", ["id", "t"], max_record_bytes=1_000)
    assert found.rows() == [("2", "b")]
    assert found.refused() == [(1, "record_too_long", None)]
    assert found.reason().startswith("a row of 5,001 characters, 1,000 at most")


def test_a_cell_longer_than_declared_costs_its_row_and_keeps_it(read: Reader) -> None:
    data = book(rows(HEADER, [number(1), text("x" * 50)], [number(2), text("b")]))
    found = read(data, "a.xlsx", ["id", "t"], limits=Limits(max_cell_bytes=20))
    assert found.rows() == [("2", "b")]
    ((where, slug, raw),) = found.refused()
    assert (where, slug, json.loads(raw)) == (1, "cell_too_long", ["1", "x" * 50])
    with pytest.raises(HeaderError, match="max_columns"):
        read(data, "a.xlsx", ["id", "t"], limits=Limits(max_columns=1))


def test_a_value_without_a_text_costs_its_row(read: Reader) -> None:
    data = book(rows(HEADER, [number(1), number("1e299", DURATION)], [number(2), text("b")]))
    found = read(data, "a.xlsx", ["id", "t"])
    # Numbers that far out are text as they are stored, so that none is lost.
    assert found.rows() == [("1", "1e299"), ("2", "b")]
    data = book(rows(HEADER, [number(1), number("9" * 15 + "e9", DURATION)], [number(2), text("b")]))
    found = read(data, "a.xlsx", ["id", "t"])
    assert found.rows() == [("2", "b")]
    assert found.refused() == [(1, "unreadable_sheet", None)]


def test_what_is_odd_about_a_sheet_is_noted(read: Reader) -> None:
    uncalculated = '<c r="@"><f>1+1</f><v></v></c>'
    merged = f"<?x?><sheetData>{rows(HEADER, [number(1), uncalculated])}</sheetData>"
    data = book({"Data": merged + '<mergeCells count="1"><mergeCell ref="A3:B4"/></mergeCells>'})
    found = read(data, "a.xlsx", ["id", "t"])
    assert found.rows() == [("1", None)]
    assert found.report.notes == (
        "formulas without a stored result, or with an empty one: 1",
        "merged ranges, whose value stands in the first cell: 1",
    )


TWO = book({"Notes\x85": rows([text("read me")]), "Empty": "", "Data": rows(HEADER, [number(1), text("a")])})


def test_the_only_sheet_with_data_is_read_or_the_declared_one(read: Reader) -> None:
    assert read(book({"Empty": "", "Data": rows(HEADER, [number(1), text("a")])}), "a.xlsx", ["id", "t"]).rows()
    for sheet in ("Data", 3):
        assert read(TWO, "a.xlsx", ["id", "t"], sheet=sheet).rows() == [("1", "a")]
    several = r"the sheets 'Notes\\x85', 'Data' have data; expected one sheet.*Source\(sheet=\.\.\.\)"
    with pytest.raises(HeaderError, match=several):
        read(TWO, "a.xlsx", ["id", "t"])
    for sheet in ("data", 4):
        with pytest.raises(HeaderError, match=f"no sheet '{sheet}' among the sheets 'Notes.*', 'Empty', 'Data'"):
            read(TWO, "a.xlsx", ["id", "t"], sheet=sheet)
    with pytest.raises(DeclarationError, match="sheet"):
        Source("{partition}", sheet=0)


@pytest.mark.parametrize(("sheet", "note"), [(None, "no data in any sheet"), ("Data", "no data in the sheet")])
def test_a_file_without_data_is_a_note(read: Reader, sheet: str | None, note: str) -> None:
    found = read(book({"Data": "", "Other": ""}), "a.xlsx", ["id"], sheet=sheet)
    assert (found.report.records, found.report.notes, found.blocks) == (0, (note,), 0)
    assert read(book(rows(HEADER)), "a.xlsx", ["id", "t"]).report.notes == ("no record behind the header",)


def test_a_compressed_file_is_read(read: Reader) -> None:
    assert read(gzip.compress(SMALL), "a.xlsx.gz", ["id", "t"]).rows() == read(SMALL, "a.xlsx", ["id", "t"]).rows()


# --- hostile files ----------------------------------------------------------------------------------------------------


def refused(read: Reader, data: bytes) -> str:
    """The reason for which a file is one rejected record with its bytes."""
    found = read(data, "a.xlsx", ["id", "t"])
    assert found.refused() == [(1, "unreadable_sheet", data[: 1 << 20])]
    assert found.report.records == 1
    assert found.reason().startswith("can't be read as XLSX: ")
    assert found.reason().isprintable()
    return str(found.reason())


@pytest.mark.parametrize("data", [b"", b"PK", b"nonsense\x1b[31m", SMALL[:-30], SMALL[30:], archive({"a.xml": "<a/>"})])
def test_a_file_that_is_no_workbook_is_one_reject_with_its_bytes(read: Reader, data: bytes) -> None:
    assert refused(read, data)


def test_of_a_great_file_the_first_bytes_are_kept_and_that_is_said(read: Reader) -> None:
    found = read(b"x" * 1_000, "a.xlsx", ["id"], max_record_bytes=100)
    assert found.refused() == [(1, "unreadable_sheet", b"x" * 100)]
    assert "the first 100 of 1,000 bytes" in found.reason()


def test_cells_far_apart_cost_the_file_and_not_the_process(read: Reader) -> None:
    data = book('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>')
    assert "SIGABRT" in refused(read, data)


def test_a_string_shared_a_million_times_costs_the_file_and_not_the_process(
    read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "_MOST_MEMORY", 1 << 29)
    cells = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 2_000))
    assert "SIGABRT" in refused(read, book(cells, shared=f"<si><t>{'x' * 1_000_000}</t></si>"))


def test_a_bomb_is_not_decompressed(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_MOST_XML_BYTES", 1_000_000)
    data = book(rows(HEADER), beside={"xl/bomb.xml": "x" * 2_000_000, "xl/media/film.bin": "y" * 2_000_000})
    assert "bytes decompressed, 1,000,000 at most: let the source split it" in refused(read, data)
    monkeypatch.undo()
    found = read(data, "a.xlsx", ["id", "t"], limits=Limits(max_text_bytes=1_000_000))
    assert found.refused()[0][1] == "unreadable_sheet"
    assert "Source(limits=Limits(max_text_bytes=" in found.reason()
    assert read(book(rows(HEADER), beside={"xl/drawings/a.xml": "x" * 2_000_000}), "a.xlsx", ["id", "t"])


def test_a_directory_that_lies_about_sizes_is_found_out(read: Reader) -> None:
    data = bytearray(book(rows(HEADER, [number(1), text("x" * 9_999)])))
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (100).to_bytes(4, "little")
    assert "Bad CRC-32" in refused(read, bytes(data))


def test_a_member_that_is_there_twice_is_no_workbook(read: Reader) -> None:
    sink = io.BytesIO(SMALL)
    with zipfile.ZipFile(sink, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
    assert "two members" in refused(read, sink.getvalue())


def test_entities_are_neither_expanded_nor_fetched(read: Reader) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    declared = f'<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    sheet = book(rows(HEADER, [number(1), text("&l9;")]))
    assert refused(read, sheet)
    parts = members(sheet)
    parts["xl/worksheets/sheet1.xml"] = declared.encode() + parts["xl/worksheets/sheet1.xml"]
    assert "document type declaration" in refused(read, archive(parts))


def test_a_shared_string_without_a_number_is_not_another_one(read: Reader) -> None:
    data = book(rows(HEADER, [number(1), '<c r="@" t="s"><v>zero</v></c>']), shared="<si><t>secret</t></si>")
    assert "shared string without a number" in refused(read, data)


def test_flipped_cut_and_doubled_bytes_lose_no_file_and_stop_nothing(read: Reader) -> None:
    seed = 20_261_101
    chance = random.Random(seed)
    good = read(SMALL, "a.xlsx", ["id", "t"]).rows()
    for _ in range(12):
        try:
            found = read(mutated(SMALL, chance), "a.xlsx", ["id", "t"])
        except HeaderError:
            continue
        # What is read has passed its checksums: it is all of it or nothing.
        assert found.rows() == good or [slug for _, slug, _ in found.refused()] == ["unreadable_sheet"], seed


def test_broken_xml_behind_a_right_checksum_stops_nothing(read: Reader) -> None:
    seed = 20_261_102
    chance = random.Random(seed)
    parts = members(SMALL)
    for _ in range(12):
        name = chance.choice(sorted(parts))
        try:
            found = read(archive({**parts, name: mutated(parts[name], chance)}), "a.xlsx", ["id", "t"])
        except HeaderError:
            continue
        assert found.report.records == found.records.height + found.rejects.height, seed


def mutated(data: bytes, chance: random.Random) -> bytes:
    at, size = chance.randrange(len(data)), chance.randrange(1, 40)
    kind = chance.randrange(3)
    if kind == 0:
        return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
    return data[:at] + data[at + size :] if kind == 1 else data[: at + size] + data[at:]


# --- the process that reads -------------------------------------------------------------------------------------------


def test_a_reader_that_can_not_be_run_is_no_fault_of_the_file(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook.workbook_child, "__file__", "/nowhere/reader.py")
    with pytest.raises(DumpUnreadableError, match=r"a\.xlsx.*exit code 2"):
        read(SMALL, "a.xlsx", ["id", "t"])


def test_a_reader_that_is_killed_is_no_fault_of_the_file(
    read: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    suicide = tmp_path / "reader.py"
    suicide.write_text("import os\nos.kill(os.getpid(), 9)\n")
    monkeypatch.setattr(workbook.workbook_child, "__file__", str(suicide))
    with pytest.raises(DumpUnreadableError, match="SIGKILL"):
        read(SMALL, "a.xlsx", ["id", "t"])


def test_one_that_takes_too_long_is_ended_and_the_file_refused(
    read: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    endless = tmp_path / "reader.py"
    endless.write_text(
        "import json, resource, sys\n"
        "seconds = json.loads(sys.argv[1])['most_seconds']\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))\n"
        "while True: pass\n"
    )
    monkeypatch.setattr(workbook.workbook_child, "__file__", str(endless))
    monkeypatch.setattr(sheets, "_MOST_SECONDS", 1)
    assert "SIGXCPU" in refused(read, SMALL)


def test_what_nobody_reads_to_its_end_is_left_behind_by_no_process() -> None:
    lines = [[number(n), text("x" * 100)] for n in range(20_000)]
    data = book(rows(HEADER, *lines))
    blocks = iter(RecordReader(io.BytesIO(data), path="a.xlsx", source=Source("{partition}"), columns=["id", "t"]))
    assert next(blocks).records.height
    begun = dt.datetime.now(tz=dt.UTC)
    blocks.close()  # type: ignore[attr-defined]  # a generator
    assert dt.datetime.now(tz=dt.UTC) - begun < dt.timedelta(seconds=5)
