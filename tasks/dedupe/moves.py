"""Moves: a partition's files after other partitions took rows from it, or gave them back.

Belongs here: frames in, frames out; the name of the outcome. Does not belong here: which rows (across), or reading and
writing the files (tasks/publish/reconcile).

A partition keeps in its clean table what is left to it, and beside it the rows that it would keep if it were alone:
`superseded` ones, of which a record of another partition survives, and `disputed` ones, which are in conflict with one.
They are whole rows of the clean table with what is said of them, so that they can come back at any time, when the dump
is long gone. Nothing else of a partition depends on others: what it rejected, quarantined and repaired, and the
duplicates of its own.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.records import (
    CLUSTER,
    CONFLICTS_WITH,
    DIFFERING,
    DUPLICATE_OF,
    FILE,
    INPUT,
    OF_PARTITION,
    REASONS,
    RECORD,
    RULES,
    SOURCE,
    Role,
    RuleCount,
)
from tasks.dedupe.across import KEPT, MOVES, PARTITION
from tasks.dedupe.canonical import with_canonical
from tasks.dedupe.keys import cluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.records import PartitionEntry, RawFile, Terms

#: The files that other partitions have a say in.
TOUCHED = (Role.CLEAN, Role.SUPERSEDED, Role.DISPUTED)
_ID = [FILE, RECORD]
#: A row's place in the order of its partition's files and records.
_PLACE = "_place"
_TOLD = {
    Role.SUPERSEDED: (DUPLICATE_OF, OF_PARTITION, DIFFERING, CLUSTER),
    Role.DISPUTED: (CONFLICTS_WITH, OF_PARTITION, CLUSTER),
}
#: Typed cells of a row that its partition set aside for a conflict of its own: what other partitions' rows are
#: compared with. They stand in its quarantine.
VALUES = "_values"


def rows_alone(frames: Mapping[Role, pl.LazyFrame]) -> pl.LazyFrame:
    """The rows that a partition would keep alone, in no order: those of its clean table, and those taken from it."""
    columns = frames[Role.CLEAN].collect_schema().names()
    return pl.concat([frames[role].select(columns) for role in TOUCHED if role in frames])


def rows_disputed(frames: Mapping[Role, pl.LazyFrame], terms: Terms) -> pl.LazyFrame | None:
    """The rows that a partition set aside for a conflict of its own, as rows of the clean table; None without any."""
    rows = frames.get(Role.QUARANTINE)
    if rows is None or VALUES not in rows.collect_schema():
        return None
    columns = [name for name in frames[Role.CLEAN].collect_schema().names() if not name.startswith("_")]
    mine = rows.filter(pl.col(RULES).list.contains(f"{terms.key_name}.conflict"))
    return mine.select(*_ID, *(pl.col(VALUES).struct.field(name) for name in columns))


def numbered(rows: pl.LazyFrame, inputs: Sequence[RawFile]) -> pl.LazyFrame:
    """Rows with the number of their raw file in `_input`; those of a redelivery have the first delivery's."""
    numbers = pl.LazyFrame(_first_numbers(inputs), schema={FILE: pl.String, INPUT: pl.UInt32}, orient="row")
    return rows.join(numbers, on=FILE, how="left", maintain_order="left")


def placed(rows: pl.LazyFrame, partition: str, inputs: Sequence[RawFile], *, kept: bool) -> pl.LazyFrame:
    """Rows with what `decide_across` wants to know of each."""
    told = numbered(rows, inputs)
    columns = [name for name in rows.collect_schema().names() if not name.startswith("_")]
    return told.select(
        pl.lit(partition).alias(PARTITION), INPUT, FILE, RECORD, pl.lit(value=kept).alias(KEPT), *columns
    )


def moves_of(frames: Mapping[Role, pl.LazyFrame], partition: str) -> pl.DataFrame:
    """The moves that a partition's files show, as `decide_across` gave them."""
    parts = [pl.DataFrame(schema=MOVES)]
    for role in (Role.SUPERSEDED, Role.DISPUTED):
        if role in frames:
            have = frames[role].collect_schema().names()
            told = {
                PARTITION: pl.lit(partition),
                "_differs": (pl.col(RULES).list.len() > 1) | pl.lit(role is Role.DISPUTED),
                **{name: pl.lit(None, MOVES[name]) for name in (DUPLICATE_OF, CONFLICTS_WITH) if name not in have},
                **({DIFFERING: pl.lit([], MOVES[DIFFERING])} if DIFFERING not in have else {}),
            }
            each = frames[role].with_columns(expression.alias(name) for name, expression in told.items())
            parts.append(each.select(MOVES.names()).collect())
    return pl.concat(parts)


