"""Shift: planted ones are found, and two samples of one population are not told apart."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from schemas.audits import AuditResult, Verdict
from schemas.fitness import Shift
from tasks.audit.shift import shift, sides

COLUMNS = ["size", "price", "colour", "flag", "gap", "seen", "y"]


def sample(seed: int, rows: int = 3_000) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    days = pl.Series(rng.integers(0, 365, rows)).cast(pl.Int32).cast(pl.Date)
    return pl.DataFrame(
        {
            "size": rng.normal(size=rows),
            "price": rng.lognormal(size=rows),
            "colour": rng.choice(["red", "green", "blue"], rows, p=[0.6, 0.3, 0.1]),
            "flag": rng.random(rows) < 0.2,
            "gap": pl.Series(rng.normal(size=rows)).set(pl.Series(rng.random(rows) < 0.1), None),
            "seen": days,
            "y": rng.choice(["no", "yes"], rows, p=[0.7, 0.3]),
        }
    )


def compared(now: pl.DataFrame, then: pl.DataFrame, **settings: object) -> AuditResult:
    return shift(now.lazy(), then.lazy(), Shift(label="y", **settings), COLUMNS)  # type: ignore[arg-type]


def told(result: AuditResult) -> set[tuple[str, str]]:
    return {(finding.subject, finding.verdict) for finding in result.findings}


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("rows", [60, 3_000])
def test_two_samples_of_one_population_are_not_told_apart(seed: int, rows: int) -> None:
    assert told(compared(sample(seed, rows), sample(seed + 100, 3_000))) == set()


PLANTED: dict[str, tuple[pl.Expr, tuple[str, str]]] = {
    "mean": ((pl.col("size") + 1).alias("size"), ("size", "values shifted")),
    "unit": ((pl.col("price") * 100).alias("price"), ("price", "values shifted")),
    "dates": (pl.col("seen").dt.offset_by("1y").alias("seen"), ("seen", "values shifted")),
    "colours": (
        pl.when(pl.col("size") > 0).then(pl.lit("blue")).otherwise(pl.col("colour")).alias("colour"),
        ("colour", "values shifted"),
    ),
    "a new colour": (pl.col("colour").replace({"blue": "navy"}).alias("colour"), ("colour", "new values")),
    "a lost colour": (pl.col("colour").replace({"blue": "green"}).alias("colour"), ("colour", "values vanished")),
    "missing": (pl.when(pl.col("size") < 0).then(pl.col("gap")).alias("gap"), ("gap", "missing shifted")),
    "label": (
        pl.when(pl.col("size") > -0.5).then(pl.lit("yes")).otherwise(pl.col("y")).alias("y"),
        ("y", "label shifted"),
    ),
}


@pytest.mark.parametrize(("planted", "expected"), PLANTED.values(), ids=PLANTED)
def test_a_planted_shift_is_found(planted: pl.Expr, expected: tuple[str, str]) -> None:
    found = told(compared(sample(0).with_columns(planted), sample(1)))
    assert expected in found
    assert {subject for subject, _ in found} == {expected[0]}


def test_a_small_shift_of_many_rows_is_beyond_chance_and_not_told() -> None:
    result = compared(sample(0, 60_000).with_columns(pl.col("size") + 0.03), sample(1, 60_000))
    row = result.tables["columns"].filter((pl.col("column") == "size") & (pl.col("test") == "values"))
    assert row["p_holm"].item() < 0.01
    assert told(result) == set()


def test_values_of_a_personal_column_are_not_named() -> None:
    now = sample(0).with_columns(pl.col("colour").replace({"blue": "secret"}))
    result = shift(now.lazy(), sample(1).lazy(), Shift(), COLUMNS, personal=("colour",))
    assert ("colour", "new values") in told(result)
    assert not any("secret" in finding.found for finding in result.findings)


def test_names_are_new_values_all_the_time() -> None:
    now = pl.DataFrame({"name": [f"n{n}" for n in range(300)]})
    then = pl.DataFrame({"name": [f"o{n}" for n in range(300)]})
    assert told(shift(now.lazy(), then.lazy(), Shift(), ["name"])) == set()


def test_too_few_rows_tell_nothing() -> None:
    assert compared(sample(0, 20).with_columns(pl.col("size") + 9), sample(1)).facts["too few rows to tell"]


def test_a_gate_stops_where_it_is_declared() -> None:
    now = sample(0).with_columns(pl.col("size") + 1)
    assert compared(now, sample(1)).verdict is Verdict.WARN
    assert compared(now, sample(1), action="fail").verdict is Verdict.STOP


def test_the_test_split_is_held_against_the_train_split() -> None:
    frame = sample(0).with_columns(pl.Series("split", ["test", "train", "train"] * 1_000))
    now, then = sides(frame.lazy(), "split")
    assert (now.collect().height, then.collect().height) == (1_000, 2_000)


@pytest.mark.slow
def test_a_classifier_sees_what_no_column_shows() -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(5)
    x = rng.normal(size=4_000)
    then = pl.DataFrame({"a": x, "b": x + 0.1 * rng.normal(size=4_000)})
    now = then.with_columns(pl.col("b").shuffle(seed=1))
    policy = Shift(classifier=True)
    assert told(shift(now.lazy(), then.lazy(), policy, ["a", "b"])) == {("all columns", "told apart")}
    same = pl.DataFrame({"a": (x := rng.normal(size=4_000)), "b": x + 0.1 * rng.normal(size=4_000)})
    assert told(shift(same.lazy(), then.lazy(), policy, ["a", "b"])) == set()
