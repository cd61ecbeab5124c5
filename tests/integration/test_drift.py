"""Dumps whose columns are not the declared ones, cleaned from end to end under each policy; read from the manifest."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.clean import PLAIN, clean
from flows.outcomes import print_outcomes
from schemas.errors import HeaderError
from schemas.records import DriftFinding, Role
from tasks.job import Job, Outcome
from tasks.publish.verify import verify_version
from tasks.store.local import open_store
from tasks.store.paths import report_key
from tasks.store.versions import open_version

DECLARATION = '''"""Trips: whose source changes its columns."""
import pandera.polars as pa
import polars as pl

from schemas import Dataset, Dedupe, Drift, Gates, Source


class Trips(pa.DataFrameModel):
    id: int
    fare: pl.Int32 = pa.Field(nullable=True)
    zone: str


DATASET = Dataset(
    model=Trips,
    source=Source("{{partition}}/*", drift=Drift({drift})),
    dedupe=Dedupe(key=("id",)),
    gates=Gates(allow_empty=True),
)
'''

Rows = list[dict[str, Any]]


def csv(rows: Rows) -> bytes:
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def jsonl(rows: Rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def parquet(rows: Rows, **types: pa.DataType) -> bytes:
    defaults = {"id": pa.int64(), "fare": pa.int32(), "zone": pa.string()} | types
    schema = pa.schema([(name, defaults.get(name, pa.string())) for name in rows[0]])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), sink)
    return sink.getvalue()


FORMATS: Mapping[str, Callable[[Rows], bytes]] = {"csv": csv, "jsonl": jsonl, "parquet": parquet}
ALL = pytest.mark.parametrize("form", list(FORMATS))
WITH_HEADER = pytest.mark.parametrize("form", ["csv", "parquet"])

PLAIN_ROWS: Rows = [{"id": 1, "fare": 5, "zone": "a"}, {"id": 2, "fare": 6, "zone": "b"}]


def without(name: str) -> Rows:
    return [{key: value for key, value in row.items() if key != name} for row in PLAIN_ROWS]


def called(**names: str) -> Rows:
    return [{names.get(key, key): value for key, value in row.items()} for row in PLAIN_ROWS]


EXTRA_ROWS: Rows = [{**row, "tip": "1"} for row in PLAIN_ROWS]


class Place:
    """A folder in which partitions are laid out and cleaned."""

    def __init__(self, home: Path, drift: str) -> None:
        self.home = home
        (home / "trips.py").write_text(DECLARATION.format(drift=drift))
        self.store = open_store(str(home / "store"))

    def clean(self, data: bytes, name: str, partition: str = "p1") -> Outcome:
        folder = self.home / "raw" / partition
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        home = self.home
        job = Job("trips", partition, str(home / "trips.py"), str(home / "raw"), str(home / "store"), run_id="r")
        outcome = clean(job, PLAIN)
        assert verify_version(self.store, "trips", outcome.version, raw_root=job.raw_root).ok
        return outcome

    def drift(self, partition: str = "p1") -> tuple[DriftFinding, ...]:
        """The findings of the partition's only file, from the manifest."""
        (raw,) = open_version(self.store, "trips").manifest.partitions[partition].inputs
        return raw.drift

    def rows(self, role: Role, *columns: str) -> list[tuple[Any, ...]]:
        return open_version(self.store, "trips").scan(role).select(columns).sort(columns[0]).collect().rows()

    def report(self, outcome: Outcome) -> str:
        return self.store.read(report_key("trips", outcome.partition, outcome.version or 0)).decode()


def brief(findings: tuple[DriftFinding, ...]) -> list[tuple[str, str, str | None, str | None]]:
    return [(finding.kind.value, finding.policy, finding.column, finding.found) for finding in findings]


@ALL
def test_what_is_as_declared_leaves_no_finding(tmp_path: Path, form: str) -> None:
    place = Place(tmp_path, "")
    outcome = place.clean(FORMATS[form](PLAIN_ROWS), f"a.{form}")
    assert (outcome.books.kept, place.drift(), outcome.drift) == (2, (), {})
    assert "drifted" not in place.report(outcome)