def moved(
    frames: Mapping[Role, pl.LazyFrame], moves: pl.DataFrame, terms: Terms, inputs: Sequence[RawFile]
) -> dict[Role, pl.LazyFrame]:
    """The rows of the files that other partitions have a say in, after these moves.

    Args:
        frames: the rows of each role of the partition; they may have been moved before.
        moves: all moves of the partition, in the order of its records.
        terms: on which partitions are compared.
        inputs: the partition's raw files.
    """
    clean = frames[Role.CLEAN]
    columns = clean.collect_schema().names()
    wanted = moves.lazy().select(_ID)
    # What is moved comes from the clean table, or is aside already.
    taken = [frames[role].select(columns).join(wanted, on=_ID, how="semi") for role in TOUCHED if role in frames]
    rows = pl.concat(taken).collect(engine="streaming")
    aside = [frames[role].select(columns) for role in TOUCHED[1:] if role in frames]
    back = pl.concat([clean.clear(), *aside]).join(wanted, on=_ID, how="anti").collect(engine="streaming")
    left = clean.join(wanted, on=_ID, how="anti", maintain_order="left") if moves.height else clean
    made = {Role.CLEAN: merged(left, back, inputs) if back.height else left}
    beside = with_canonical(moves.join(rows, on=_ID, how="left", maintain_order="left"), terms.canonical)
    sources = {raw.sha256: raw.path for raw in inputs if not raw.redelivery_of}
    beside = beside.with_columns(
        pl.col(FILE).replace_strict(sources, return_dtype=pl.String).alias(SOURCE),
        cluster(terms.key, beside.schema).alias(CLUSTER),
    )
    for role, which in ((Role.SUPERSEDED, DUPLICATE_OF), (Role.DISPUTED, CONFLICTS_WITH)):
        mine = beside.filter(pl.col(which).is_not_null()).with_columns(_reasoned(role, terms))
        if mine.height:
            lineage = [name for name in columns if name.startswith("_") and name not in _ID]
            cells = [name for name in columns if not name.startswith("_")]
            made[role] = mine.select(FILE, SOURCE, RECORD, *lineage, RULES, REASONS, *_TOLD[role], *cells).lazy()
    return made


def given_back(
    entry: PartitionEntry, frames: Mapping[Role, pl.LazyFrame]
) -> tuple[PartitionEntry, dict[Role, pl.LazyFrame]]:
    """A partition and its rows as if there were no other partition: with all that others took from it.

    Of the entry only the name of the cleaning and the counts of rules are those of the partition alone.
    """
    if entry.across is None:
        return entry, dict(frames)
    now = moves_of(frames, entry.partition)
    back = moved(frames, now.clear(), entry.across.terms, entry.inputs)
    rules = with_conflicts(entry.rules, entry.across.terms, now, now.clear())
    rest = {role: rows for role, rows in frames.items() if role not in TOUCHED}
    return msgspec.structs.replace(entry, cleaning=entry.alone, rules=rules), {**rest, **back}


def moves_id(alone: str, moves: pl.DataFrame) -> str:
    """Identity of a cleaning after moves, 16 hexadecimal digits; the one that it has alone where there are none."""
    if not moves.height:
        return alone
    told = hashlib.sha256(alone.encode())
    for row in moves.drop(PARTITION).iter_rows():
        told.update(msgspec.json.encode(row))
    return told.hexdigest()[:16]


def with_conflicts(
    rules: Iterable[RuleCount], terms: Terms, before: pl.DataFrame, after: pl.DataFrame
) -> tuple[RuleCount, ...]:
    """The counts of rules of a partition after moves, which tell of conflicts with other partitions."""
    rule = f"{terms.key_name}.conflict"
    counts = {each.id: each for each in rules}
    known = counts.pop(rule, RuleCount(rule, terms.conflict, 0))
    rows = known.rows + _conflicts(after) - _conflicts(before)
    # It is the last of all rules (see `Dataset.own_rules`).
    return (*counts.values(), *([RuleCount(rule, known.severity, rows)] if rows else []))


def _conflicts(moves: pl.DataFrame) -> int:
    return int(moves.get_column("_differs").sum())


def _reasoned(role: Role, terms: Terms) -> list[pl.Expr]:
    conflict = f"{terms.key_name}.conflict"
    if role is Role.DISPUTED:
        rules, reasons = (
            [pl.lit(conflict)],
            [pl.lit("a record of another partition has the same key and other content")],
        )
    else:
        named = pl.when("_differs").then
        rules = [pl.lit(f"{terms.key_name}.duplicate"), named(pl.lit(conflict))]
        reasons = [
            pl.lit("a record of another partition has the same key and survives"),
            named(pl.lit("the surviving record has other content")),
        ]
    return [
        pl.concat_list(rules).list.drop_nulls().alias(RULES),
        pl.concat_list(reasons).list.drop_nulls().alias(REASONS),
    ]


def merged(left: pl.LazyFrame, back: pl.DataFrame, inputs: Sequence[RawFile]) -> pl.LazyFrame:
    """Two lots of rows of the clean table in the order of files and records; the first one stands in it."""
    numbers = dict(_first_numbers(inputs))
    # A record's number is less than 2**40 (a file of a terabyte of line ends), a file's less than 2**24.
    bases = pl.LazyFrame(
        [(file, number << 40) for file, number in numbers.items()],
        schema={FILE: pl.String, _PLACE: pl.UInt64},
        orient="row",
    )

    def with_place(rows: pl.LazyFrame) -> pl.LazyFrame:
        found = rows.join(bases, on=FILE, how="left", maintain_order="left")
        return found.with_columns(pl.col(_PLACE) + pl.col(RECORD))

    returned = with_place(back.lazy()).sort(_PLACE)
    return with_place(left).merge_sorted(returned, key=_PLACE).drop(_PLACE)


def _first_numbers(inputs: Sequence[RawFile]) -> list[tuple[str, int]]:
    """Each file's sha256 with its number in the order of files: what came twice is the first one's."""
    return [(raw.sha256, number) for number, raw in enumerate(inputs) if not raw.redelivery_of]
