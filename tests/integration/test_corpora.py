"""Ingest against corpora that nobody here wrote; skipped, with a line saying so, where they are not at hand.

What comes of each file is listed in tests/golden/corpora.md. A deliberate change is taken over with
`WINNOW_TEST_GOLDEN=write .venv/bin/python -m pytest tests/integration/test_corpora.py`, and then read in `git diff`.
"""

from __future__ import annotations

import collections
import csv
import io
import json
import os
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from schemas.policies import Source
from schemas.records import RawFile
from tasks.ingest.blocks import REJECT_SCHEMA, record_schema
from tasks.ingest.reader import RecordReader

CORPORA = Path(__file__).parents[2] / "../shared/corpora"
#: Decompresses to two gigabytes.
SLOW = {"large_string_map.brotli.parquet"}

#: The files that are listed.
DUMPS = (
    "csv-spectrum/csvs/*.csv", "jsontestsuite/test_parsing/*.json", "parquet-testing/**/*.parquet",
    "parquet-testing/**/*.encrypted", "parquet-testing/**/*.bin",
)  # fmt: skip
TABLE = Path(__file__).parents[1] / "golden" / "corpora.md"
TABLE_HEAD = """\
# What comes of each file of three corpora

Kept true by tests/integration/test_corpora.py. Of a JSON text, `y_` must be accepted, `n_` refused, and either may come
of `i_`; each is read as one or several lines of a dump, between two good lines that are not counted. What is valid but
no object is no record, so it is rejected, too.

| file | read as | parsed | rejected | by |
| --- | --- | ---: | ---: | --- |
"""


def files(folder: str, pattern: str) -> list[object]:
    """The files of a corpus as parameters; one that skips where the corpus is not at hand."""
    found = sorted((CORPORA / folder).rglob(pattern))
    absent = pytest.param(Path(), id="absent", marks=pytest.mark.skip(f"the corpus {folder} is not at hand"))
    marks = {path: [pytest.mark.slow] if path.name in SLOW else [] for path in found}
    return [pytest.param(path, id=path.name, marks=marks[path]) for path in found] or [absent]


def read(data: bytes, path: str, columns: list[str]) -> tuple[pl.DataFrame, pl.DataFrame, RawFile]:
    reader = RecordReader(io.BytesIO(data), path=path, source=Source("{partition}"), columns=columns)
    blocks = list(reader)
    records = pl.concat([pl.DataFrame(schema=record_schema(columns)), *(block.records for block in blocks)])
    rejects = pl.concat([pl.DataFrame(schema=REJECT_SCHEMA), *(block.rejects for block in blocks)])
    return records, rejects, reader.report


# --- the table --------------------------------------------------------------------------------------------------------


def listed() -> dict[str, str]:
    """The lines of the table by their files."""
    lines = TABLE.read_text().removeprefix(TABLE_HEAD).splitlines(keepends=True) if TABLE.exists() else []
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


def assert_listed(path: Path, form: str, parsed: int, rejects: pl.DataFrame) -> None:
    """Holds what came of a file against its line; under WINNOW_TEST_GOLDEN=write, makes it the line."""
    rules = collections.Counter(rejects.get_column("_rules").explode().to_list())
    by = ", ".join(f"{rule} {count}" if len(rules) > 1 else rule for rule, count in sorted(rules.items()))
    name = path.relative_to(CORPORA).as_posix()
    line = f"| {name} | {form} | {parsed} | {rejects.height} | {by} |\n"
    if os.environ.get("WINNOW_TEST_GOLDEN") == "write":
        lines = listed() | {name: line}
        TABLE.write_text(TABLE_HEAD + "".join(lines[each] for each in sorted(lines)))
    assert listed().get(name) == line, "what comes of it changed; see the module's docstring"


def test_the_table_lists_the_files_of_the_corpora_and_no_other() -> None:
    assert TABLE.read_text().startswith(TABLE_HEAD)
    if not CORPORA.is_dir():
        pytest.skip(f"no corpora at {os.path.normpath(CORPORA)}")
    found = [path for pattern in DUMPS for path in CORPORA.glob(pattern) if path.is_file()]
    assert sorted(listed()) == sorted(path.relative_to(CORPORA).as_posix() for path in found)


# --- csv-spectrum -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", files("csv-spectrum/csvs", "*.csv"))
def test_csv_spectrum_is_read_as_expected(path: Path) -> None:
    data = path.read_bytes()
    if path.stem.endswith("_crlf"):  # the snapshot was taken with line ends made LF; what is expected has them as CRLF
        data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    columns = next(csv.reader(io.StringIO(data.decode())))
    records, rejects, _ = read(data, path.name, columns)
    expected = json.loads((path.parents[1] / "json" / f"{path.stem}.json").read_bytes())
    assert records.select(columns).to_dicts() == expected
    assert rejects.is_empty()
    assert_listed(path, "csv", records.height, rejects)


# --- JSONTestSuite ----------------------------------------------------------------------------------------------------

