"""Exact duplicates by key: survivors by declared policy, conflicts named.

Belongs here: the verdict over one frame of candidates, and which of its rows stand for all. Does not belong here:
finding the rows that need a look (repeated), near-duplicate text, earlier partitions, or writing the outcome.

The verdict depends on the rows and on their order of identity (file, record), never on the order in which they arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from schemas.policies import Dedupe

#: Columns of a candidate's place in the order of files and records.
PLACE = ("_input", "_record")


@dataclass(frozen=True)
class Verdict:
    """What was found among the candidates.

    Attributes:
        duplicates: rows that do not survive: `_input` UInt32, `_record` UInt64, the survivor's `_of_input`,
            `_of_record`, and `_differs` Boolean (the row has other content than its survivor).
        conflicts: rows whose key another row has with other content: `_input`, `_record`, and one such row's
            `_other_input`, `_other_record`.
    """

    duplicates: pl.DataFrame
    conflicts: pl.DataFrame


def decide(candidates: pl.LazyFrame, dedupe: Dedupe, columns: list[str]) -> Verdict:
    """Finds duplicates and conflicts among candidates.

    Only keys are read of all rows; the other columns are read of rows whose key occurs more than once.

    Args:
        candidates: `_input` UInt32 (order of the file), `_record` UInt64, and the data set's typed columns.
        dedupe: the policy.
        columns: the data set's columns; content is what is in those that are neither in the key nor
            ignored.

    Returns:
        The verdict, sorted by place. A row with a missing value in its key is in neither frame.
    """
    key = list(dedupe.key)
    complete = pl.all_horizontal(pl.col(name).is_not_null() for name in key)
    repeated = (
        candidates.filter(complete).group_by(key).agg(pl.len().alias("_len")).filter(pl.col("_len") > 1).select(key)
    )
    members = candidates.join(repeated, on=key, how="semi").collect(engine="streaming")
    members = _with_content(members, dedupe, columns)
    return Verdict(_duplicates(members, dedupe, columns), _conflicts(members, key))


def representatives(rows: pl.DataFrame, dedupe: Dedupe, columns: list[str]) -> pl.DataFrame:
    """Of each key the few rows on which the verdict on any other row of the key depends, at most three.

    These are the survivor, the first row, and the first row of other content than that one has. Decided beside the
    representatives of all rows, a portion of the rows gets the verdicts that it gets among all of them.

    Args:
        rows: rows without a missing value in their key.
        dedupe: the policy.
        columns: the data set's columns.
    """
    key = list(dedupe.key)
    members = _with_content(rows, dedupe, columns)
    survivors = _by_preference(members, dedupe, columns).unique(key, keep="first", maintain_order=True)
    contents = members.unique([*key, "_content"], keep="first", maintain_order=True)
    firsts = contents.filter(pl.int_range(pl.len()).over(key) < 2)
    return pl.concat([survivors, firsts]).unique([*PLACE], maintain_order=True).drop("_content")


def _with_content(rows: pl.DataFrame, dedupe: Dedupe, columns: list[str]) -> pl.DataFrame:
    content = [name for name in columns if name not in (*dedupe.key, *dedupe.ignore)]
    # A struct compares all content at once and treats missing as equal to missing; a key alone has no content.
    body = pl.struct(content) if content else pl.lit(0)
    return rows.with_columns(body.alias("_content")).sort(*PLACE)


def _duplicates(members: pl.DataFrame, dedupe: Dedupe, columns: list[str]) -> pl.DataFrame:
    key = list(dedupe.key)
    survivors = (
        _by_preference(members, dedupe, columns)
        .unique(key, keep="first", maintain_order=True)
        .select(
            *key, pl.col("_input").alias("_of_input"), pl.col("_record").alias("_of_record"), _of=pl.col("_content")
        )
    )
    return (
        members.join(survivors, on=key, how="left", maintain_order="left")
        .filter((pl.col("_input") != pl.col("_of_input")) | (pl.col("_record") != pl.col("_of_record")))
        .select(*PLACE, "_of_input", "_of_record", pl.col("_content").ne_missing(pl.col("_of")).alias("_differs"))
    )


def _by_preference(members: pl.DataFrame, dedupe: Dedupe, columns: list[str]) -> pl.DataFrame:
    """The rows with the survivor of each key first; ties stay in the order of place, in which the rows come."""
    if dedupe.keep == "first":
        return members
    if dedupe.keep == "last":
        return members.reverse()
    if dedupe.keep == "latest":
        assert dedupe.by is not None  # noqa: S101  # for the type checker: the policy was checked when declared
        # Not a number is not the latest of anything.
        by = pl.col(dedupe.by).fill_nan(None) if members.schema[dedupe.by].is_float() else pl.col(dedupe.by)
        return members.sort(by, descending=True, nulls_last=True, maintain_order=True)
    filled = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.UInt32) for name in columns)
    return members.sort(filled, descending=True, maintain_order=True)


def _conflicts(members: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Each row of a key with several contents, beside the first row of another content than its own."""
    contents = members.unique([*key, "_content"], keep="first", maintain_order=True)
    disputed = contents.filter(pl.len().over(key) > 1)
    # Two contents are enough to find another than one's own, however many a key has; more would make this quadratic.
    others = disputed.filter(pl.int_range(pl.len()).over(key) < 2).select(
        *key,
        pl.col("_input").alias("_other_input"),
        pl.col("_record").alias("_other_record"),
        _other=pl.col("_content"),
    )
    return (
        members.join(others, on=key, how="inner", maintain_order="left_right")
        .filter(pl.col("_content").ne_missing(pl.col("_other")))
        .unique([*PLACE], keep="first", maintain_order=True)
        .select(*PLACE, "_other_input", "_other_record")
    )
