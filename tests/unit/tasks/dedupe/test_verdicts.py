"""Verdicts in portions are the verdicts over the whole table, whatever the blocks and however little fits in memory."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import Dataset, Dedupe, Severity, Source
from tasks.dedupe.candidates import Candidates
from tasks.dedupe.exact import PLACE, decide
from tasks.dedupe.repeated import ROW, Parts
from tasks.dedupe.verdicts import CONFLICTING, Limits, Verdicts
from tasks.job import CONFLICT
from tasks.normalise.plan import NormalisePlan
from tasks.store.local import LocalStore
from tasks.store.paths import staging_key
from tasks.store.spill import Spill
from tasks.validate.screening import compiled

TINY = Limits(hashes=4, members=2, verdicts=3)


class Seats(pa.DataFrameModel):
    """A seat that was sold."""

    id: int = pa.Field(nullable=True)
    row: str = pa.Field(nullable=True)
    seat: int = pa.Field(nullable=True, unique=True)
    price: float = pa.Field(nullable=True)

    class Config:
        unique = ("row", "price")

    @pa.dataframe_check
    @classmethod
    def not_the_dearest(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No price may be far above the mean."""
        return data.lazyframe.select((pl.col("price") <= pl.col("price").mean() + 2).fill_null(value=True))


def seats(dedupe: Dedupe | None = None, severities: dict[str, Severity] | None = None) -> Dataset:
    return Dataset(model=Seats, source=Source("{partition}/*.csv"), dedupe=dedupe, severities=severities or {})


DATASETS = {
    "conflicts-stop": seats(dedupe=Dedupe(key=("id",))),
    "conflicts-warn": seats(dedupe=Dedupe(key=("id",), keep="latest", by="price")),
    "two-columns": seats(dedupe=Dedupe(key=("id", "row"), keep="last"), severities={"seat.unique": Severity.WARN}),
    "no-duplicates": seats(),
}
ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 3)),
        st.sampled_from(["a", "b", None]),
        st.one_of(st.none(), st.integers(0, 6)),
        st.sampled_from([0.0, -0.0, 1.0, 9.0, None]),
    ),
    max_size=25,
)


def frame_of(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    schema = {"id": pl.Int64, "row": pl.String, "seat": pl.Int64, "price": pl.Float64}
    places = {"_input": pl.lit(0, pl.UInt32), "_record": pl.int_range(1, pl.len() + 1, dtype=pl.UInt64)}
    return pl.DataFrame(rows, schema=schema, orient="row").select(**places, **{name: pl.col(name) for name in schema})


def in_portions(
    dataset: Dataset, frame: pl.DataFrame, block: int, limits: Limits, parts: Callable[..., Parts] | None = None
) -> tuple[Any, ...]:
    rules = compiled(dataset, NormalisePlan(dataset))
    candidates = Candidates([lambda each=each: each for each in frame.iter_slices(block)] or [lambda: frame])
    with tempfile.TemporaryDirectory() as root:
        store = LocalStore(Path(root))

        def spills(name: str, *, by: str, numbers: int, at_once: int) -> Spill:
            return Spill(store, staging_key("seats", "p", name), by=by, numbers=numbers, at_once=at_once)

        verdicts = Verdicts(candidates, dataset, rules, parts or spills, limits)
        found = list(verdicts.blocks())
        duplicates = [each.duplicates for _, each in found if each.duplicates is not None]
        across = [each.across for _, each in found if each.across is not None]
        for each in (*duplicates, *across):
            assert each[ROW].is_sorted()
        return _rows(duplicates), _rows(across), +verdicts.broken


def _rows(frames: list[pl.DataFrame]) -> list[tuple[Any, ...]]:
    return [row for frame in frames for row in frame.rows()]


def at_once(dataset: Dataset, frame: pl.DataFrame) -> tuple[Any, ...]:
    """The same in the plainest way: everything over the whole table."""
    rules = compiled(dataset, NormalisePlan(dataset))
    names = [column.name for column in dataset.columns]
    conflict = next((rule for rule in dataset.own_rules if rule.check == "conflict"), None)
    empty = pl.DataFrame(schema={"_input": pl.UInt32, "_record": pl.UInt64})
    duplicates, conflicts = empty, empty.with_columns(*(pl.lit(None, t).alias(n) for n, t in CONFLICTING.items()))
    if dataset.dedupe:
        verdict = decide(frame.lazy(), dataset.dedupe, names)
        duplicates, conflicts = verdict.duplicates, verdict.conflicts
    if conflict and conflict.severity is not Severity.WARN:
        duplicates = duplicates.join(conflicts, on=PLACE, how="anti", maintain_order="left")
    told = conflicts.with_columns(pl.lit(value=True).alias(CONFLICT))
    rows = frame.join(told, on=PLACE, how="left", maintain_order="left").with_columns(
        pl.col(CONFLICT).fill_null(value=False)
    )
    judged = rules.across(rows.join(duplicates, on=PLACE, how="anti", maintain_order="left").lazy()).collect()
    bits = [(rule.id, 1 << number) for number, rule in enumerate(rules.rules)]
    broken = Counter({rule: judged.filter(pl.col("_mask0") & bit != 0).height for rule, bit in bits})
    if conflict:
        broken[conflict.id] = conflicts.height
    number = (pl.col("_record") - 1).alias(ROW)
    across = judged.filter(pl.col("_mask0") != 0).select(number, "_mask0", *CONFLICTING)
    return duplicates.select(number, pl.exclude(PLACE)).rows(), across.rows(), +broken


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
@pytest.mark.parametrize("name", DATASETS)
@given(ROWS, st.sampled_from([1, 2, 5, 100]), st.sampled_from([TINY, Limits()]))
def test_the_verdicts_are_those_over_the_whole_table(
    name: str, rows: list[tuple[Any, ...]], block: int, limits: Limits
) -> None:
    frame = frame_of(rows)
    assert in_portions(DATASETS[name], frame, block, limits) == at_once(DATASETS[name], frame)


@pytest.mark.slow
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=40)
@pytest.mark.parametrize("name", DATASETS)
@given(ROWS)
def test_portions_of_one_row_are_enough(
    parts_in_memory: Callable[..., Parts], name: str, rows: list[tuple[Any, ...]]
) -> None:
    frame = frame_of(rows)
    found = in_portions(DATASETS[name], frame, 4, Limits(1, 1, 1), parts_in_memory)
    assert found == at_once(DATASETS[name], frame)


def test_a_key_that_stands_in_every_row_needs_no_more_memory_than_a_portion() -> None:
    """An exporter that fills in one constant key: all rows are in one part of any spill."""
    height, largest = 5_000, 0

    class Watched(Spill):
        def parts(self) -> Iterator[Any]:
            for part in super().parts():
                nonlocal largest
                largest = max([largest, *(portion.height for portion in part.portions() if "seat" in portion.columns)])
                yield part

    frame = frame_of([(1, None, None, float(number % 3)) for number in range(height)])
    dataset = DATASETS["conflicts-stop"]
    rules = compiled(dataset, NormalisePlan(dataset))
    with tempfile.TemporaryDirectory() as root:

        def spills(name: str, *, by: str, numbers: int, at_once: int) -> Spill:
            key = staging_key("seats", "p", name)
            return Watched(LocalStore(Path(root)), key, by=by, numbers=numbers, at_once=at_once)

        candidates = Candidates([lambda each=each: each for each in frame.iter_slices(100)])
        verdicts = Verdicts(candidates, dataset, rules, spills, Limits(hashes=1_000, members=200, verdicts=1_000))
        assert verdicts.broken["id.conflict"] == height
    assert 0 < largest <= 400
