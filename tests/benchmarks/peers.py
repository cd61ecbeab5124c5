"""Peers: other tools doing what they can of Winnow's work on a dump of orders, each as its own documentation has it.

Belongs here: one function for each peer; the second paragraph of its docstring says what it leaves out, and is shown
below the table. Does not belong here: Winnow's cases (cases), or what is compared with what (groups).

What is asked of each: read the typed dump, strip and upper-case as the declaration says, drop rows that came twice,
evaluate the 22 rules and that no order number comes twice, keep the good rows as Parquet, and the failures with their
reasons, too. What a tool has no means for is done for it by polars: reading, steps, and dropping equal rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tests.benchmarks.clock import Clock
from tests.benchmarks.layout import JSONL, dump, output
from tests.benchmarks.measured import Parts
from tests.benchmarks.rephrased import TYPES, dataframely_schema, interrogation, statements, suite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from great_expectations.core import ExpectationSuiteValidationResult

    Work = Callable[[], Parts]


def bare(folder: Path, partition: str, level: str = "") -> Work:
    """Copies a dump to Parquet with polars alone, typed.

    Evaluates no rule, keeps no reasons, makes nulls of what it can't read, and drops the fields that a record has too
    many.
    """

    def work() -> Parts:
        return Parts(rows=_rows(copy(folder, partition, int(level) if level else None)))

    return work


def copy(folder: Path, partition: str, level: int | None = None) -> Path:
    """Copies a dump to Parquet, at polars' own level of zstd or at this one; answers where to."""
    good = output(folder) / "good.parquet"
    _read(folder, partition).sink_parquet(good, compression_level=level)
    return good


def duckdb(folder: Path, partition: str) -> Work:
    """Does all of the work in SQL: typed reading that stores what it rejects, rules, duplicates and conflicts.

    Keeps no raw text of rows that break a rule, no record of what was repaired or came twice, and balances nothing;
    each rule is written by hand.
    """
    import duckdb as engine

    def work() -> Parts:
        good = output(folder) / "good.parquet"
        with engine.connect(config={"temp_directory": str(folder / "spill")}) as connection:
            for statement in statements(dump(folder, partition), output(folder)):
                connection.execute(statement)
        return Parts(rows=_rows(good))

    return work


def dataframely(folder: Path, partition: str) -> Work:
    """Reads lazily with polars, filters by a schema, collects good rows and failures at once and writes both.

    Tells neither what could not be cast nor a field too many, keeps no raw text, and lets nulls that were made of dates
    that could not be read pass.
    """
    schema = dataframely_schema()

    def work() -> Parts:
        good = output(folder) / "good.parquet"
        found = schema.filter(_prepared(_read(folder, partition))).collect_all(engine="streaming")
        found.result.write_parquet(good)
        found.failure.write_parquet(output(folder) / "failures.parquet")
        return Parts(rows=_rows(good))

    return work


def pandera(folder: Path, partition: str) -> Work:
    """Reads with polars into memory, validates with pandera's own engine, writes the good rows and the failure cases.

    Tells neither what could not be cast nor a field too many, keeps no raw text, and lets nulls that were made of dates
    that could not be read pass.
    """
    import pandera.polars as pa

    from tests.benchmarks.orders import Orders

    class UniqueOrders(Orders):
        order_id: int = pa.Field(ge=1, unique=True)

    clock = Clock()

    def failures_of(frame: pl.DataFrame) -> pl.DataFrame:
        try:
            UniqueOrders.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as errors:
            found: pl.DataFrame = errors.failure_cases
            return found
        message = "pandera found nothing wrong with a dump that has faults"
        raise RuntimeError(message)

    def work() -> Parts:
        frame = _prepared(_read(folder, partition)).collect()
        with clock.running(), clock.stretch("validate"):
            failures = failures_of(frame)
        failures.write_parquet(output(folder) / "failures.parquet")
        return Parts(clock.stretches, rows=_without(frame, failures["index"], output(folder) / "good.parquet"))

    return work


def pointblank(folder: Path, partition: str) -> Work:
    """Reads with polars into memory, interrogates with Pointblank, writes both halves of the sundered rows.

    Tells neither what could not be cast nor a field too many, keeps no raw text, and lets nulls that were made of dates
    that could not be read pass. The reasons are extracts, one table for each step; orders of one number are found, too,
    but not sundered from the good rows.
    """
    import pointblank as pb

    def work() -> Parts:
        frame = _prepared(_read(folder, partition)).collect()
        asked = interrogation(pb.Validate(frame)).interrogate(extract_limit=frame.height)
        good = output(folder) / "good.parquet"
        asked.get_sundered_data("pass").write_parquet(good)
        asked.get_sundered_data("fail").write_parquet(output(folder) / "failures.parquet")
        for step, rows in asked.get_data_extracts().items():
            if rows.height:
                rows.write_parquet(output(folder) / f"step-{step}.parquet")
        return Parts(rows=_rows(good))

    return work


def great_expectations(folder: Path, partition: str) -> Work:
    """Reads with polars into a pandas frame, validates a suite with complete results, writes good rows and failures.

    Tells neither what could not be cast nor a field too many, keeps no raw text, and lets nulls that were made of dates
    that could not be read pass. Two rules need a column made for them, since its expectations take no expression.
    """
    import great_expectations as gx

    wanted = suite()

    def work() -> Parts:
        frame = _prepared(_read(folder, partition)).collect()
        made = frame.with_columns(
            day=pl.col("ordered_at").dt.date(),
            total=pl.col("quantity") * pl.col("unit_price") * (1 - pl.col("discount")),
        )
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("orders")
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": made.to_pandas()})
        complete = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
        failures = _failures(batch.validate(wanted, result_format=complete))
        failures.write_parquet(output(folder) / "failures.parquet")
        return Parts(rows=_without(frame, failures["index"], output(folder) / "good.parquet"))

    return work


# --- what polars does for them ----------------------------------------------------------------------------------------


def _read(folder: Path, partition: str) -> pl.LazyFrame:
    path = dump(folder, partition)
    if partition == JSONL:
        return pl.scan_ndjson(path, schema=TYPES, ignore_errors=True)
    return pl.scan_csv(path, schema=TYPES, ignore_errors=True, truncate_ragged_lines=True)


def _prepared(frame: pl.LazyFrame) -> pl.LazyFrame:
    """With the declared steps done, and each row once."""
    stripped = frame.with_columns(pl.col("country", "status").str.strip_chars())
    return stripped.with_columns(pl.col("country").str.to_uppercase()).unique()


def _without(frame: pl.DataFrame, bad: pl.Series, path: Path) -> int:
    """Writes the rows of other indices than these; answers how many."""
    good = frame.with_row_index("index").join(
        pl.DataFrame({"index": bad.cast(pl.UInt32)}).unique(), on="index", how="anti"
    )
    good.drop("index").write_parquet(path)
    return good.height


def _rows(path: Path) -> int:
    rows: int = pl.scan_parquet(path).select(pl.len()).collect().item()
    return rows


def _failures(found: ExpectationSuiteValidationResult) -> pl.DataFrame:
    parts = []
    for result in found.results:
        if result.exception_info.get("raised_exception"):
            raise RuntimeError(result.exception_info["exception_message"])
        kind, rows = result.expectation_config.type, result.result.get("unexpected_index_list") or []
        parts.append(pl.DataFrame({"index": rows}, schema={"index": pl.Int64}).with_columns(expectation=pl.lit(kind)))
    return pl.concat(parts)


PEERS: tuple[Callable[..., Work], ...] = (bare, duckdb, dataframely, pandera, pointblank, great_expectations)
