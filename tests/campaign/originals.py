"""Originals: the whole files that a campaign damages, from the corpora and generated.

Belongs here: what stands in a file before anything happens to it, and which columns and settings read it. Does not
belong here: its encoding, line ends and compression (dressing), or damage (mutations).

A file of the corpora joins by lying there. A new format needs one generated original here; a test asks for it.
"""

from __future__ import annotations

import csv
import functools
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.policies import Format
from tests.campaign.dressing import packed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
FORMATS: tuple[str, ...] = get_args(Format)
GENERATED = "generated"
#: What a Parquet file may decompress to; one of the corpora's takes two gigabytes.
_MOST_DECOMPRESSED = 64 << 20
_NAMES = ("id", "name", "amount", "day", "note")


@dataclass(frozen=True)
class Original:
    """A whole file.

    Attributes:
        name: its path below the corpora, or a name of its own behind `generated/`.
        format: as `Source` has it.
        data: the file; of a text, as UTF-8 with LF or CRLF.
        columns: its own.
        head: bytes that stay in front when only a part of it is taken.
        settings: of `Source`, without which it is read otherwise.
    """

    name: str
    format: str
    data: bytes
    columns: tuple[str, ...]
    head: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The corpus."""
        return self.name.partition("/")[0]

    @property
    def is_text(self) -> bool:
        """Whether it is still of its format when it is cut between lines."""
        return self.format in ("csv", "tsv", "jsonl")


@functools.cache
def originals() -> tuple[Original, ...]:
    """All of them, in an order that depends on their names alone; without the corpora, the generated ones."""
    found = [original for original in (*_of_corpora(), *_generated()) if original.format in FORMATS]
    return tuple(sorted(found, key=lambda original: original.name))


# --- of the corpora ---------------------------------------------------------------------------------------------------


def _of_corpora() -> Iterator[Original]:
    for path in sorted(CORPORA.rglob("*")) if CORPORA.is_dir() else ():
        if path.is_file() and path.parent != CORPORA:
            original = _READERS.get(path.suffix, _lines)(path.relative_to(CORPORA).as_posix(), path.read_bytes())
            if original:
                yield original


def _csv(name: str, data: bytes) -> Original:
    return _delimited(name, data)


def _json(name: str, data: bytes) -> Original:
    """Amid two lines that hold an object, so that something is parsed whatever the text."""
    amid = b'{"a":"before"}\n' + data + b'\n{"a":"after"}\n'
    return Original(name, "jsonl", amid, ("a", "b"))


def _parquet(name: str, data: bytes) -> Original | None:
    try:
        metadata = pq.ParquetFile(io.BytesIO(data)).metadata
        names = tuple(pq.read_schema(io.BytesIO(data)).names)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    except (OSError, ValueError, pa.ArrowException):
        return Original(name, "parquet", data, ("a",))
    size = sum(group.total_byte_size for group in groups)
    return Original(name, "parquet", data, names) if size < _MOST_DECOMPRESSED else None


def _lines(name: str, data: bytes) -> Original:
    """Any text as two columns: the first word of a line, and the rest."""
    lines = [b"\t".join(line.split(b" ", 1)) for line in data.splitlines()]
    return _delimited(name, b"word\trest\n" + b"\n".join(lines) + b"\n", form="tsv")


_READERS = {
    ".csv": _csv, ".json": _json, ".parquet": _parquet, ".encrypted": _parquet, ".bin": _parquet,
}  # fmt: skip


def _delimited(name: str, data: bytes, form: str = "csv", **settings: object) -> Original:
    """The columns are those that the first record names, behind the preamble."""
    lines = data.splitlines(keepends=True)
    preamble = int(str(settings.get("preamble", 0)))
    start = sum(map(len, lines[:preamble]))
    reader = csv.reader(io.StringIO(data[start:].decode(), newline=""), delimiter=_delimiter(form, settings))
    names = tuple(next(reader))
    head = start + sum(map(len, lines[preamble : preamble + reader.line_num]))
    return Original(name, form, data, names, head, settings)


def _delimiter(form: str, settings: Mapping[str, object]) -> str:
    return str(settings.get("delimiter", "\t" if form == "tsv" else ","))


# --- generated --------------------------------------------------------------------------------------------------------


def _rows(count: int) -> list[tuple[str, ...]]:
    notes = ("", "plain", 'says "hello"', "two\nlines", "a,b;c\td|e", "café ☕", "NA", " padded ", '"', "-", "\\N")
    return [
        (str(n), f"name {n % 17}", f"{n * 37 % 1000}.{n % 100:02d}", f"2026-11-{n % 28 + 1:02d}", notes[n % len(notes)])
        for n in range(1, count + 1)
    ]


def _written(rows: Sequence[Sequence[str]], **style: Any) -> bytes:  # noqa: ANN401  # whatever csv.writer takes
    sink = io.StringIO(newline="")
    csv.writer(sink, **{"lineterminator": "\n", **style}).writerows([_NAMES, *rows])
    return sink.getvalue().encode()


def _generated() -> Iterator[Original]:
    rows = _rows(300)
    plain = _written([row for row in rows if not set('"\n,') & set(row[-1])])
    yield _delimited("generated/plain.csv", plain)
    yield _delimited("generated/quoted.csv", _written(rows, quoting=csv.QUOTE_ALL))
    yield _delimited("generated/mixed.csv", _written(rows))
    yield _delimited("generated/crlf.csv", _written(rows, lineterminator="\r\n"))
    yield _delimited("generated/tabs.tsv", _written(rows, delimiter="\t"), form="tsv")
    for name, delimiter in {"semicolons": ";", "bars": "|"}.items():
        yield _delimited(f"generated/{name}.csv", _written(rows, delimiter=delimiter), delimiter=delimiter)
    yield _delimited("generated/preamble.csv", b"Export of today\nfor you\n\n" + plain, preamble=3)
    yield _delimited("generated/footer.csv", plain + b"Total,,123,,\n", footer=1)
    style = {"escapechar": "\\", "doublequote": False}
    yield _delimited("generated/escaped.csv", _written(rows, quoting=csv.QUOTE_NONE, **style), escape="\\", quote="")
    yield _delimited("generated/one_column.csv", b"name\n" + b"".join(b"%d\n\n" % n for n in range(200)))
    wide = [[f"{word}{n}" for n in range(300)] for word in ("column", "cell", "", "other")]
    yield _delimited("generated/wide.csv", b"".join(",".join(row).encode() + b"\n" for row in wide))
    yield _delimited(
        "generated/long_cells.csv", b"a,b\n" + b"".join(b"%s,y\n" % (b"x" * n) for n in (1, 9000, 3, 20000))
    )
    yield _generated_jsonl(rows)
    yield from _generated_parquet()
    yield Original("generated/book.xlsx", "xlsx", workbook([_NAMES, *rows[:40]]), _NAMES)


def _generated_jsonl(rows: Sequence[Sequence[str]]) -> Original:
    objects = [json.dumps(dict(zip(_NAMES, row, strict=True)), ensure_ascii=n % 2 == 0) for n, row in enumerate(rows)]
    odd = [
        '{"id":1,"id":2,"name":null}', '{"amount":123456789012345678901234567890,"note":1e400}',
        '{"note":{"a":[1,{"b":null}],"c":true}}', '{"note":"\\ud800"}', '{"extra":1}', "[1,2]", "null", "", "{",
    ]  # fmt: skip
    mixed = [line for n, each in enumerate(objects) for line in ([each, odd[n % len(odd)]] if n % 9 == 0 else [each])]
    return Original("generated/objects.jsonl", "jsonl", "\n".join(mixed).encode() + b"\n", _NAMES)


def _generated_parquet() -> Iterator[Original]:
    count = 60
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    table = pa.table(
        {
            "id": pa.array(range(count), pa.int32()),
            "name": pa.array([None if n % 7 == 0 else f"name {n % 5}" for n in range(count)]).dictionary_encode(),
            "amount": pa.array([Decimal(n) / 4 for n in range(count)], pa.decimal128(10, 2)),
            "at": pa.array([moment] * count, pa.timestamp("us", tz="UTC")),
            "share": pa.array([n / 3 for n in range(count)], pa.float64()),
            "raw": pa.array([bytes([n, 255 - n]) for n in range(count)], pa.binary()),
            "tags": pa.array([[str(n)] * (n % 3) for n in range(count)], pa.list_(pa.string())),
            "place": pa.array([{"x": n, "y": None} for n in range(count)]),
        }
    )
    for compression in ("none", "snappy", "zstd", "gzip"):
        sink = io.BytesIO()
        pq.write_table(table, sink, compression=compression, row_group_size=25, write_page_checksum=True)
        yield Original(f"generated/{compression}.parquet", "parquet", sink.getvalue(), tuple(table.column_names))


# --- a workbook -------------------------------------------------------------------------------------------------------

_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml'
    '.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_SHEETS}" xmlns:r="{_RELATIONS}"><sheets>'
    '<sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """An XLSX file of one sheet; cells that look like a number are one."""
    body = "".join(
        f'<row r="{number}">{"".join(_cell(number, column, cell) for column, cell in enumerate(row))}</row>'
        for number, row in enumerate(rows, start=1)
    )
    sheet = f'<worksheet xmlns="{_SHEETS}"><sheetData>{body}</sheetData></worksheet>'
    parts = {**_PARTS, "xl/worksheets/sheet1.xml": sheet}
    return packed({name: f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode() for name, text in parts.items()})


def _cell(row: int, column: int, text: str) -> str:
    place = quoteattr(f"{chr(ord('A') + column)}{row}")
    if text.replace(".", "", 1).isdigit():
        return f"<c r={place}><v>{text}</v></c>"
    return f'<c r={place} t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'
