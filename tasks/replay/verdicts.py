"""Verdicts of a replay: what becomes of records that pass now, beside the rows that are kept already.

Belongs here: duplicates, conflicts and rules across rows, among the records asked again and against the kept ones;
frames in and frames out. Does not belong here: rules about one row (tasks/validate/screening), or reading and writing
(stage).

A kept row stays kept, whatever is found. A record that would put one out of its place, because the policy prefers it or
because both were in conflict, is set aside: only a backfill, which asks all records, may decide between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from schemas.records import CLUSTER, DIFFERING, INPUT, RECORD, Severity
from tasks.dedupe.exact import PLACE, decide
from tasks.job import CONFLICT
from tasks.validate import mask

if TYPE_CHECKING:
    from schemas.dataset import Dataset
    from tasks.validate.compile import CompiledRules

#: Whether a row is one of those that are kept already.
_OLD = "_old"


class Settled(NamedTuple):
    """What becomes of the records that pass on their own.

    Attributes:
        kept: places of those that are kept from now on.
        duplicates: `_input`, `_record`, `_of_input`, `_of_record`, `_differs` of those that don't survive.
        broken: `_input`, `_record`, the mask's words and `_other_input`, `_other_record` of those that break a
            rule across rows.
        claims: places of those that would put a kept row out of its place.
        disturbs: whether a kept row would not stay what it is if all were asked.
    """

    kept: pl.DataFrame
    duplicates: pl.DataFrame
    broken: pl.DataFrame
    claims: pl.DataFrame
    disturbs: bool

    @property
    def in_conflict(self) -> bool:
        """Whether records are set aside for a conflict that other partitions would have to be held against."""
        broken = self.broken
        return "_other_input" in broken.columns and broken.get_column("_other_input").null_count() < broken.height


def settled(passing: pl.DataFrame, kept: pl.LazyFrame, dataset: Dataset, rules: CompiledRules) -> Settled:
    """Decides on records that pass on their own.

    Args:
        passing: their places and typed columns, in the order of their places.
        kept: the same columns of the rows that are kept already.
        dataset: the data set.
        rules: its rules.
    """
    names = [column.name for column in dataset.columns]
    places = passing.select(PLACE)
    none = pl.Series([], dtype=pl.UInt64)
    duplicates = places.clear().with_columns(
        pl.lit(None, pl.UInt32).alias("_of_input"),
        none.alias("_of_record"),
        pl.lit(None, pl.Boolean).alias("_differs"),
        pl.lit(None, pl.List(pl.String)).alias(DIFFERING),
        pl.lit(None, pl.String).alias(CLUSTER),
    )
    claims, conflicts, disturbs = places.clear(), _no_conflicts(places), False
    if dataset.dedupe and passing.height:
        key = list(dataset.dedupe.key)
        rivals = kept.select(*PLACE, *names).join(passing.lazy().select(key).unique(), on=key, how="semi").collect()
        verdict = decide(pl.concat([rivals, passing.select(*PLACE, *names)]).lazy(), dataset.dedupe, names)
        stops = any(rule.severity is not Severity.WARN for rule in dataset.own_rules if rule.check == "conflict")
        old = rivals.select(PLACE)
        if stops:
            disturbs = bool(verdict.conflicts.join(old, on=PLACE, how="semi").height)
            conflicts = verdict.conflicts.join(places, on=PLACE, how="semi")
        found = verdict.duplicates.join(conflicts, on=PLACE, how="anti")
        # Survivors that are asked again, of which a kept row would be the duplicate.
        displacing = (
            found.join(old, on=PLACE, how="semi")
            .select(pl.col("_of_input").alias(INPUT), pl.col("_of_record").alias(RECORD))
            .unique()
        )
        of = {"left_on": ["_of_input", "_of_record"], "right_on": list(PLACE)}
        fresh = found.join(places, on=PLACE, how="semi")
        # Whatever is the duplicate of one of them waits with it.
        waiting = fresh.join(displacing, how="semi", **of)  # type: ignore[arg-type]  # two lists of names
        claims = pl.concat([displacing, waiting.select(PLACE)]).unique().sort(PLACE)
        disturbs = disturbs or bool(displacing.height)
        duplicates = fresh.join(claims, on=PLACE, how="anti")
    left = passing
    for gone in (conflicts, claims, duplicates):
        left = left.join(gone.select(PLACE), on=PLACE, how="anti", maintain_order="left")
    broken, more = _across(left, kept, rules)
    stopped = broken.filter(rules.broken(Severity.QUARANTINE, Severity.FAIL))
    if more:
        # A kept row breaks a rule because of them, and which of them is to blame can't be told.
        claims, stopped, broken = pl.concat([claims, left.select(PLACE)]), stopped.clear(), broken.clear()
        left = left.clear()
    left = left.join(stopped, on=PLACE, how="anti", maintain_order="left")
    broken = pl.concat([broken, _conflicting(conflicts, dataset, rules)], how="diagonal_relaxed").sort(PLACE)
    return Settled(left.select(PLACE), duplicates.sort(PLACE), broken, claims, disturbs or more)


def _no_conflicts(places: pl.DataFrame) -> pl.DataFrame:
    return places.clear().with_columns(
        pl.lit(None, pl.UInt32).alias("_other_input"), pl.lit(None, pl.UInt64).alias("_other_record")
    )


def _conflicting(conflicts: pl.DataFrame, dataset: Dataset, rules: CompiledRules) -> pl.DataFrame:
    """Records in conflict with the bit of that rule."""
    rule = next((rule for rule in dataset.own_rules if rule.check == "conflict"), None)
    if rule is None or not conflicts.height:
        return conflicts.clear().with_columns(pl.lit(0, pl.UInt64).alias(word) for word in rules.words)
    marked = conflicts.lazy().with_columns(pl.lit(value=True).alias(CONFLICT))
    return rules.across(marked, [rule]).drop(CONFLICT).collect()


def _across(fresh: pl.DataFrame, kept: pl.LazyFrame, rules: CompiledRules) -> tuple[pl.DataFrame, bool]:
    """Which fresh rows break a rule across rows among all, and whether a kept one does that did not without them."""
    wanted = [part.rule for part in rules.parts if part.rule.kind == "across_rows" and part.rule.check != "conflict"]
    words = rules.words
    empty = fresh.select(PLACE).clear().with_columns(pl.lit(0, pl.UInt64).alias(word) for word in words)
    if not wanted or not fresh.height:
        return empty, False
    columns = [*PLACE, *rules.columns_read(wanted)]
    old = kept.select(*columns, pl.lit(value=True).alias(_OLD))
    together = pl.concat([old, fresh.lazy().select(*columns, pl.lit(value=False).alias(_OLD))]).sort(PLACE)
    broken = pl.any_horizontal(pl.col(word) != 0 for word in words)
    found = rules.across(together, wanted).filter(broken).select(*PLACE, _OLD, *words).collect()
    before = rules.across(old, wanted).filter(broken).select(*PLACE, *words).collect()
    stopping = rules.broken(Severity.QUARANTINE, Severity.FAIL)
    hurt = found.filter(pl.col(_OLD) & stopping).join(before.filter(stopping), on=PLACE, how="anti")
    own = found.filter(~pl.col(_OLD)).drop(_OLD)
    if not hurt.height:
        return own, False
    unique = [part for part in rules.parts if part.rule in wanted and part.unique]
    bits = mask.any_of(number for number, rule in enumerate(rules.rules) if rule in [part.rule for part in unique])
    # A value that a kept row has already: the fresh one is set aside, and the kept one stays.
    only_unique = len(unique) == len(wanted) and bool(hurt.select(bits.all()).item())
    return own, not only_unique