@ALL
@pytest.mark.parametrize(
    ("drift", "rows", "message"),
    [
        ("missing='fail'", without("fare"), "'fare'"),
        ("extra='fail'", EXTRA_ROWS, "'tip'"),
        ("missing='fail', extra='ignore'", called(zone="zones"), "Did you mean 'zones'"),
    ],
)
def test_fail_stops_the_partition_before_anything_is_published(
    tmp_path: Path, form: str, drift: str, rows: Rows, message: str
) -> None:
    place = Place(tmp_path, drift)
    with pytest.raises(HeaderError, match=message):
        place.clean(FORMATS[form](rows), f"a.{form}")
    assert not list((tmp_path / "store" / "trips").glob("_versions/*"))


@WITH_HEADER
@pytest.mark.parametrize("rows", [without("fare"), EXTRA_ROWS, called(zone="zones")], ids=["missing", "extra", "name"])
def test_a_file_with_other_columns_stops_the_partition_by_default(tmp_path: Path, form: str, rows: Rows) -> None:
    with pytest.raises(HeaderError):
        Place(tmp_path, "").clean(FORMATS[form](rows), f"a.{form}")


def test_by_default_a_json_record_may_lack_keys_and_is_set_aside_for_others(tmp_path: Path) -> None:
    place = Place(tmp_path, "")
    rows = [*PLAIN_ROWS, {"id": 3, "zone": "c"}, {"id": 4, "fare": 1, "zone": "d", "tip": 2}]
    assert place.clean(jsonl(rows), "a.jsonl").books.kept == 3
    assert place.rows(Role.QUARANTINE, "_rules", "id") == [(["record.extra_column"], "4")]
    (finding,) = place.drift()
    assert brief((finding,)) == [("extra", "quarantine", "tip", None)]
    assert finding.records == 1


@ALL
def test_quarantine_sets_each_record_aside_with_the_cells_that_it_has(tmp_path: Path, form: str) -> None:
    place = Place(tmp_path, "missing='quarantine', extra='quarantine'")
    rows = [{"id": 1, "fare": 5, "tip": "1"}, {"id": 2, "fare": 6, "tip": "2"}]
    outcome = place.clean(FORMATS[form](rows), f"a.{form}")
    assert (outcome.books.quarantined, outcome.books.kept) == (2, 0)
    rules = ["zone.not_nullable", "record.extra_column", "record.missing_column"]
    found = place.rows(Role.QUARANTINE, "id", "_rules", "fare", "zone")
    assert found == [("1", rules, "5", None), ("2", rules, "6", None)]
    assert {finding.policy for finding in place.drift()} == {"quarantine"}
    assert "record.missing" in place.report(outcome).replace("\\", "")


@ALL
def test_null_makes_a_missing_column_null_and_the_rules_decide(tmp_path: Path, form: str) -> None:
    place = Place(tmp_path, "missing='null'")
    assert place.clean(FORMATS[form](without("fare")), f"a.{form}").books.kept == 2
    assert place.rows(Role.CLEAN, "id", "fare", "zone") == [(1, None, "a"), (2, None, "b")]
    assert brief(place.drift()) == [("missing", "null", "fare", None)]
    assert place.clean(FORMATS[form](without("zone")), f"a.{form}", "p2").books.kept == 0
    assert place.rows(Role.QUARANTINE, "id", "_rules") == [("1", ["zone.not_nullable"]), ("2", ["zone.not_nullable"])]


@ALL
def test_ignore_leaves_an_undeclared_column_out(tmp_path: Path, form: str) -> None:
    place = Place(tmp_path, "extra='ignore'")
    outcome = place.clean(FORMATS[form](EXTRA_ROWS), f"a.{form}")
    assert place.rows(Role.CLEAN, "id", "fare", "zone") == [(1, 5, "a"), (2, 6, "b")]
    assert brief(place.drift()) == [("extra", "ignore", "tip", None)]
    assert outcome.drift == {f"p1/a.{form}": place.drift()}


@ALL
def test_a_declared_other_name_is_read_as_the_column(tmp_path: Path, form: str) -> None:
    place = Place(tmp_path, "renamed={'area': 'zone'}, missing='fail', extra='fail'")
    place.clean(FORMATS[form](called(zone="area")), f"a.{form}")
    assert place.rows(Role.CLEAN, "id", "fare", "zone") == [(1, 5, "a"), (2, 6, "b")]
    assert brief(place.drift()) == [("renamed", "accept", "zone", "area")]


