"""Screening: a block of records cast, judged row by row, and parted into good and bad.

Belongs here: the one pass over a block, frames in and frames out. Does not belong here: what a step or a rule means
(normalise, compile), reading or writing blocks (tasks/ingest/stage), or verdicts that need other rows (tasks/dedupe).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from schemas.dataset import LABEL_ERROR
from schemas.records import FLAGS, INPUT, LENGTH, LINE, OFFSET, RAW, RECORD, Severity
from tasks.ingest.blocks import RecordFlag
from tasks.job import CONFLICT, MISLABELLED, REVIEW
from tasks.normalise.plan import NormalisePlan, raw_name
from tasks.validate.compile import compile_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.dataset import Dataset
    from tasks.validate.compile import CompiledRules

_FLAGS = {
    "record.duplicate_key": RecordFlag.DUPLICATE_KEY,
    "record.extra_column": RecordFlag.EXTRA_COLUMN,
    "record.missing_column": RecordFlag.MISSING_COLUMN,
}


class Judged(NamedTuple):
    """A block, parted.

    Attributes:
        candidates: rows that break no rule about one row that sets a row aside: `_input` UInt32, `_record` UInt64,
            `_line` UInt64, `_offset` UInt64, `_length` UInt32 and the typed columns.
        flagged: rows that break any rule, warnings too: `_input`, `_record`, `_line` UInt64, `_offset`, `_length`,
            `_raw` Binary, the mask's words, and the raw cells as String columns.
        touched: rows with a repaired cell: `_input`, `_record`, and the texts before and after.
        counts: the sums of `NormalisePlan.counts`.
    """

    candidates: pl.DataFrame
    flagged: pl.DataFrame
    touched: pl.DataFrame
    counts: Mapping[str, int]


def compiled(dataset: Dataset, plan: NormalisePlan) -> CompiledRules:
    """The rules of a data set: its model's and those of its policies, in the order of `dataset.rules`."""
    broken: dict[str, pl.Expr] = {rule: (pl.col(FLAGS) & int(flag)) != 0 for rule, flag in _FLAGS.items()}
    broken |= {f"{column}.expect": unexpected for column, unexpected in plan.unexpected().items()}
    broken |= {f"{dataset.key_name}.conflict": pl.col(CONFLICT)}
    broken |= {"entities.review": pl.col(REVIEW)}
    if dataset.reviewed:
        broken |= plan.reviewed_out(dataset.reviewed)
    if dataset.labels:
        broken |= {f"{dataset.labels.column}.{LABEL_ERROR}": pl.col(MISLABELLED)}
    return compiled_model(dataset).with_rules((rule, broken[rule.id]) for rule in dataset.own_rules)


def compiled_model(dataset: Dataset) -> CompiledRules:
    """The rules of its model alone, which need nothing but the typed columns; their bits are the first ones."""
    return _compiled_model(dataset.model, dataset.rules[: len(dataset.rules) - len(dataset.own_rules)])


# Compiling tries every check on small frames; a cleaning needs the result in several of its stages.
_compiled_model = functools.lru_cache(maxsize=64)(compile_rules)


class Screening:
    """The pass over a data set's blocks; made once, applied to each."""

    def __init__(self, dataset: Dataset, *, reviewed: bool = False) -> None:
        """Compiles the declaration.

        Args:
            dataset: the data set.
            reviewed: see `NormalisePlan`.
        """
        self.plan = NormalisePlan(dataset, reviewed=reviewed)
        self.rules = compiled(dataset, self.plan)
        self.dtypes = {column.name: column.dtype for column in dataset.columns}
        self.names = list(self.dtypes)

    def judge(self, records: pl.LazyFrame, *, small: bool = False) -> Judged:
        """Casts and judges a block.

        Args:
            records: as ingest yields them, with `_input` UInt32, the number of their file.
            small: whether all that is made of it may be in memory at once; of a thousand rows, half of the time would
                go into planning how to do without.
        """
        judged = self.plan.applied(records).with_columns(self.rules.row_words(self.plan.uncastable()))
        if small:
            judged = judged.collect().lazy()
        stopping = self.rules.broken(Severity.QUARANTINE, Severity.FAIL)
        cells = [pl.col(raw_name(name)).alias(name) for name in self.names]
        candidates, flagged, touched, counted = pl.collect_all(
            [
                judged.filter(~stopping).select(INPUT, RECORD, LINE, OFFSET, LENGTH, *self.names),
                judged.filter(self.rules.broken(*Severity)).select(
                    INPUT, RECORD, LINE, OFFSET, LENGTH, RAW, *self.rules.words, *cells
                ),
                judged.filter(self.plan.touched()).select(INPUT, RECORD, *self.plan.texts()),
                judged.select(self.plan.counts() or [pl.len()]),
            ]
        )
        return Judged(candidates, flagged, touched, counted.row(0, named=True))
