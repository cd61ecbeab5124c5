"""Ledger: the rows of the files that say what became of every record that was not kept.

Belongs here: the columns of quarantine, duplicates, rejects and repairs, in the order in which they are written. Does
not belong here: deciding a fate (verdicts), or writing the files (stage).

Every row has its lineage and its raw bytes: `_file` (sha256), `_source` (path), `_record`, `_line`, `_offset`,
`_length`, `_raw`, then `_rules` and `_reasons` (lists in the same order), then the raw cells as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.records import (
    CLUSTER,
    CONFLICTS_WITH,
    DIFFERING,
    DUPLICATE_OF,
    FILE,
    INPUT,
    KIND,
    LENGTH,
    LINE,
    OFFSET,
    RAW,
    REASONS,
    RECORD,
    RULES,
    SHARED,
    SHINGLES,
    SIMILARITY,
    SOURCE,
    WEIGHT,
)
from tasks.dedupe.stars import EVIDENCE, without_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.policies import Dedupe, Near
    from schemas.records import RawFile

#: Rule of a record whose whole file came a second time.
REDELIVERED = "file.redelivered"

#: Where a record came from; the first columns of every file of the ledger.
PLACE_OF_RECORD = (FILE, SOURCE, RECORD, LINE, OFFSET, LENGTH, RAW)


def named(rows: pl.LazyFrame, inputs: Sequence[RawFile]) -> pl.LazyFrame:
    """Rows with `_file` and `_source` for their `_input`."""
    return rows.with_columns(
        _looked_up(INPUT, [raw.sha256 for raw in inputs]).alias(FILE),
        _looked_up(INPUT, [raw.path for raw in inputs]).alias(SOURCE),
    )


def record_id(number: str, record: str, inputs: Sequence[RawFile]) -> pl.Expr:
    """The id of the record at a place, null where the place is."""
    file = _looked_up(number, [raw.sha256 for raw in inputs])
    return pl.format("{}:{}", file, pl.col(record))


def own_id() -> pl.Expr:
    """The id of the record that a row with `_file` and `_record` is about."""
    return pl.format("{}:{}", pl.col(FILE), pl.col(RECORD))


def _looked_up(number: str, texts: Sequence[str]) -> pl.Expr:
    """The text at the place that a column tells, null where the column is."""
    # polars streams no replace_strict: it would hold all rows in memory.
    table = pl.Series(texts, dtype=pl.String)
    return pl.col(number).map_batches(table.gather, return_dtype=pl.String(), is_elementwise=True)


def quarantine_rows(decoded: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """Quarantined rows in the columns of their file.

    Args:
        decoded: rows with lineage, raw cells, `_rules`, `_reasons` and `_conflicts_with`.
        columns: the data set's columns.
    """
    return decoded.select(*PLACE_OF_RECORD, RULES, REASONS, CONFLICTS_WITH, *columns)


def duplicate_rows(
    records: pl.LazyFrame,
    inputs: Sequence[RawFile],
    key: str,
    columns: Sequence[str],
    *,
    conflicts: bool,
    dedupe: Dedupe | None = None,
) -> pl.LazyFrame:
    """Records that did not survive, each with the record it is a duplicate of.

    Args:
        records: the records with `_file` and `_source`, the survivor's `_of_input` and `_of_record`, `_differs`,
            `_differing` and `_cluster`.
        inputs: the raw files, by the number in `_input`.
        key: name of the key, for the rule ids.
        columns: the data set's columns.
        conflicts: whether a row that differs from its survivor is named as a conflict too.
        dedupe: the policy, where it looks for other duplicates than equal keys.
    """
    rules, reasons = [pl.lit(f"{key}.duplicate")], [pl.lit("another record has the same key and survives")]
    if dedupe:
        rules, reasons = [_by_kind(dedupe, 0, rules[0])], [_by_kind(dedupe, 1, reasons[0])]
    if conflicts:
        rules.append(pl.when("_differs").then(pl.lit(f"{key}.conflict")))
        reasons.append(pl.when("_differs").then(pl.lit("the surviving record has other content")))
    return records.select(
        *PLACE_OF_RECORD,
        pl.concat_list(rules).list.drop_nulls().alias(RULES),
        pl.concat_list(reasons).list.drop_nulls().alias(REASONS),
        record_id("_of_input", "_of_record", inputs).alias(DUPLICATE_OF),
        DIFFERING,
        CLUSTER,
        *(EVIDENCE if dedupe else ()),
        *columns,
    )


def _by_kind(dedupe: Dedupe, which: int, exact: pl.Expr) -> pl.Expr:
    """The rule (0) or the reason (1) of a duplicate, as its kind has it."""
    told = exact
    if dedupe.near:
        near = (pl.lit(f"{dedupe.near.column}.near_duplicate"), _alike(dedupe.near))
        told = pl.when(pl.col(KIND) == "near").then(near[which]).otherwise(told)
    if dedupe.entities:
        share, weight = pl.col(SIMILARITY).round(6), pl.col(WEIGHT).round(2)
        reason = "another record is about the same entity with probability {}, by a match weight of {}"
        entity = (pl.lit("entities.duplicate"), pl.format(reason, share, weight))
        told = pl.when(pl.col(KIND) == "entity").then(entity[which]).otherwise(told)
    return told


def _alike(near: Near) -> pl.Expr:
    """How similar a text is to the one that survives, in words."""
    unit = f"{near.characters} characters" if near.characters else f"{near.words} words"
    whole = "of the shorter text" if near.containment else "of both texts"
    return pl.format("a similar text survives: {} of {} runs of " + f"{unit} {whole}", SHARED, SHINGLES)


def redelivered_rows(
    rows: pl.LazyFrame, first_path: str, columns: Sequence[str], *, evidence: bool = False
) -> pl.LazyFrame:
    """The records of a file that came twice, parsed and rejected ones alike, as duplicates of the first delivery's.

    Args:
        rows: the second delivery's records or rejects, with `_file` and `_source`; raw cells where they have any.
        first_path: path of the first delivery.
        columns: the data set's columns.
        evidence: whether the policy looks for other duplicates than equal keys.
    """
    have = rows.collect_schema().names()
    return rows.select(
        *PLACE_OF_RECORD,
        pl.concat_list(pl.lit(REDELIVERED)).alias(RULES),
        pl.concat_list(pl.lit(f"the file has the same bytes as {first_path}")).alias(REASONS),
        own_id().alias(DUPLICATE_OF),
        # A copy differs in nothing; of which cluster the first one is, only its own row tells.
        pl.lit([], pl.List(pl.String)).alias(DIFFERING),
        pl.lit(None, pl.String).alias(CLUSTER),
        *(without_evidence() if evidence else ()),
        *(pl.col(name) if name in have else pl.lit(None, pl.String).alias(name) for name in columns),
    )


def reject_rows(rejects: pl.LazyFrame) -> pl.LazyFrame:
    """Rejected records in the columns of their file."""
    return rejects.select(*PLACE_OF_RECORD, RULES, REASONS)
