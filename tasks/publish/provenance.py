"""Provenance: whether the rows of a version stand in their raw file where they say that they do, with those bytes.

Belongs here: holding the rows of one raw file against its records as they are read again, block by block. Does not
belong here: reading either (reread), fates and counts (balance), or whether a kept value follows from its raw cells:
only cleaning again shows that (rebuilt).

A block's records are asked for among all rows of the version by their numbers, so that nothing depends on the order of
the rows, and memory on the size of a block alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.records import FILE, LENGTH, OFFSET, RAW, RECORD, SOURCE, Role
from tasks.publish.balance import FATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.records import RawFile
    from tasks.ingest.blocks import Block

_ROLE, _REFUSED = "_role", "_refused"
_THERE = "_there"
#: In these files there are no bytes of a record.
_WITHOUT_BYTES = (Role.CLEAN, Role.SUPERSEDED, Role.DISPUTED, Role.ERASED)
#: In these files stand the cells of a record beside its place, as they were read.
_WITH_CELLS = (Role.QUARANTINE, Role.DUPLICATES)


class Provenance:
    """The rows of one raw file, held against its records.

    Attributes:
        records: how many were looked at.
    """

    def __init__(self, rows: Mapping[Role, pl.LazyFrame], raw: RawFile, *, replayed: bool = False) -> None:
        """Reads nothing yet.

        Args:
            rows: what the partition's files hold, for each role that has any.
            raw: the file.
            replayed: whether some of its records were asked again under a later contract than the one it is read by:
                whether one of them can be parsed, and into which cells, may be otherwise then. Its bytes may not.
        """
        self._replayed = replayed
        self._rows = {role: _of_file(frame, role, raw) for role, frame in rows.items() if role in FATES}
        if raw.redelivery_of:
            # All that a second delivery brought is in the ledger of duplicates; its other rows are the first one's.
            of_second = (Role.DUPLICATES, Role.ERASED)
            self._rows = {role: frame for role, frame in self._rows.items() if role in of_second}
        self._redelivered = bool(raw.redelivery_of)
        self._found: dict[str, tuple[int, str]] = {}
        self.records = 0

    def enter(self, block: Block) -> None:
        """Looks at the rows of a block's records."""
        read = _read(block)
        lowest, highest = read.item(0, RECORD), read.item(-1, RECORD)
        self.records += read.height
        between = pl.col(RECORD).is_between(lowest, highest)
        parts = [self._places(role, rows.filter(between)) for role, rows in self._rows.items()]
        told = pl.concat(parts).collect(engine="streaming") if parts else pl.DataFrame(schema=_PLACES)
        beside = read.join(told, on=RECORD, how="left", suffix=_THERE, maintain_order="left")
        self._note("stands in no file of the version", beside.filter(pl.col(_ROLE).is_null()))
        beside = beside.filter(pl.col(_ROLE).is_not_null())
        moved = _unlike(OFFSET) | _unlike(LENGTH)
        self._note("does not stand at the byte or has not the length that its row says", beside.filter(moved))
        kept_back = ~pl.col(_ROLE).is_in(_WITHOUT_BYTES)
        self._note("has other bytes than its row in the ledger", beside.filter(~moved & kept_back & _unlike(RAW)))
        if not self._redelivered:
            unlike = pl.col(_REFUSED) != (pl.col(_ROLE) == Role.REJECTS)
            if self._replayed:
                unlike &= ~pl.col(_REFUSED)
            # Of an erased record nobody knows any more whether it could be parsed.
            known = beside.filter(pl.col(_ROLE) != Role.ERASED)
            self._note("can be parsed where it is said to be rejected, or the other way round", known.filter(unlike))
        for role in _WITH_CELLS if not self._replayed else ():
            self._compare_cells(role, block.records, between)

    def findings(self) -> Iterator[str]:
        """What was found so far, one sentence for each kind of trouble."""
        for trouble, (records, first) in self._found.items():
            yield f"{first} {trouble}" + (f"; so of {records - 1:,} more" if records > 1 else "")

    def _places(self, role: Role, rows: pl.LazyFrame) -> pl.LazyFrame:
        raw = pl.lit(None, pl.Binary).alias(RAW) if role in _WITHOUT_BYTES else pl.col(RAW)
        return rows.select(RECORD, OFFSET, LENGTH, raw, pl.lit(role.value).alias(_ROLE)).cast(_PLACES)  # type: ignore[arg-type]  # a dict's values are invariant

    def _compare_cells(self, role: Role, records: pl.DataFrame, between: pl.Expr) -> None:
        if role not in self._rows or not records.height:
            return
        have = self._rows[role].collect_schema()
        names = [name for name in records.columns if not name.startswith("_") and have.get(name) == pl.String]
        rows = self._rows[role].filter(between).select(RECORD, *names).collect(engine="streaming")
        beside = rows.join(records.select(RECORD, *names), on=RECORD, suffix=_THERE, maintain_order="left")
        other = pl.any_horizontal(pl.lit(value=False), *map(_unlike, names))
        self._note("has other cells than its row in the ledger", beside.filter(other))

    def _note(self, trouble: str, records: pl.DataFrame) -> None:
        if records.height:
            before, first = self._found.get(trouble, (0, f"record {records.item(0, RECORD):,}"))
            self._found[trouble] = before + records.height, first


_PLACES: dict[str, pl.DataType] = {
    RECORD: pl.UInt64(),
    OFFSET: pl.UInt64(),
    LENGTH: pl.UInt32(),
    RAW: pl.Binary(),
    _ROLE: pl.String(),
}


def _unlike(name: str) -> pl.Expr:
    """Whether a column is another one where the other frame has it."""
    return pl.col(name).ne_missing(pl.col(name + _THERE))


def _of_file(rows: pl.LazyFrame, role: Role, raw: RawFile) -> pl.LazyFrame:
    mine = pl.col(FILE) == raw.sha256
    return rows.filter(mine if role is Role.CLEAN else mine & (pl.col(SOURCE) == raw.path))


def _read(block: Block) -> pl.DataFrame:
    """The records of a block in their order, refused ones among them."""
    places = [RECORD, OFFSET, LENGTH, RAW]
    return pl.concat(
        [
            block.records.select(*places, pl.lit(value=False).alias(_REFUSED)),
            block.rejects.select(*places, pl.lit(value=True).alias(_REFUSED)),
        ]
    ).sort(RECORD)