BEFORE, AFTER = b'{"a":"before"}\n', b'{"a":"after"}\n'


def amid_good_lines(text: bytes) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reads a JSON text as one or several lines between two good ones, which must come through."""
    data = BEFORE + text + b"\n" + AFTER
    records, rejects, report = read(data, "a.jsonl", ["a", ""])
    assert records.get_column("_raw")[0] == BEFORE
    assert records.get_column("_raw")[-1] == AFTER
    raws = pl.concat([records.select("_record", "_raw"), rejects.select("_record", "_raw")]).sort("_record")
    assert b"".join(raws.get_column("_raw")) == data
    assert report.records == raws.height
    return records, rejects


@pytest.mark.parametrize("path", files("jsontestsuite/test_parsing", "y_*.json"))
def test_valid_json_is_parsed_if_it_is_an_object(path: Path) -> None:
    text = path.read_bytes()
    value = json.loads(text)
    # Line ends in a valid text are white space or stand in no string, so a blank changes nothing.
    records, rejects = amid_good_lines(text.replace(b"\n", b" ").replace(b"\r", b" "))
    if isinstance(value, dict):
        assert (records.height, rejects.height) == (3, 0)
    else:
        assert (records.height, rejects.get_column("_rules").to_list()) == (2, [["ingest.not_an_object"]])
    assert_listed(path, "jsonl", records.height - 2, rejects)


@pytest.mark.parametrize("path", files("jsontestsuite/test_parsing", "n_*.json"))
def test_invalid_json_is_rejected_with_its_bytes(path: Path) -> None:
    text = path.read_bytes()
    records, rejects = amid_good_lines(text)
    if b"\n" not in text:
        assert (records.height, rejects.height) == (2, 1)
        assert rejects.get_column("_raw").to_list() == [text + b"\n"]
    assert_listed(path, "jsonl", records.height - 2, rejects)


@pytest.mark.parametrize("path", files("jsontestsuite/test_parsing", "i_*.json"))
def test_json_that_parsers_disagree_about_loses_nothing(path: Path) -> None:
    records, rejects = amid_good_lines(path.read_bytes())
    assert_listed(path, "jsonl", records.height - 2, rejects)


# --- parquet-testing --------------------------------------------------------------------------------------------------

PARQUET = (
    files("parquet-testing", "*.parquet") + files("parquet-testing", "*.encrypted") + files("parquet-testing", "*.bin")
)

#: What can't be opened at all: encrypted, no Parquet, or a schema that is none.
UNOPENED = {"PARQUET-1481.parquet", "incorrect_map_schema.parquet", "bloom_filter.bin", "bloom_filter.xxhash.bin"}
#: What opens, but of which no row can be read; one of them has rows of a gigabyte.
UNREAD = {
    "ARROW-GH-41321.parquet", "ARROW-GH-45185.parquet", "ARROW-GH-47662.parquet",
    "ARROW-RS-GH-6229-DICTHEADER.parquet", "ARROW-RS-GH-6229-LEVELS.parquet", "datapage_v1-corrupt-checksum.parquet",
    "rle-dict-uncompressed-corrupt-checksum.parquet", "large_string_map.brotli.parquet",
    "encrypt_columns_plaintext_footer.parquet.encrypted",
}  # fmt: skip
#: Of which one row group can be read and the other can't.
HALF_READ = {"ARROW-GH-41317.parquet"}


def claimed(path: Path) -> tuple[list[str], int] | None:
    """Columns and rows of a file as its footer has them, or None where it has none to read."""
    try:
        file = pq.ParquetFile(path)
    except (OSError, ValueError):
        return None
    return file.schema_arrow.names, sum(file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))


@pytest.mark.parametrize("path", PARQUET)
def test_parquet_is_read_or_rejected_and_never_lost(path: Path) -> None:
    footer = claimed(path)
    columns, rows = footer or (["a"], 1)
    records, rejects, report = read(path.read_bytes(), "a.parquet", columns)
    assert records.height + rejects.height == rows == report.records
    if footer is None:
        assert path.name in UNOPENED or path.suffix == ".encrypted"
        assert rejects.get_column("_raw").to_list() == [path.read_bytes()]
    elif path.name in UNREAD:
        assert rejects.height == rows
    elif path.name in HALF_READ:
        assert 0 < rejects.height < rows
    else:
        assert rejects.is_empty()
        assert records.columns[-len(columns) :] == columns
    assert_listed(path, "parquet", records.height, rejects)


def test_the_corpora_are_whole() -> None:
    if not CORPORA.is_dir():
        pytest.skip(f"no corpora at {os.path.normpath(CORPORA)}")
    counts = [len(list((CORPORA / folder).rglob(pattern))) for folder, pattern in (
        ("csv-spectrum/csvs", "*.csv"),
        ("jsontestsuite/test_parsing", "[ny]_*.json"),
        ("parquet-testing", "*.parquet"),
    )]  # fmt: skip
    assert counts == [11, 283, 83]
