"""Duplicates across partitions: whatever was cleaned in whatever order and how often, one clean build says the same.

What must come of it is said a second time in Python, on rows that Python's csv module reads.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.clean import PLAIN, clean
from flows.replaying import replay_partitions
from schemas.records import Manifest, Role
from tasks.job import Job
from tasks.publish.verify import verify_version
from tasks.store.local import LocalStore
from tasks.store.versions import head

DECLARATION = '''"""Stock: generated, with keys that come again in other partitions."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Gates, Severity, Source, steps


class Stock(pa.DataFrameModel):
    id: int = pa.Field(nullable=True)
    shop: str = pa.Field(nullable=True)
    amount: float = pa.Field(nullable=True, ge=LEAST)
    note: str = pa.Field(nullable=True)


DATASET = Dataset(
    model=Stock,
    source=Source("{partition}/*", null_tokens=["", "NA"], format="csv", encoding="utf-8", line_end="lf", preamble=0),
    dedupe=Dedupe(key=["id", "shop"], ignore=["note"], POLICY),
    severities={SEVERITIES},
    gates=Gates(allow_empty=True),
)
'''
POLICIES = {
    "first": 'keep="first"',
    "last": 'keep="last"',
    "latest": 'keep="latest", by="amount"',
    "highest": 'keep="highest", by="amount"',
    "most_complete": 'keep="most_complete"',
    "preferred": 'keep="preferred", by="note", prefer=["crm", "web"]',
}
HEADER = b"id,shop,amount,note\n"

_rows = st.tuples(
    st.sampled_from(["1", "2", "3", ""]),
    st.sampled_from(["north", "south", ""]),
    st.sampled_from(["0", "-0", "7", "nan", "", "-1"]),
    st.sampled_from(["crm", "web", "", "else"]),
).map(lambda cells: ",".join(cells).encode())
_files = st.lists(st.one_of(_rows, _rows, _rows, st.just(b"1,north")), max_size=5).map(
    lambda lines: HEADER + b"".join(line + b"\n" for line in lines)
)
#: The files of a partition as they were before a correction, and as they are now.
_states = st.lists(st.lists(_files, min_size=1, max_size=2), min_size=1, max_size=2)
_dumps = st.fixed_dictionaries({"a": _states, "b": _states, "c": _states})
#: A partition is cleaned as it is in one of its states, or, for a replay, asked again, under one of two declarations.
_runs = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0, 1, "replay"]), st.booleans()), max_size=6)
relaxed = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=8, deadline=None
)


class Place:
    """Dumps, a declaration and a store."""

    def __init__(self, home: Path, policy: str, severities: str = "") -> None:
        self.home = home
        self._declared = DECLARATION.replace("POLICY", policy).replace("SEVERITIES", severities)
        self.declare()

    def declare(self, *, strict: bool = False) -> None:
        """Today's declaration, or an older one that sets more records aside."""
        (self.home / "stock.py").write_text(self._declared.replace("LEAST", "5" if strict else "0"))

    def replay(self, partition: str | None = None) -> int:
        """Asks again what was set aside, where anything was published; how many records pass."""
        told = {"WINNOW_RAW": "raw", "WINNOW_STORE": "store", "WINNOW_DATASETS": "."}
        newest = head(LocalStore(self.home / "store"), "stock")
        if newest is None or (partition and partition not in newest.partitions):
            return 0
        with mock.patch.dict(os.environ, {name: str(self.home / path) for name, path in told.items()}):
            found = replay_partitions("stock", partitions=partition and [partition], run_id="t")
        return sum(each.kept + each.duplicate for each in found)

    def clean(self, partition: str, files: Sequence[bytes]) -> None:
        folder = self.home / "raw" / partition
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for number, data in enumerate(files):
            (folder / f"{number}.csv").write_bytes(data)
        clean(Job("stock", partition, f"{self.home}/stock.py", f"{self.home}/raw", f"{self.home}/store", "t"), PLAIN)

    @property
    def newest(self) -> Manifest:
        found = head(LocalStore(self.home / "store"), "stock")
        assert found is not None
        return found


@pytest.fixture
def homes() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def placed(homes: Path, policy: str, severities: str = "") -> Place:
    return Place(Path(tempfile.mkdtemp(dir=homes)), policy, severities)


@relaxed
@given(_dumps, _runs, st.permutations("abc"), st.sampled_from(sorted(POLICIES)), st.booleans(), st.booleans())
def test_any_order_and_repetition_of_runs_ends_in_the_digest_of_one_clean_build(
    homes: Path, dumps: Mapping, runs: Sequence, order: Sequence, policy: str, warns: bool, replays: bool
) -> None:
    severities = f'"id+shop.conflict": Severity.{"WARN" if warns else "QUARANTINE"}'
    place, built = (placed(homes, POLICIES[policy], severities) for _ in range(2))
    for partition, state, strict in runs:
        place.declare(strict=strict)
        if state == "replay":
            place.replay(partition)
        else:
            place.clean(partition, dumps[partition][state % len(dumps[partition])])
    place.declare()
    if replays:
        place.replay()
    for partition in order:
        place.clean(partition, dumps[partition][-1])
    for partition in "abc":
        built.clean(partition, dumps[partition][-1])
    report = verify_version(LocalStore(place.home / "store"), "stock", raw_root=f"{place.home}/raw", deep=True)
    assert report.findings == ()
    assert place.newest.digest == built.newest.digest
    assert all(entry.total.balanced for entry in place.newest.partitions.values())
    assert _fates(built) == _expected({name: states[-1] for name, states in dumps.items()}, policy, warns=warns)


Fates = dict[str, set[tuple[str, str, int]]]


def _fates(place: Place) -> Fates:
    told = {"kept": Role.CLEAN, "superseded": Role.SUPERSEDED, "disputed": Role.DISPUTED}
    found: Fates = {fate: set() for fate in told}
    for name, entry in place.newest.partitions.items():
        for fate, role in told.items():
            for file in entry.files:
                if file.role is role:
                    rows = pl.read_parquet(place.home / "store/stock" / file.path).select("_file", "_record").rows()
                    found[fate].update((name, *row) for row in rows)
    return found


class Row(NamedTuple):
    """A record that breaks no rule about itself."""

    identity: tuple[str, str, int]
    key: tuple[str, str]
    amount: float | None
    note: str

    @property
    def content(self) -> str:
        return "nan" if self.amount is not None and math.isnan(self.amount) else str(self.amount)

    @property
    def rank(self) -> float:
        return -math.inf if self.amount is None or math.isnan(self.amount) else self.amount


def _read(partition: str, files: Sequence[bytes]) -> Iterator[Row]:
    """The records of a partition in their order; of a file that came twice those of the first one."""
    for data in dict.fromkeys(files):
        for number, cells in enumerate(csv.reader(io.StringIO(data.decode())), 0):
            if number and len(cells) == 4 and cells[2] != "-1":
                identity = (partition, hashlib.sha256(data).hexdigest(), number)
                yield Row(identity, (cells[0], cells[1]), float(cells[2]) + 0.0 if cells[2] else None, cells[3])


def _best(rows: Sequence[Row], policy: str) -> Row:
    """The survivor among rows in the order of partitions, files and records."""
    if policy == "last":
        return rows[-1]
    order = {
        "first": lambda _: 0,
        "latest": lambda row: -row.rank,
        "highest": lambda row: -row.rank,
        "most_complete": lambda row: (row.amount is None) + (row.note == ""),
        "preferred": lambda row: ["crm", "web"].index(row.note) if row.note in ("crm", "web") else 2,
    }
    return min(rows, key=order[policy])


def _expected(dumps: Mapping[str, Sequence[bytes]], policy: str, *, warns: bool) -> Fates:
    found: Fates = {"kept": set(), "superseded": set(), "disputed": set()}
    alone: dict[tuple[str, str], list[Row]] = {}
    disputed: dict[tuple[str, str], set[str]] = {}
    for partition, files in sorted(dumps.items()):
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in _read(partition, files):
            if all(row.key):
                groups.setdefault(row.key, []).append(row)
            else:
                found["kept"].add(row.identity)
        for key, rows in groups.items():
            contents = {row.content for row in rows}
            if len(contents) > 1 and not warns:
                disputed.setdefault(key, set()).update(contents)
            else:
                alone.setdefault(key, []).append(_best(rows, policy))
    for key, rows in alone.items():
        contents = {row.content for row in rows} | disputed.get(key, set())
        in_conflict = len(contents) > 1 and not warns
        best = _best(rows, policy)
        for row in rows:
            fate = "disputed" if in_conflict else "kept" if row is best else "superseded"
            found[fate].add(row.identity)
    return found
