"""What only shows at a size that takes minutes; `make large` runs it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from flows.clean import PLAIN, clean
from schemas.records import Role
from tasks.job import Job
from tasks.publish.verify import verify_version
from tasks.report.duplicates import clusters
from tasks.store.local import open_store
from tasks.store.versions import head, open_version

pytestmark = [pytest.mark.large, pytest.mark.timeout(3600)]

DECLARATION = '''"""Echo: one row, again and again."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Source


class Echo(pa.DataFrameModel):
    id: str
    amount: int


DATASET = Dataset(model=Echo, source=Source("{partition}/*"), dedupe=Dedupe(key=["id"]))
'''
COPIES = 10_000_000


def test_ten_million_copies_of_one_row_are_one_row(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(DECLARATION)
    dump = tmp_path / "raw/1/a.csv"
    dump.parent.mkdir(parents=True)
    with dump.open("wb") as file:
        file.write(b"id,amount\n")
        for _ in range(100):
            file.write(b"a,1\n" * (COPIES // 100))
    outcome = clean(Job("echo", "1", f"{tmp_path}/echo.py", f"{tmp_path}/raw", f"{tmp_path}/store", "t"), PLAIN)
    books = outcome.books
    assert (books.records, books.kept, books.duplicate) == (COPIES, 1, COPIES - 1)
    store = open_store(str(tmp_path / "store"))
    manifest = head(store, "echo")
    assert manifest is not None
    found = clusters(store, manifest, members=10)
    assert (found.total, found.clusters[0].records) == (1, COPIES)
    survivor, *others = found.clusters[0].members
    assert survivor.of is None
    assert len(others) == 10
    digits, record = survivor.record.split(":")
    assert all(each.of and each.of.startswith(digits) and each.of.endswith(f":{record}") for each in others)
    report = verify_version(store, "echo", raw_root=f"{tmp_path}/raw")
    assert report.findings == ()


SPLIT = '''"""Visits: people who come again."""
import pandera.polars as pa

from schemas import Dataset, Source, Split


class Visits(pa.DataFrameModel):
    person: int
    amount: int


DATASET = Dataset(model=Visits, source=Source("{partition}/*"), split=Split(by="person", test=0.2, validation=0.1))
'''
VERSIONS = 1_000


def test_a_thousand_added_versions_move_no_record_between_splits(tmp_path: Path) -> None:
    (tmp_path / "visits.py").write_text(SPLIT)
    store = open_store(str(tmp_path / "store"))
    random = Random(7)
    split_of: dict[int, str] = {}
    for night in range(1, VERSIONS + 1):
        dump = tmp_path / f"raw/{night:04d}/a.csv"
        dump.parent.mkdir(parents=True)
        rows = (f"{random.randrange(5 * night)},{night}\n" for _ in range(20))
        dump.write_text("person,amount\n" + "".join(rows))
        job = Job("visits", dump.parent.name, f"{tmp_path}/visits.py", f"{tmp_path}/raw", store.path(""), "t")
        assert clean(job, PLAIN).version == night
    for version in (1, 10, 100, 500, VERSIONS):
        clean_table = open_version(store, "visits", version).scan(Role.CLEAN)
        for person, split in clean_table.select("person", "split").unique().collect().iter_rows():
            assert split_of.setdefault(person, split) == split
    assert len(split_of) > 2 * VERSIONS
