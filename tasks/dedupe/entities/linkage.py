"""Linkage: with what probability two records are about the same entity.

Belongs here: the only use of splink, and counting the pairs that it would compare before it does. Does not belong here:
what becomes of records (among).

The model is that of Fellegi and Sunter, A theory for record linkage (1969), as splink fits it: how often fields agree
by chance is estimated on pairs drawn with a fixed seed, how often they agree in records of one entity by expectation
maximisation over the pairs of each blocking rule. DuckDB works in one thread: sums of floating-point numbers depend on
their order, and the same records are to have the same probabilities on every machine.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import polars as pl

from schemas.errors import GateError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.policies import Entities

#: One row for each pair: the numbers of two records, the later one first; log2 of the odds that the fields speak for.
PAIRS = pl.Schema({"one": pl.Int64(), "other": pl.Int64(), "probability": pl.Float64(), "weight": pl.Float64()})
_SEED = 20_261_130
_SAMPLE = 2_000_000
_NUMBER = "unique_id"


def check_blocks(records: pl.DataFrame, entities: Entities) -> list[int]:
    """How many pairs each blocking rule leads to.

    Raises:
        GateError: they are too many together; the message names the rule with most of them.
    """
    counts = [_pairs_of(records, rule) for rule in entities.blocking]
    if sum(count for count, _ in counts) > entities.max_pairs:
        (count, largest), rule = max(zip(counts, entities.blocking, strict=True))
        raise GateError(
            f"blocking by {', '.join(rule)} compares {count:,} pairs of records, {largest:,} records in one block",
            expected=f"at most {entities.max_pairs:,} pairs of all rules together",
            where="Entities(blocking)",
            fix="Add a column to that rule, take it out, or raise Entities(max_pairs).",
        )
    return [count for count, _ in counts]


def _pairs_of(records: pl.DataFrame, rule: Sequence[str]) -> tuple[int, int]:
    """How many pairs are equal in all of these columns, and the records of the largest block."""
    sizes = records.drop_nulls(list(rule)).group_by(rule).len().get_column("len").cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum()), int(sizes.max() or 0)  # type: ignore[arg-type]  # of integers


def linked(records: pl.DataFrame, entities: Entities) -> pl.DataFrame:
    """The pairs of records that are about the same entity with at least the probability to be looked at.

    Args:
        records: the declared fields and the columns of the blocking rules, of each record.
        entities: the declaration.

    Returns:
        Columns as in `PAIRS`, sorted by the two records.

    Raises:
        GateError: there are more pairs to compare than declared.
        MissingExtraError: splink is not installed.
    """
    texts = records.with_columns(pl.all().cast(pl.String))
    counts = check_blocks(texts, entities)
    rules = [rule for rule, count in zip(entities.blocking, counts, strict=True) if count]
    if not rules:
        return pl.DataFrame(schema=PAIRS)
    found = _predicted(texts.with_columns(pl.int_range(pl.len()).alias(_NUMBER)), entities, rules)
    left, right = pl.col(f"{_NUMBER}_l"), pl.col(f"{_NUMBER}_r")
    return found.select(
        pl.max_horizontal(left, right).alias("one"),
        pl.min_horizontal(left, right).alias("other"),
        pl.col("match_probability").alias("probability"),
        pl.col("match_weight").alias("weight"),
    ).sort("one", "other")


def _predicted(records: pl.DataFrame, entities: Entities, rules: Sequence[Sequence[str]]) -> pl.DataFrame:
    try:
        import duckdb
        from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or "splink", "entities") from None
    blocks = [block_on(*rule) for rule in rules]
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[_comparison(name, kind) for name, kind in entities.fields.items()],
        blocking_rules_to_generate_predictions=list(blocks),
        retain_matching_columns=False,
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("given", records.to_arrow())
        connection.execute("create table records as select * from given order by unique_id")
        linker = Linker(DuckDBAPI(connection).register("records"), settings, log_level=logging.ERROR)
        linker.training.estimate_u_using_random_sampling(max_pairs=_SAMPLE, seed=_SEED)
        linker.training.estimate_probability_two_random_records_match(list(blocks), recall=1.0)
        for block in blocks:
            linker.training.estimate_parameters_using_expectation_maximisation(block, record_sample_proportion=1.0)
        least = entities.match if entities.review is None else entities.review
        predicted = linker.inference.predict(threshold_match_probability=least, warning_mode="never")
        found: pl.DataFrame = predicted.as_duckdbpyrelation().pl()
    return found


def _comparison(name: str, kind: str) -> Any:  # noqa: ANN401  # of a library that is imported only here
    """How a field is compared; names by Jaro and Winkler's similarity, codes by the number of slips in typing them."""
    from splink import comparison_library as library

    if kind == "name":
        return library.JaroWinklerAtThresholds(name, [0.92, 0.8])
    if kind == "code":
        return library.DamerauLevenshteinAtThresholds(name, [1, 2])
    return library.ExactMatch(name)
