"""Plan: the declared steps of a data set as one lazy pass over its records, with what they changed beside the result.

Belongs here: the order of corrections, null tokens, steps and casts; which cells count as repaired or reformatted.
Does not belong here: what one step does (expressions) or one cast (casts), and rules (tasks/validate).

Columns that the plan adds, for a data set column `c`:

- `_raw.c` String: the cell as it was read;
- `_text.c.<i>` String: the cell after its i-th change, for each change that its declaration names;
- `c`: the typed value, null where the text is missing or does not cast.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from schemas import steps
from schemas.records import StepCount
from tasks.normalise.casts import typed
from tasks.normalise.expressions import altered, applied, misread, without_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from schemas.columns import ColumnSpec
    from schemas.corrections import Correction
    from schemas.dataset import Dataset

#: Columns of records where decisions of reviewers are known: `relabel`, `keep` or `exclude`, the label that was
#: decided about, the one that was decided for, and who decided it, when and why. Null for most rows.
REVIEW_ACTION, REVIEW_EXPECT, REVIEW_VALUE, REVIEW_REASON = (
    f"_review.{name}" for name in ("action", "expect", "value", "reason")
)
REVIEW_COLUMNS = (REVIEW_ACTION, REVIEW_EXPECT, REVIEW_VALUE, REVIEW_REASON)

#: Schema of the repairs that `repairs` yields, beside the columns that identify the record.
REPAIR_COLUMNS = ("column", "step", "before", "after", "reason")


@dataclass(frozen=True)
class Change:
    """One thing that a declaration does to the cells of one column.

    Attributes:
        column: the column.
        position: its place among the column's changes, from 1.
        step: stable name: of the step, `null_tokens`, or `correction`.
        after: the text afterwards, given the text before.
        is_repair: whether the value changed, given the text before and after; None when it never does.
        reason: for a repair row, why; None leaves it to the step's name.
        is_misread: whether the text before is such that a cast would take what is left of it for another value; None
            when it never is.
        only_removes: whether it leaves a cell as it is or empties it, and does nothing else.
    """

    column: str
    position: int
    step: str
    after: Callable[[pl.Expr], pl.Expr]
    is_repair: Callable[[pl.Expr, pl.Expr], pl.Expr] | None = None
    reason: str | pl.Expr | None = None
    is_misread: Callable[[pl.Expr], pl.Expr] | None = None
    only_removes: bool = False

    @property
    def text_before(self) -> pl.Expr:
        """The cell's text before this change."""
        return _text(self.column, self.position - 1)

    @property
    def text_after(self) -> pl.Expr:
        """The cell's text after this change."""
        return _text(self.column, self.position)

    @property
    def touched(self) -> pl.Expr:
        """How many cells the change makes different."""
        if self.only_removes:
            # Counting what is missing is far cheaper than comparing texts.
            return self.text_after.null_count() - self.text_before.null_count()
        return self.text_before.ne_missing(self.text_after).sum()

    @property
    def repaired(self) -> pl.Expr:
        """Whether the change altered the cell's value."""
        assert self.is_repair is not None  # noqa: S101  # for the type checker: asked of repairing changes only
        return self.is_repair(self.text_before, self.text_after)


def raw_name(column: str) -> str:
    """Name of the column that keeps a cell as it was read."""
    return f"_raw.{column}"


def _text(column: str, position: int) -> pl.Expr:
    return pl.col(f"_text.{column}.{position}" if position else raw_name(column))


