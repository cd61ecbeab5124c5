"""Exact duplicates by key: survivors by declared policy, conflicts named.

Belongs here: the verdict over one frame of candidates, and which of its rows stand for all. Does not belong here:
finding the rows that need a look (repeated), near-duplicate text, other partitions (across), or writing the outcome.

The verdict depends on the rows and on their order of identity (file, record), never on the order in which they arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import polars as pl

from schemas.records import CLUSTER, DIFFERING, INPUT, RECORD
from tasks.dedupe.keys import cluster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.policies import Dedupe

#: Columns of a candidate's place in the order of files and records.
PLACE = (INPUT, RECORD)


class Policy(Protocol):
    """Who survives, as `schemas.policies.Dedupe` and `schemas.records.Terms` say it."""

    @property
    def keep(self) -> str: ...  # noqa: D102

    @property
    def by(self) -> str | None: ...  # noqa: D102

    @property
    def prefer(self) -> tuple[str, ...]: ...  # noqa: D102


@dataclass(frozen=True)
class Verdict:
    """What was found among the candidates.

    Attributes:
        duplicates: rows that do not survive: `_input` UInt32, `_record` UInt64, the survivor's `_of_input`,
            `_of_record`, `_differs` Boolean (the row has other content than its survivor), `_differing` (the columns in
            which it differs) and `_cluster`.
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
    key = list(dedupe.compared)
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
    key = list(dedupe.compared)
    members = _with_content(rows, dedupe, columns)
    survivors = by_preference(members, dedupe, columns).unique(key, keep="first", maintain_order=True)
    contents = members.unique([*key, "_content"], keep="first", maintain_order=True)
    firsts = contents.filter(pl.int_range(pl.len()).over(key) < 2)
    return pl.concat([survivors, firsts]).unique([*PLACE], maintain_order=True).drop("_content")


def content_of(columns: Sequence[str], key: Sequence[str], ignore: Sequence[str]) -> pl.Expr:
    """What two rows of one key may not differ in, as one value; missing is equal to missing."""
    content = [name for name in columns if name not in (*key, *ignore)]
    # A struct compares all content at once; a key alone has no content.
    return (pl.struct(content) if content else pl.lit(0)).alias("_content")


def _with_content(rows: pl.DataFrame, dedupe: Dedupe, columns: list[str]) -> pl.DataFrame:
    return rows.with_columns(content_of(columns, dedupe.key, dedupe.ignore)).sort(*PLACE)


def _duplicates(members: pl.DataFrame, dedupe: Dedupe, columns: list[str]) -> pl.DataFrame:
    key = list(dedupe.compared)
    others = [name for name in columns if name not in key]
    survivors = (
        by_preference(members, dedupe, columns)
        .unique(key, keep="first", maintain_order=True)
        .select(
            *key,
            pl.col(INPUT).alias("_of_input"),
            pl.col(RECORD).alias("_of_record"),
            pl.col("_content").alias("_of"),
            *(pl.col(name).alias(f"_of.{name}") for name in others),
        )
    )
    found = members.join(survivors, on=key, how="left", maintain_order="left").filter(
        (pl.col(INPUT) != pl.col("_of_input")) | (pl.col(RECORD) != pl.col("_of_record"))
    )
    return found.select(
        *PLACE,
        "_of_input",
        "_of_record",
        pl.col("_content").ne_missing(pl.col("_of")).alias("_differs"),
        differing(found, others),
        cluster(key, members.schema).alias(CLUSTER),
    )


def differing(beside: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """For each row the columns in which it differs from its survivor, whose cells stand beside it as `_of.<column>`."""
    unlike = {name: pl.col(name).ne_missing(pl.col(f"_of.{name}")) for name in columns}
    some = beside.select(pl.any_horizontal(pl.lit(value=False), *unlike.values())).to_series()
    told = pl.Series(DIFFERING, [[]], pl.List(pl.String)).new_from_index(0, beside.height)
    # Lists are dear, and most duplicates are copies: only rows that differ get theirs one by one.
    at = some.arg_true()
    if at.len():
        named = [pl.when(each).then(pl.lit(name)) for name, each in unlike.items()]
        lists = beside[at].select(pl.concat_list(named).list.drop_nulls()).to_series()
        order = pl.concat([told, lists.alias(DIFFERING)])
        places = pl.int_range(beside.height, dtype=pl.UInt32, eager=True).scatter(
            at, pl.int_range(beside.height, beside.height + at.len(), dtype=pl.UInt32, eager=True)
        )
        told = order.gather(places)
    return told


def by_preference(members: pl.DataFrame, policy: Policy, columns: Sequence[str]) -> pl.DataFrame:
    """The rows with the survivor of each key first; ties stay in the order of place, in which the rows come."""
    if policy.keep == "first":
        return members
    if policy.keep == "last":
        return members.reverse()
    if policy.keep == "most_complete":
        return members.sort(filled(columns), descending=True, maintain_order=True)
    assert policy.by is not None  # noqa: S101  # for the type checker: the policy was checked when declared
    by = pl.col(policy.by)
    if policy.keep == "preferred":
        ranks = {value: rank for rank, value in enumerate(policy.prefer)}
        last = len(policy.prefer)
        rank = by.cast(pl.String).replace_strict(ranks, default=last, return_dtype=pl.UInt32)
        return members.sort(rank, maintain_order=True)
    # Not a number is not the latest of anything.
    by = by.fill_nan(None) if members.schema[policy.by].is_float() else by
    return members.sort(by, descending=True, nulls_last=True, maintain_order=True)


def filled(columns: Sequence[str]) -> pl.Expr:
    """How many cells of a row are there."""
    return pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.UInt32) for name in columns)


def _conflicts(members: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Each row of a key with several contents, beside the first row of another content than its own."""
    others = other_contents(members, key).select(
        *key,
        pl.col(INPUT).alias("_other_input"),
        pl.col(RECORD).alias("_other_record"),
        _other=pl.col("_content"),
    )
    return (
        members.join(others, on=key, how="inner", maintain_order="left_right")
        .filter(pl.col("_content").ne_missing(pl.col("_other")))
        .unique([*PLACE], keep="first", maintain_order=True)
        .select(*PLACE, "_other_input", "_other_record")
    )


def other_contents(members: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The first rows of the first two contents of each key that has several.

    Two contents are enough to find another than one's own, however many a key has; more would make this quadratic.
    """
    contents = members.unique([*key, "_content"], keep="first", maintain_order=True)
    return contents.filter((pl.len().over(key) > 1) & (pl.int_range(pl.len()).over(key) < 2))