REORDERED: Rows = [{name: row[name] for name in ("zone", "id", "fare")} for row in PLAIN_ROWS]


@WITH_HEADER
def test_another_order_is_told_or_stops_the_partition(tmp_path: Path, form: str) -> None:
    place = Place(tmp_path, "")
    assert place.clean(FORMATS[form](REORDERED), f"a.{form}").books.kept == 2
    assert brief(place.drift()) == [("reordered", "ignore", None, None)]
    (tmp_path / "strict").mkdir()
    with pytest.raises(HeaderError, match="in the order 'zone', 'id', 'fare'"):
        Place(tmp_path / "strict", "reordered='fail'").clean(FORMATS[form](REORDERED), f"a.{form}")


def test_the_keys_of_json_have_no_order(tmp_path: Path) -> None:
    place = Place(tmp_path, "reordered='fail'")
    assert place.clean(jsonl(REORDERED), "a.jsonl").books.kept == 2
    assert place.drift() == ()


def test_a_wider_type_is_cast_cell_by_cell_and_told_or_stops_the_partition(tmp_path: Path) -> None:
    data = parquet([{"id": 1, "fare": 5, "zone": "a"}, {"id": 2, "fare": 1 << 40, "zone": "b"}], fare=pa.int64())
    place = Place(tmp_path, "")
    place.clean(data, "a.parquet")
    assert place.rows(Role.CLEAN, "id", "fare") == [(1, 5)]
    assert place.rows(Role.QUARANTINE, "id", "_rules", "fare") == [("2", ["fare.castable"], str(1 << 40))]
    assert brief(place.drift()) == [("widened", "cast", "fare", "int64")]
    (tmp_path / "strict").mkdir()
    with pytest.raises(HeaderError, match="'fare' is stored as 'int64'; expected what Int32 holds"):
        Place(tmp_path / "strict", "widened='fail'").clean(data, "a.parquet")


@ALL
def test_duplicates_of_a_drifted_dump_are_read_again_in_the_same_way(tmp_path: Path, form: str) -> None:
    place = Place(tmp_path, "missing='null', extra='ignore', renamed={'area': 'zone'}")
    rows = [{"tip": "9", "area": "a", "id": 1}, {"tip": "9", "area": "a", "id": 1}]
    assert place.clean(FORMATS[form](rows), f"a.{form}").books.duplicate == 1
    assert place.rows(Role.DUPLICATES, "id", "fare", "zone") == [("1", None, "a")]


def test_each_partition_is_judged_for_itself_and_held_against_the_one_before(tmp_path: Path) -> None:
    place = Place(tmp_path, "extra='ignore'")
    place.clean(csv(PLAIN_ROWS), "a.csv", "p1")
    second = place.clean(csv(EXTRA_ROWS), "a.csv", "p2")
    third = place.clean(csv([*EXTRA_ROWS, {"id": 3, "fare": 1, "zone": "c", "tip": 4}]), "a.csv", "p3")
    assert (place.drift("p1"), len(place.drift("p2"))) == ((), 1)
    assert "| column 'tip' is not declared | left out | p2/a.csv | new: not so in p1 |" in place.report(second)
    assert "| column 'tip' is not declared | left out | p3/a.csv | as in p2 |" in place.report(third)


def test_hostile_names_are_shown_to_nobody_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path, "extra='ignore'")
    name = "\x1b[31m<script>alert(1)</script>"
    outcome = place.clean(csv([{**row, name: 1} for row in PLAIN_ROWS]), "a.csv")
    assert place.drift()[0].column == name
    assert "<script>" not in place.report(outcome)
    print_outcomes([outcome], as_json=False)
    print_outcomes([outcome], as_json=True)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed + place.report(outcome)
    table, line = printed.splitlines()[-2:]
    assert table.startswith("  p1/a.csv: column '\\x1b[31m<script>")
    assert json.loads(line)["drift"]["p1/a.csv"][0]["kind"] == "extra"
