"""An XLSX dump, cleaned from end to end: its books, its ledger and its places, as a reader of the store finds them."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from pathlib import Path

import pytest

from flows.clean import PLAIN, clean
from schemas.errors import HeaderError
from schemas.records import Books, RecordId, Role
from tasks.job import Job, Outcome
from tasks.publish.verify import verify_version
from tasks.report.explain import explain
from tasks.store.local import open_store
from tasks.store.versions import open_version

DECLARATION = '''"""Orders, which the sales desk keeps in a workbook."""
import pandera.polars as pa
import polars as pl

from schemas import Dataset, Dedupe, Gates, Source


class Orders(pa.DataFrameModel):
    id: int
    at: pl.Datetime = pa.Field(nullable=True)
    day: pl.Date
    price: float = pa.Field(ge=0)


DATASET = Dataset(
    model=Orders,
    source=Source("{partition}/*.xlsx", sheet=SHEET),
    dedupe=Dedupe(key=("id",)),
    gates=Gates(allow_empty=True),
)
'''

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_TITLE = '<row r="1"><c r="A1" t="inlineStr"><is><t>Orders of November</t></is></c></row>'
_HEADER = "".join(
    f'<c r="{column}3" t="inlineStr"><is><t>{name}</t></is></c>'
    for column, name in zip("ABCD", ("id", "at", "day", "price"), strict=True)
)


def row(line: int, number: str, at: str, day: str, price: str) -> str:
    return (
        f'<row r="{line}"><c r="A{line}"><v>{number}</v></c><c r="B{line}" s="1"><v>{at}</v></c>'
        f'<c r="C{line}" s="2"><v>{day}</v></c>{price.replace("@", f"D{line}")}</row>'
    )


GOOD = '<c r="@"><v>9.9900000000000002</v></c>'
ROWS = (
    f'{_TITLE}<row r="3">{_HEADER}</row>',
    row(4, "1", "45000", "45000", GOOD),
    row(5, "2", "45000.5", "45001", GOOD),
    row(7, "2", "45000.5", "45001", GOOD),
    row(8, "3", "45000.5", "45001", '<c r="@" t="e"><v>#N/A</v></c>'),
    row(9, "9007199254740993", "45000.5", "45001", '<c r="@"><v>0</v></c>'),
)


def book(**sheets: str) -> bytes:
    """An XLSX file of these sheets."""
    numbered = list(enumerate(sheets, start=1))
    entries = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in numbered)
    links = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/{n}.xml"/>' for n, _ in numbered
    )
    formats = '<numFmts><numFmt numFmtId="164" formatCode="yyyy-mm-dd hh:mm"/></numFmts>'
    styles = f'{formats}<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="14"/></cellXfs>'
    office = f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}">{office}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{entries}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{links}</Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}">{styles}</styleSheet>',
    }
    for n, name in numbered:
        data = f"<sheetData>{sheets[name]}</sheetData>"
        parts[f"xl/worksheets/{n}.xml"] = f'<worksheet xmlns="{_MAIN}">{data}</worksheet>'
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, part in parts.items():
            packed.writestr(name, part)
    return sink.getvalue()


class Place:
    """A folder in which one partition is laid out and cleaned."""

    def __init__(self, home: Path, data: bytes, sheet: str | None = None) -> None:
        self.home = home
        (home / "orders.py").write_text(DECLARATION.replace("SHEET", repr(sheet)))
        (home / "raw/p1").mkdir(parents=True)
        (home / "raw/p1/a.xlsx").write_bytes(data)
        self.store = open_store(str(home / "store"))

    def clean(self) -> Outcome:
        home = self.home
        job = Job("orders", "p1", str(home / "orders.py"), str(home / "raw"), str(home / "store"), run_id="r")
        return clean(job, PLAIN)


def test_a_workbook_is_cleaned_and_its_books_balance(tmp_path: Path) -> None:
    place = Place(tmp_path, book(Orders="".join(ROWS)))
    outcome = place.clean()
    assert outcome.books == Books(records=6, kept=3, duplicate=1, quarantined=1, rejected=1)
    assert verify_version(place.store, "orders", outcome.version, raw_root=str(tmp_path / "raw")).ok
    version = open_version(place.store, "orders")
    (raw,) = version.manifest.partitions["p1"].inputs
    assert (raw.format, raw.records, raw.notes) == ("xlsx", 6, ("rows above the header: 2",))
    clean_rows = version.scan(Role.CLEAN).sort("id").collect()
    noon = dt.datetime(2023, 3, 15, 12)  # noqa: DTZ001  # as the sheet has it, without a zone
    assert clean_rows.select("id", "at", "day", "price", "_record").rows() == [
        (1, noon.replace(hour=0), dt.date(2023, 3, 15), 9.99, 1),
        (2, noon, dt.date(2023, 3, 16), 9.99, 2),
        (9007199254740993, noon, dt.date(2023, 3, 16), 0.0, 6),
    ]
    quarantined = version.scan(Role.QUARANTINE).collect()
    assert quarantined.select("_record", "_line", "price", "_rules").rows() == [(5, 8, "#N/A", ["price.castable"])]
    rejected = version.scan(Role.REJECTS).collect()
    assert rejected.select("_record", "_line", "_rules").rows() == [(3, 6, ["ingest.blank_line"])]
    told = explain(place.store, version.manifest, RecordId(raw.sha256, 5), raw_root=str(tmp_path / "raw"))
    assert [(each.fate, each.line) for each in told.deliveries] == [("quarantined", 8)]


def test_cleaning_a_workbook_again_publishes_nothing_new(tmp_path: Path) -> None:
    place = Place(tmp_path, book(Orders="".join(ROWS), Notes=_TITLE), sheet="Orders")
    place.clean()
    place.clean()
    assert open_version(place.store, "orders").manifest.version == 1


def test_a_workbook_of_several_sheets_stops_the_partition_unless_one_is_declared(tmp_path: Path) -> None:
    place = Place(tmp_path, book(Orders="".join(ROWS), Notes=_TITLE))
    with pytest.raises(HeaderError, match=r"'Orders', 'Notes' have data.*Source\(sheet="):
        place.clean()


def test_a_broken_workbook_is_one_rejected_record(tmp_path: Path) -> None:
    place = Place(tmp_path, book(Orders="".join(ROWS))[:-50])
    outcome = place.clean()
    assert outcome.books == Books(records=1, rejected=1)
    assert verify_version(place.store, "orders", outcome.version, raw_root=str(tmp_path / "raw")).ok
