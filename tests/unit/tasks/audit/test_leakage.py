"""Leakage: a planted leak of each kind is found with its evidence, and clean splits have none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from schemas.audits import AuditResult, Verdict
from schemas.fitness import Leakage, Split
from tasks.audit.leakage import leakage
from tasks.publish.splits import assigned
from tests.archives import adult, heart_disease

SPLIT = Split(by="user", test=0.2, validation=0.1)
POLICY = Leakage(label="y")


def clean(seed: int, rows: int = 4_000) -> pl.DataFrame:
    """A table with honest features: some tell much of the label, none all; users return."""
    rng = np.random.default_rng(seed)
    y = rng.random(rows) < 0.3
    words = np.array(["red", "green", "blue", "white", "black", "brown"])
    frame = pl.DataFrame(
        {
            "_file": ["f" * 64] * rows,
            "_record": np.arange(1, rows + 1),
            "user": rng.integers(0, rows // 2, rows),
            "y": np.where(y, "yes", "no"),
            "strong": y * 1.5 + rng.normal(size=rows),
            "weak": y * 0.2 + rng.normal(size=rows),
            "noise": rng.normal(size=rows),
            "colour": words[rng.integers(0, 6, rows)],
            "kind": np.where(rng.random(rows) < 0.6, np.where(y, "a", "b"), "c"),
            "count": rng.poisson(2 + y, rows),
            "rare": rng.random(rows) < 0.01,
            "gap": [
                None if gone else value
                for gone, value in zip(rng.random(rows) < 0.2, rng.normal(size=rows), strict=True)
            ],
            "text": [" ".join(words[rng.integers(0, 6, 14)]) for _ in range(rows)],
        }
    )
    return frame.with_columns(assigned(SPLIT))


def audited(frame: pl.DataFrame, policy: Leakage = POLICY, split: Split | None = SPLIT, **more: object) -> AuditResult:
    return leakage(frame.lazy(), policy, split, **more)  # type: ignore[arg-type]


def kinds(result: AuditResult) -> set[tuple[str, str]]:
    return {(finding.subject, finding.verdict) for finding in result.findings}


@pytest.mark.parametrize("seed", range(5))
def test_none_is_reported_on_five_clean_splits(seed: int) -> None:
    assert kinds(audited(clean(seed))) == set()


def test_none_is_reported_on_real_tables() -> None:
    heart = heart_disease().with_row_index("_record").with_columns(pl.lit("f").alias("_file"), pl.col("_record") + 1)
    split = Split(by="_record", test=0.3)
    heart = heart.with_columns(pl.col("age", "rest_SBP", "cholesterol", "max_HR").cast(pl.Int64), assigned(split))
    assert kinds(audited(heart, Leakage(label="diameter_narrowing"), split)) == set()
    # Of Adult, 24 records are there twice, with 14 features alike: where they land in two splits they are a leak.
    people = adult().unique().sort(pl.all()).sample(fraction=1, shuffle=True, seed=3)
    people = people.with_row_index("_record").with_columns(pl.lit("f").alias("_file")).with_columns(assigned(split))
    assert kinds(audited(people, Leakage(label="income"), split)) == set()


def test_a_table_of_few_categories_has_rows_that_are_alike_by_chance() -> None:
    frame = clean(1).select("_file", "_record", "user", "y", "colour", "kind", "split")
    assert kinds(audited(frame)) == set()
    copied = (
        frame.filter(pl.col("split") == "test")
        .head(300)
        .with_columns(
            (pl.col("_record") + 10_000),
            pl.lit("train").cast(frame["split"].dtype).alias("split"),
            pl.col("user") + 10_000,
        )
    )
    # 300 copies more, of rows that are alike anyway, can't be told from chance; in a table that says more they can.
    assert kinds(audited(pl.concat([frame, copied]))) <= {("splits share: exact", "leak")}


def copies_in_train(frame: pl.DataFrame, count: int = 20) -> pl.DataFrame:
    """Test rows again, as rows of others in train."""
    copied = frame.filter(pl.col("split") == "test").head(count)
    return copied.with_columns(
        pl.col("_record") + 100_000, pl.col("user") + 100_000, pl.lit("train").cast(frame["split"].dtype).alias("split")
    )


def test_exact_copies_across_splits_are_found_with_their_records() -> None:
    frame = clean(0)
    result = audited(pl.concat([frame, copies_in_train(frame)]))
    assert kinds(result) == {("splits share: exact", "leak")}
    assert "40 rows (20 held out) in 20 groups" in result.findings[0].found
    evidence = result.tables["shared"]
    assert evidence.height == 40
    assert evidence.group_by("_group").agg(pl.col("_split").n_unique())["_split"].to_list() == [2] * 20
    assert result.verdict is Verdict.STOP


def test_texts_that_differ_in_writing_only_are_found() -> None:
    frame = clean(0)
    again = copies_in_train(frame).with_columns(pl.col("text").str.to_uppercase() + "!", pl.col("noise") + 1)
    assert kinds(audited(pl.concat([frame, again]))) == {("splits share: text", "leak")}


def test_an_entity_in_two_splits_is_found() -> None:
    frame = clean(0)
    moved = frame.with_columns(
        pl.when(pl.col("_record") == 77).then(pl.lit("test")).otherwise(pl.col("split").cast(pl.String)).alias("split")
    )
    user = frame["user"][76]
    if frame.filter(pl.col("user") == user).height == 1 or frame["split"][76] == "test":
        pytest.fail("choose another row")
    assert kinds(audited(moved)) == {("splits share: entity", "leak")}


def test_clusters_of_near_duplicates_across_splits_are_found() -> None:
    frame = clean(0)
    near = frame.select("_file", "_record").with_columns(pl.int_range(pl.len()).alias("cluster")).lazy()
    assert kinds(audited(frame, clusters=near)) == set()
    one = frame.select("_file", "_record").with_columns((pl.int_range(pl.len()) // 2).alias("cluster")).lazy()
    assert ("splits share: near-duplicate", "leak") in kinds(audited(frame, clusters=one))


YES = pl.col("y") == "yes"
PLANTED: dict[str, tuple[pl.Expr, tuple[str, str]]] = {
    "identifier": (pl.col("_record") * 7 + 13, ("column planted", "identifier")),
    "identifying text": (
        pl.concat_str(pl.lit("T-"), pl.col("_record").cast(pl.String)),
        ("column planted", "identifier"),
    ),
    "a copy of the label": (YES.cast(pl.Int64), ("column planted", "determines the label")),
    "many values, one label each": (
        pl.when(YES).then(pl.lit("y")).otherwise(pl.lit("n")) + (pl.col("_record") % 40).cast(pl.String),
        ("column planted", "determines the label"),
    ),
    # The band that holds the threshold is mixed.
    "a threshold on a number": (YES * 100 + pl.col("noise"), ("column planted", "stands for the label")),
    "only missing tells": (
        pl.when(YES).then(pl.col("noise")),
        ("column planted", "determines the label"),
    ),
    "a proxy": (
        pl.when(pl.col("_record") % 50 == 0).then(~YES).otherwise(YES).cast(pl.String),
        ("column planted", "stands for the label"),
    ),
    "constant in one class": (
        pl.when(YES & (pl.col("_record") % 3 == 0)).then(pl.col("count")).otherwise(pl.lit(0)),
        ("column planted", "constant in one class"),
    ),
    "missing in one class": (
        pl.when(YES & (pl.col("_record") % 2 == 0)).then(pl.col("noise")),
        ("column planted", "constant in one class"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("planted", "expected"), PLANTED.values(), ids=PLANTED)
def test_a_column_that_tells_too_much_is_found_and_no_other(planted: pl.Expr, expected: tuple[str, str]) -> None:
    assert kinds(audited(clean(2).with_columns(planted.alias("planted")))) == {expected}


def test_a_file_sorted_by_the_label_is_found() -> None:
    frame = clean(3).sort("y", maintain_order=True).with_columns(pl.int_range(1, pl.len() + 1).alias("_record"))
    assert kinds(audited(frame)) == {("column the record's place in its file", "order tells the label")}


def test_a_file_for_each_label_is_found() -> None:
    frame = clean(3).with_columns(pl.when(YES).then(pl.lit("a" * 64)).otherwise(pl.lit("b" * 64)).alias("_file"))
    assert kinds(audited(frame)) == {("column the file", "order tells the label")}


def test_a_feature_later_than_the_label_is_found() -> None:
    import datetime as dt

    known = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    frame = clean(4).with_columns(
        (pl.lit(known) + pl.duration(hours=pl.col("_record"))).alias("known"),
        (pl.lit(known) + pl.duration(hours=pl.col("_record") + (pl.col("_record") % 100 == 0) * 5)).alias("seen"),
    )
    result = audited(frame, Leakage(label="y", event_time="known", feature_times=("seen",)))
    assert kinds(result) == {("column seen", "leak: known after the label")}
    assert "in 40 of 4,000 rows" in result.findings[0].found


def test_training_on_the_future_is_found() -> None:
    import datetime as dt

    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    split = Split(at="arrived", test_from="2026-03-01")
    frame = (
        clean(4)
        .drop("split")
        .with_columns(
            (pl.lit(day) + pl.duration(minutes=pl.col("_record") * 40)).alias("arrived"),
            (pl.lit(day) + pl.duration(minutes=pl.col("_record") * 40 % 60_000)).alias("known"),
        )
    )
    frame = frame.with_columns(assigned(split))
    result = audited(frame, Leakage(label="y", event_time="known"), split)
    assert ("splits overlap in time", "leak: trained on the future") in kinds(result)


def test_declared_keys_and_ignored_columns_are_no_features() -> None:
    frame = clean(0).with_columns((pl.col("_record") * 7).alias("key"), YES.alias("kept"))
    assert kinds(audited(frame, Leakage(label="y", ignore=("kept",)), keys=("key",))) == set()


def test_no_value_of_a_personal_column_is_told() -> None:
    planted = pl.when(YES & (pl.col("_record") % 3 == 0)).then(pl.lit("secret")).otherwise(pl.lit("hush"))
    result = audited(clean(0).with_columns(planted.alias("p")), personal=("p", "y"))
    assert kinds(result) == {("column p", "constant in one class")}
    assert not any(word in finding.found for finding in result.findings for word in ("secret", "hush", "'no'"))


def test_a_warning_stops_nothing() -> None:
    frame = clean(0).with_columns(YES.alias("copy"))
    assert audited(frame, Leakage(label="y", action="warn")).verdict is Verdict.WARN


@pytest.mark.parametrize("make", [lambda: clean(0).head(0), lambda: clean(0).head(3)])
def test_few_rows_tell_nothing(make: Callable[[], pl.DataFrame]) -> None:
    assert kinds(audited(make())) == set()