class NormalisePlan:
    """What a data set's declaration does to the text of its cells.

    Example:
        `plan.applied(records)` has the typed columns; `plan.touched(frame)` says which of its rows have a repair.
    """

    def __init__(self, dataset: Dataset, *, reviewed: bool = False) -> None:
        """Reads the declaration.

        Args:
            dataset: the data set.
            reviewed: whether reviewers' decisions on labels are applied, too; records then have their columns.
        """
        self.columns = dataset.columns
        self.reviewed = dataset.reviewed if reviewed else None
        self.corrections = dataset.corrections
        self.changes: Mapping[str, tuple[Change, ...]] = {
            column.name: tuple(_changes(dataset, column.name, reviewed=column.name == self.reviewed))
            for column in dataset.columns
        }

    @property
    def repairing(self) -> tuple[Change, ...]:
        """The changes that can alter a value, in the order of columns and steps."""
        return tuple(change for each in self.changes.values() for change in each if change.is_repair)

    def applied(self, records: pl.LazyFrame) -> pl.LazyFrame:
        """Records (String columns) as typed candidates; see the module for the columns that are added."""
        names = [column.name for column in self.columns]
        frame = records.rename({name: raw_name(name) for name in names})
        for position in range(1, max((len(each) for each in self.changes.values()), default=0) + 1):
            # One layer for each position, so that no expression contains another's whole history.
            layer = [each[position - 1] for each in self.changes.values() if len(each) >= position]
            frame = frame.with_columns(c.after(c.text_before).alias(f"_text.{c.column}.{position}") for c in layer)
        return frame.with_columns(self._typed(column).alias(column.name) for column in self.columns)

    def _typed(self, column: ColumnSpec) -> pl.Expr:
        cast = typed(self.final_text(column), column)
        misread = [c.is_misread(c.text_before) for c in self.changes[column.name] if c.is_misread]
        if not misread or column.dtype == pl.String:
            return cast
        return pl.when(~pl.any_horizontal(misread)).then(cast)

    def final_text(self, column: ColumnSpec) -> pl.Expr:
        """The text that is cast."""
        return _text(column.name, len(self.changes[column.name]))

    def uncastable(self) -> dict[str, pl.Expr]:
        """For each column that is not text: whether its cell has text that is not a value of its type."""
        return {
            column.name: self.final_text(column).is_not_null() & pl.col(column.name).is_null()
            for column in self.columns
            if column.dtype != pl.String
        }

    def unexpected(self) -> dict[str, pl.Expr]:
        """For each corrected column: whether a correction found its row, but not the wrong value that it expects."""
        broken: dict[str, list[pl.Expr]] = {}
        for correction in self.corrections:
            broken.setdefault(correction.column, []).append(_row_found(correction) & ~_cell_found(correction))
        return {column: functools.reduce(operator.or_, each) for column, each in broken.items()}

    def reviewed_out(self, column: str) -> dict[str, pl.Expr]:
        """For each rule about reviewers' decisions on a column: whether a row breaks it."""
        if self.reviewed is None:
            return {f"{column}.{check}": pl.lit(value=False) for check in ("reviewed_out", "reviewed_other")}
        text = self.changes[column][-1].text_before
        other = pl.col(REVIEW_ACTION).is_not_null() & text.ne_missing(pl.col(REVIEW_EXPECT))
        return {f"{column}.reviewed_out": pl.col(REVIEW_ACTION) == "exclude", f"{column}.reviewed_other": other}

    def touched(self) -> pl.Expr:
        """Whether a row has at least one repaired cell."""
        return pl.any_horizontal([change.repaired for change in self.repairing] or [pl.lit(value=False)])

    def texts(self) -> list[pl.Expr]:
        """The texts before and after each change that repairs, all that `repairs` needs of a row."""
        pairs = [text for change in self.repairing for text in (change.text_before, change.text_after)]
        pairs += [change.reason for change in self.repairing if isinstance(change.reason, pl.Expr)]
        return list({text.meta.output_name(): text for text in pairs}.values())

    def repairs(self, touched: pl.LazyFrame, identity: list[str]) -> pl.LazyFrame:
        """One row for each repaired cell, in the order of the rows, then of the changes.

        Args:
            touched: rows for which `touched` holds, with the columns of `texts`.
            identity: columns that identify a record; kept.

        Returns:
            `identity`, then String `column`, `step`, `before`, `after` and `reason` (null where the step's name says
            it).
        """
        parts = [
            touched.filter(change.repaired).select(
                *identity,
                pl.lit(change.column).alias("column"),
                pl.lit(change.step).alias("step"),
                change.text_before.alias("before"),
                change.text_after.alias("after"),
                _words(change.reason).alias("reason"),
                pl.lit(number, pl.UInt32).alias("_change"),
            )
            for number, change in enumerate(self.repairing)
        ]
        return pl.concat(parts).sort(*identity, "_change", maintain_order=True).drop("_change")

    def counts(self) -> list[pl.Expr]:
        """Aggregates over all rows: how many cells each change touched, and of them how many it repaired."""
        exprs = []
        for number, change in enumerate(self._all()):
            exprs.append(change.touched.alias(f"{number}.touched"))
            if change.is_repair:
                exprs.append(change.repaired.sum().alias(f"{number}.repaired"))
        return exprs

    def step_counts(self, counted: Mapping[str, int | None]) -> tuple[StepCount, ...]:
        """The row that `counts` yields, as records; changes that touched nothing are left out."""
        found = []
        for number, change in enumerate(self._all()):
            repaired = counted.get(f"{number}.repaired") or 0
            reformatted = (counted.get(f"{number}.touched") or 0) - repaired
            found.append(StepCount(change.column, change.step, reformatted, changed_value=False))
            found.append(StepCount(change.column, change.step, repaired, changed_value=True))
        return tuple(count for count in found if count.cells)

    def _all(self) -> Iterator[Change]:
        for each in self.changes.values():
            yield from each


