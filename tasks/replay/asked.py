"""Asked: the records that were set aside, as candidates again.

Belongs here: from rows of the ledger, or from their bytes, to the columns that ingest gives a record; what can't be
asked at all. Does not belong here: opening anything (stage), or judging (tasks/validate/screening).
"""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas.errors import WinnowError
from schemas.records import FLAGS, INPUT, LENGTH, LINE, OFFSET, RAW, RECORD, RULES
from tasks.ingest.blocks import PLACE_SCHEMA, RecordFlag
from tasks.ingest.reader import RecordReader
from tasks.ingest.rejects import RejectRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.dataset import Dataset
    from schemas.policies import Source

#: Reasons that say something of the record itself, and not of the file around it.
OWN_REASONS = tuple(
    rule.value
    for rule in (
        RejectRule.TOO_FEW_FIELDS, RejectRule.TOO_MANY_FIELDS, RejectRule.STRAY_QUOTE, RejectRule.NOT_UTF8,
        RejectRule.NOT_JSON, RejectRule.NOT_AN_OBJECT, RejectRule.LONE_SURROGATE, RejectRule.CELL_TOO_LONG,
    )
)  # fmt: skip
#: Records that are parsed one by one, where they can't be told apart any more when they stand together.
_MOST_ALONE = 10_000
_FLAGS = {
    "record.duplicate_key": RecordFlag.DUPLICATE_KEY,
    "record.extra_column": RecordFlag.EXTRA_COLUMN,
    "record.missing_column": RecordFlag.MISSING_COLUMN,
}


def from_ledger(rows: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """Quarantined or duplicate rows as ingest yields records, with `_input`; their cells are as they were read."""
    flags = pl.sum_horizontal(
        [
            pl.when(pl.col(RULES).list.contains(rule)).then(int(flag)).otherwise(0).cast(pl.UInt8)
            for rule, flag in _FLAGS.items()
        ]
    )
    return rows.select(INPUT, *PLACE_SCHEMA, flags.cast(pl.UInt8).alias(FLAGS), *columns)


def parsed_again(
    rows: pl.DataFrame, *, path: str, header: bytes, source: Source, columns: Sequence[str]
) -> pl.DataFrame:
    """Of some records of a text file those that can be parsed, with `_input`, as ingest yields them.

    Args:
        rows: `_input` and the columns of `PLACE_SCHEMA`, in the order of the file, with their bytes.
        path: of the file.
        header: its bytes before the first record.
        source: how its records are written; as they are read today.
        columns: the declared ones.
    """
    found = _parsed(rows, path, header, source, columns)
    if found is None and rows.height <= _MOST_ALONE:
        alone = [_parsed(rows[number : number + 1], path, header, source, columns) for number in range(rows.height)]
        found = (
            pl.concat(each for each in alone if each is not None) if any(each is not None for each in alone) else None
        )
    if found is None:
        return _none(rows, columns)
    return found


def _none(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    flags = pl.lit(0, pl.UInt8).alias(FLAGS)
    return rows.clear().select(INPUT, *PLACE_SCHEMA, flags, *(pl.lit(None, pl.String).alias(name) for name in columns))


def _parsed(
    rows: pl.DataFrame, path: str, header: bytes, source: Source, columns: Sequence[str]
) -> pl.DataFrame | None:
    """Those that can be parsed; None where what is read is not these records, one by one."""
    raws = rows.get_column(RAW)
    text = header + b"".join(raws)
    try:
        blocks = list(
            RecordReader(io.BytesIO(text), path=path, source=dataclasses.replace(source, footer=0), columns=columns)
        )
    except WinnowError:  # behind this header, nothing can be read at all
        return None
    places = [each.select(OFFSET, LENGTH) for block in blocks for each in (block.records, block.rejects)]
    if not places:
        return None
    lengths = rows.get_column(LENGTH).to_numpy().astype(np.int64)
    starts = len(header) + np.append(0, np.cumsum(lengths)[:-1])
    read = pl.concat(places).sort(OFFSET)
    same = read.height == rows.height and bool((read.get_column(OFFSET).to_numpy() == starts).all())
    if not same:
        return None
    wanted = {name: rows.get_column(name) for name in (INPUT, RECORD, LINE, OFFSET, LENGTH, RAW)}
    told = pl.DataFrame(wanted).with_columns(pl.Series("_start", starts.astype(np.uint64)))
    cells = pl.concat(block.records.select(pl.col(OFFSET).alias("_start"), FLAGS, *columns) for block in blocks)
    return told.join(cells, on="_start", how="inner", maintain_order="left").select(
        INPUT, *PLACE_SCHEMA, FLAGS, *columns
    )


def undecidable(dataset: Dataset) -> str:
    """The policy, if there is one, whose verdicts a replay can't give."""
    dedupe = dataset.dedupe
    declared = {
        "Split": dataset.split,
        "Labels": dataset.labels,
        "Annotators": dataset.annotators,
        "Dedupe.Near": dedupe and dedupe.near,
        "Entities": dedupe and dedupe.entities,
        "Dedupe(canonical)": dedupe and dedupe.canonical,
    }
    return next((name for name, policy in declared.items() if policy), "")
