"""Removed: candidates that are not kept, with the bytes and cells that the ledger wants of them.

Belongs here: in which staged object or text a block's records stand, and putting them beside what was found of them.
Does not belong here: which are removed (verdicts), opening what they stand in (stage), how records are parsed
(tasks/ingest/again), or the columns of the ledger's files (ledger).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from schemas.records import INPUT, LENGTH, LINE, OFFSET, RAW, RECORD
from tasks.dedupe.exact import PLACE
from tasks.dedupe.repeated import ROW
from tasks.ingest.again import with_cells, with_raw
from tasks.ingest.sniffing import pinned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from schemas.policies import Source
    from tasks.dedupe.candidates import Block
    from tasks.job import Staged, StagedFile

_PLACE = (INPUT, RECORD, LINE, OFFSET, LENGTH)


#: Rows that are read at once of several blocks: each time, a reader is made.
_AT_ONCE = 20_000


class _Chosen(NamedTuple):
    """Rows of a block, and what was found of them; `staged` are the records of the block, if they were staged."""

    staged: str | None
    rows: pl.DataFrame
    found: pl.DataFrame


def _together(chosen: Sequence[_Chosen]) -> bool:
    """Whether rows can be read at once: few rows of one text."""
    files = {each.rows.item(0, INPUT) for each in chosen}
    rows = sum(each.rows.height for each in chosen)
    return len(files) == 1 and rows <= _AT_ONCE and not any(each.staged for each in chosen)


class Removed:
    """Reads records of a partition again, block by block."""

    def __init__(
        self,
        staged: Staged,
        source: Source,
        columns: Sequence[str],
        *,
        scan: Callable[[str], pl.LazyFrame],
        text: Callable[[StagedFile], AbstractContextManager[BinaryIO]],
    ) -> None:
        """Looks up what was staged of each block.

        Args:
            staged: what ingest staged.
            source: how the raw files are written.
            columns: the declared columns.
            scan: gives the rows of a staged object.
            text: opens the decompressed text of a file of which the records were not staged.
        """
        self._staged, self._source, self._columns = staged, source, list(columns)
        self._scan, self._text = scan, text
        self._records = {_name(key): key for file in staged.files for key in file.records}
        self._flagged = {_name(key): key for key in staged.flagged}

    def read(self, found: Iterable[tuple[Block, pl.DataFrame]]) -> Iterator[pl.DataFrame]:
        """The records that these rows are about, with their bytes, their cells, and what was found of them.

        Args:
            found: blocks of the candidates, and of some of their rows `_row`, rising, and other columns.
        """
        held: list[_Chosen] = []
        for block, rows in found:
            chosen = _Chosen(self._key(block), block.frame[rows.get_column(ROW) - block.start], rows.drop(ROW))
            if held and not _together([*held, chosen]):
                yield self._read(held)
                held = []
            held.append(chosen)
        if held:
            yield self._read(held)

    def _read(self, chosen: Sequence[_Chosen]) -> pl.DataFrame:
        """The records of one staged object, or of several blocks of one text."""
        rows = pl.concat(each.rows.select(_PLACE) for each in chosen)
        file = self._staged.files[rows.item(0, INPUT)]
        if chosen[0].staged:
            records = self._staged_records(chosen[0].staged, rows)
        else:
            with self._text(file) as text:
                records = with_raw(rows, text, path=file.raw.path)
        if self._columns[0] not in records.columns:
            # Told by other bytes, the dialect might be another one.
            source = pinned(self._source, file.raw.dialect) if file.raw.dialect else self._source
            path, columns = file.raw.path, self._columns
            records = with_cells(records, path=path, header=file.header, source=source, columns=columns)
        return records.select(*_PLACE, RAW, *self._columns).hstack(pl.concat(each.found for each in chosen))

    def with_warnings(self, block: Block, found: pl.DataFrame, words: Sequence[str]) -> pl.DataFrame:
        """What was found of rows of a block, with the bits, too, of the rules that each row broke on its own."""
        key = self._flagged.get(_name(self._staged.candidates[block.number]))
        if key is None:
            return found
        places = block.frame[found.get_column(ROW) - block.start].select(PLACE)
        warned = self._scan(key).select(*PLACE, *words).collect()
        own = places.join(warned, on=PLACE, how="left", maintain_order="left")
        return found.with_columns(pl.col(word) | own.get_column(word).fill_null(0) for word in words)

    def _key(self, block: Block) -> str | None:
        """The staged records of a block, if there are any."""
        return self._records.get(_name(self._staged.candidates[block.number]))

    def _staged_records(self, key: str, rows: pl.DataFrame) -> pl.DataFrame:
        # Numbers can be looked up while Parquet is read, which a join can't: it would decode every record's bytes.
        numbers = rows.get_column(RECORD).implode()
        return self._scan(key).filter(pl.col(RECORD).is_in(numbers)).collect()


def _name(key: str) -> str:
    """What the names of all objects have in common that were staged of one block: `<kind>-<file>-<block>.<format>`."""
    return key.rpartition("/")[2].partition("-")[2].partition(".")[0]