def _words(reason: str | pl.Expr | None) -> pl.Expr:
    return reason if isinstance(reason, pl.Expr) else pl.lit(reason, pl.String)


def _changes(dataset: Dataset, column: str, *, reviewed: bool) -> Iterator[Change]:
    position = 0
    for correction in dataset.corrections:
        if correction.column == column:
            position += 1
            after = functools.partial(_corrected, correction)
            yield Change(column, position, "correction", after, lambda b, a: b.ne_missing(a), correction.reason)
    if dataset.source.null_tokens:
        position += 1
        after = functools.partial(without_tokens, tokens=dataset.source.null_tokens)
        yield Change(column, position, "null_tokens", after, only_removes=True)
    for step in dataset.steps:
        if column in step.columns:
            position += 1
            is_repair = functools.partial(altered, step) if step.changes_value else None
            is_misread = functools.partial(misread, step) if isinstance(step, steps.Number) else None
            after = functools.partial(applied, step)
            yield Change(column, position, step.name, after, is_repair, is_misread=is_misread)

    if reviewed:
        yield Change(column, position + 1, "review", _decided, lambda b, a: b.ne_missing(a), pl.col(REVIEW_REASON))


def _decided(text: pl.Expr) -> pl.Expr:
    # A decision is about what the reviewer saw: the text after all that the declaration does to it.
    is_it = (pl.col(REVIEW_ACTION) == "relabel") & text.eq_missing(pl.col(REVIEW_EXPECT))
    return pl.when(is_it).then(pl.col(REVIEW_VALUE)).otherwise(text)


def _stripped(column: str) -> pl.Expr:
    return pl.col(raw_name(column)).str.strip_chars()


def _row_found(correction: Correction) -> pl.Expr:
    # A missing cell matches nothing.
    return pl.all_horizontal(_stripped(name).eq_missing(value) for name, value in correction.where.items())


def _cell_found(correction: Correction) -> pl.Expr:
    return _stripped(correction.column).eq_missing(correction.expect)


def _corrected(correction: Correction, text: pl.Expr) -> pl.Expr:
    # Rows and cells are found by what the dump says, so that one correction can't hide another's.
    found = _row_found(correction) & _cell_found(correction)
    return pl.when(found).then(pl.lit(correction.value, pl.String)).otherwise(text)
