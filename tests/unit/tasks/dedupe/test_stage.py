"""Settling as a stage: the same files whatever the blocks and the memory, and every removed record with its bytes."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
from pathlib import Path

import polars as pl
import pytest
import zstandard

from schemas.errors import DumpChangedError
from schemas.records import Role
from tasks.dedupe.stage import settle
from tasks.dedupe.verdicts import Limits
from tasks.ingest.reader import RecordReader
from tasks.ingest.stage import stage_partition
from tasks.job import Job, Settled, Staged
from tasks.store.local import LocalStore

DECLARATION = '''"""Parcels: generated, with copies, conflicts and rules of every kind."""
import pandera.polars as pa
import polars as pl

from schemas import Dataset, Dedupe, Gates, Severity, Source, steps


class Parcels(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    town: str = pa.Field(isin=["Ulm", "Jena"])
    code: int = pa.Field(nullable=True, unique=True)
    note: str = pa.Field(nullable=True, str_length={"max_value": 12})


DATASET = Dataset(
    model=Parcels,
    source=Source("{partition}/*", null_tokens=[""]),
    steps=[steps.strip("town")],
    dedupe=Dedupe(key=["id"], KEEP),
    severities={"note.str_length": Severity.WARN},
    gates=Gates(allow_empty=True),
)
'''
LONG_NOTE = '"two\nlines, and long"'
TINY = Limits(hashes=50, members=20, verdicts=30)


def rows(seed: int, count: int) -> list[str]:
    luck = random.Random(seed)
    lines = []
    for _ in range(count):
        number = luck.randrange(count * 3 // 4) if luck.random() < 0.95 else "x"
        town, code = luck.choice(["Ulm", " Jena", "Rom"]), luck.choice(["", luck.randrange(count * 4)])
        lines.append(f"{number},{town},{code},{luck.choice(['', 'fragile', LONG_NOTE])}")
    return lines


def text_of(lines: list[str]) -> bytes:
    return ("id,town,code,note\n" + "".join(f"{line}\n" for line in lines)).encode()


def dumps() -> dict[str, bytes]:
    first, second = rows(1, 400), rows(2, 150)
    return {
        "a.csv": text_of(first),
        "b.csv.gz": gzip.compress(text_of(second), mtime=0),
        "c.csv.zst": zstandard.compress(text_of([*first[:40], "1,Ulm", *rows(3, 60)])),
        "d.csv": text_of(first),
    }


def prepared(tmp_path: Path, keep: str = "keep='first'") -> Job:
    tmp_path.mkdir(exist_ok=True)
    declaration = tmp_path / "parcels.py"
    declaration.write_text(DECLARATION.replace("KEEP", keep))
    for name, data in dumps().items():
        path = tmp_path / "raw" / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return Job("parcels", "p", str(declaration), str(tmp_path / "raw"), str(tmp_path / "store"), "run")


def settled(job: Job, limits: Limits | None = None) -> tuple[Staged, Settled]:
    store, dataset = job.open_store(), job.load()
    staged = stage_partition(job, store, dataset)
    return staged, settle(job, store, dataset, staged, limits=limits)


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["keep='first'", "keep='latest', by='code'"])
def test_neither_blocks_nor_memory_change_a_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str) -> None:
    found = []
    for number, (block_size, limits) in enumerate([(16 << 20, None), (16 << 20, TINY), (700, None), (700, TINY)]):
        monkeypatch.setitem(RecordReader.__init__.__kwdefaults__, "block_size", block_size)
        job = prepared(tmp_path / str(number), keep)
        staged, outcome = settled(job, limits)
        assert (len(staged.candidates) > 10) == (block_size == 700)
        assert any("spill" in key for key in job.open_store().list("")) == (limits is TINY)
        found.append([(file.role, file.rows, file.sha256) for file in outcome.files] + [outcome.rules])
    assert {role for role, *_ in found[0][:-1]} == set(Role) - {
        Role.REPAIRS, Role.ERASED, Role.AUDIT, Role.SUPERSEDED, Role.DISPUTED,
    }  # fmt: skip
    assert found[0] == found[1] == found[2] == found[3]


@pytest.mark.parametrize("limits", [None, TINY])
def test_every_removed_record_has_its_own_bytes_and_cells(tmp_path: Path, limits: Limits | None) -> None:
    job = prepared(tmp_path)
    staged, outcome = settled(job, limits)
    texts = {
        "p/a.csv": dumps()["a.csv"],
        "p/b.csv.gz": gzip.decompress(dumps()["b.csv.gz"]),
        "p/c.csv.zst": zstandard.decompress(dumps()["c.csv.zst"]),
        "p/d.csv": dumps()["d.csv"],
    }
    assert [file.raw.path for file in staged.files] == list(texts)
    frames = {file.role: pl.read_parquet(job.open_store().path(f"parcels/{file.path}")) for file in outcome.files}
    for role in (Role.QUARANTINE, Role.DUPLICATES, Role.REJECTS):
        for row in frames[role].iter_rows(named=True):
            text = texts[row["_source"]]
            assert row["_raw"] == text[row["_offset"] : row["_offset"] + row["_length"]]
            assert row["_line"] == text[: row["_offset"]].count(b"\n") + 1
            if role is not Role.REJECTS:
                assert row["_raw"].startswith(f"{row['id']},{row['town']},{row['code'] or ''},".encode())
    late = frames[Role.QUARANTINE].filter(pl.col("_rules").list.contains("code.unique"))
    assert late.filter(pl.col("note").str.len_chars() > 12)["_rules"].list.contains("note.str_length").all()
    assert late.height > 5
    assert (
        frames[Role.QUARANTINE].filter(pl.col("_rules").list.contains("id.conflict"))["_conflicts_with"].null_count()
        == 0
    )


@pytest.mark.parametrize("change", ["replaced", "written"])
def test_a_raw_file_that_changed_since_it_was_read_stops_the_run(tmp_path: Path, change: str) -> None:
    job = prepared(tmp_path)
    store, dataset = job.open_store(), job.load()
    staged = stage_partition(job, store, dataset)
    raw = tmp_path / "raw" / "p" / "a.csv"
    before = raw.stat()
    if change == "replaced":
        (tmp_path / "new.csv").write_bytes(raw.read_bytes())
        os.utime(tmp_path / "new.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
        (tmp_path / "new.csv").replace(raw)
    else:
        raw.write_bytes(raw.read_bytes().replace(b"Ulm", b"Bonn"))
        os.utime(raw, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(DumpChangedError, match=r"'p/a\.csv': it changed while it was read\. Run it again\."):
        settle(job, store, dataset, staged)
    assert isinstance(store, LocalStore)
    assert not [key for key in store.list("parcels/") if "_staging" not in key]


def test_a_compressed_file_is_read_again_from_what_was_staged_of_it(tmp_path: Path) -> None:
    job = prepared(tmp_path)
    store, dataset = job.open_store(), job.load()
    staged = stage_partition(job, store, dataset)
    by_path = {file.raw.path: file for file in staged.files}
    assert by_path["p/a.csv"].text is None
    text = by_path["p/b.csv.gz"].text
    assert text
    assert hashlib.sha256(store.read(text)).digest() == hashlib.sha256(gzip.decompress(dumps()["b.csv.gz"])).digest()
    (tmp_path / "raw" / "p" / "b.csv.gz").unlink()
    assert settle(job, store, dataset, staged).files
