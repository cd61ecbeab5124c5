"""Screening as a stage: one pass over all staged records that casts them, judges each row, and parts good from bad.

Belongs here: the plan of that pass and its sinks. Does not belong here: what a step or a rule means (normalise,
compile), or verdicts that need other rows (dedupe and the rules across rows come after, on the rows that passed).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import polars as pl

from schemas.records import FILE, FLAGS, INPUT, LENGTH, LINE, LINEAGE, OFFSET, RAW, RECORD, Severity
from tasks.ingest.blocks import RecordFlag
from tasks.job import CONFLICT, Job, Screened, Staged
from tasks.normalise.plan import NormalisePlan, raw_name
from tasks.store.paths import staging_key
from tasks.store.sinks import sink_all
from tasks.validate.compile import compile_rules

if TYPE_CHECKING:
    from schemas.dataset import Dataset
    from tasks.store.home import Store
    from tasks.validate.compile import CompiledRules

_FLAGS = {"record.duplicate_key": RecordFlag.DUPLICATE_KEY, "record.extra_key": RecordFlag.EXTRA_KEY}

#: Columns of a staged record that are not cells, with their types; for a partition of which nothing could be parsed.
_LINEAGE_TYPES = {
    INPUT: pl.UInt32,
    RECORD: pl.UInt64,
    LINE: pl.UInt64,
    OFFSET: pl.UInt64,
    LENGTH: pl.UInt32,
    RAW: pl.Binary,
    FLAGS: pl.UInt8,
}


def compiled(dataset: Dataset, plan: NormalisePlan) -> CompiledRules:
    """The rules of a data set: its model's and those of its policies, in the order of `dataset.rules`."""
    broken: dict[str, pl.Expr] = {rule: (pl.col(FLAGS) & int(flag)) != 0 for rule, flag in _FLAGS.items()}
    broken |= {f"{column}.expect": unexpected for column, unexpected in plan.unexpected().items()}
    broken |= {f"{dataset.key_name}.conflict": pl.col(CONFLICT)}
    own = dataset.own_rules
    model_rules = dataset.rules[: len(dataset.rules) - len(own)]
    return _compiled_model(dataset.model, model_rules).with_rules((rule, broken[rule.id]) for rule in own)


# Compiling tries every check on small frames; a cleaning needs the result in two of its stages.
_compiled_model = functools.lru_cache(maxsize=64)(compile_rules)


def records_of(store: Store, dataset: Dataset, staged: Staged, *, cells: bool = True) -> pl.LazyFrame:
    """All staged records of a partition in their order: `_input`, the place, `_raw`, `_flags` and the raw cells."""
    blocks = [store.path(key) for file in staged.files for key in file.blocks]
    if blocks:
        return pl.scan_parquet(blocks, glob=False)
    names = [column.name for column in dataset.columns] if cells else []
    return pl.LazyFrame(schema={**_LINEAGE_TYPES, **dict.fromkeys(names, pl.String)})


def screen(job: Job, store: Store, dataset: Dataset, staged: Staged) -> Screened:
    """Casts and judges every staged record in one pass with several sinks.

    Returns:
        Keys of what was written, and what the steps did; see `Screened`.
    """
    plan = NormalisePlan(dataset)
    rules = compiled(dataset, plan)
    files = pl.col(INPUT).replace_strict(
        list(range(len(staged.inputs))), [raw.sha256 for raw in staged.inputs], return_dtype=pl.String
    )
    records = records_of(store, dataset, staged).with_columns(files.alias(FILE))
    judged = plan.applied(records).with_columns(rules.row_words(plan.uncastable()))
    stopping = rules.broken(Severity.QUARANTINE, Severity.FAIL)
    names = [column.name for column in dataset.columns]
    raw_cells = [pl.col(raw_name(name)).alias(name) for name in names]
    frames = {
        "candidates": judged.filter(~stopping).select(*LINEAGE, *names),
        "flagged": judged.filter(rules.broken(*Severity)).select(
            INPUT, RECORD, LINE, OFFSET, LENGTH, RAW, *rules.words, *raw_cells
        ),
    }
    if plan.repairing:
        frames["touched"] = judged.filter(plan.touched()).select(FILE, RECORD, *plan.texts())
    keys = {name: staging_key(job.dataset, job.partition, f"{name}.parquet") for name in frames}
    sinks = {keys[name]: frame for name, frame in frames.items()}
    (counted,) = sink_all(store, sinks, also=[judged.select(plan.counts() or [pl.len()])])
    return Screened(
        candidates=keys["candidates"],
        flagged=keys["flagged"],
        touched=keys.get("touched"),
        steps=plan.step_counts(counted.row(0, named=True)),
    )
