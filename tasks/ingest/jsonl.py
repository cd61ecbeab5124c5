"""JSON lines: one JSON object a line into cells of text.

Belongs here: which line is read how, and putting the records back into their order. Lines that are provably plain are
read a column at a time (plain_json); only the others are looked at one by one (exact_json). A cell is a string itself,
the digits of a number (`1.10`, `1e400`), `true` and `false`, and compact JSON for nested values; null and an absent key
are null. Does not belong here: where lines end (splitter), or what becomes of undeclared and absent keys (keys).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from schemas.records import FLAGS, RECORD
from tasks.ingest.blocks import PLACE_SCHEMA, Block, FileFacts, RecordFlag, raw_column
from tasks.ingest.exact_json import Members, Refusal, cell_text, parse_object
from tasks.ingest.keys import Keys
from tasks.ingest.limits import cell_reason, longest_cells
from tasks.ingest.plain_json import PlainReader
from tasks.ingest.regions import regions
from tasks.ingest.rejects import RejectRule, reject_frame, text_reason
from tasks.ingest.splitter import Splitter
from tasks.ingest.streams import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from numpy.typing import NDArray

    from schemas.records import DriftFinding
    from tasks.ingest.blocks import ReadRequest
    from tasks.ingest.plain_json import PlainLines
    from tasks.ingest.regions import Region
    from tasks.ingest.streams import TextStream

#: JSON that is parsed line by line takes about ten times its text as Python objects.
_MOST_BLOCK = 4 << 20
_KINDS_AS_THEY_ARE = frozenset({str, type(None)})
#: As a plain number: arithmetic on enumerations takes longer than parsing a short line.
_DUPLICATE = RecordFlag.DUPLICATE_KEY.value


def read_jsonl(text: TextStream, request: ReadRequest) -> Generator[Block, None, FileFacts]:
    """Reads a JSONL file.

    Raises:
        HeaderError: the keys of a record stop the partition.
    """
    mark = text.skip(BYTE_ORDER_MARK)
    splitter = Splitter(None, None, request.max_record_bytes)
    lines = _Lines(request, text)
    for region in regions(text, splitter, block_size=min(request.block_size, _MOST_BLOCK)):
        yield lines.block(region)
    empty = ("empty file",) if text.size == mark and not text.broken else ()
    return FileFacts(header_size=mark, notes=empty, drift=lines.drift)


@dataclass(frozen=True)
class _Parsed:
    """What came of the lines that were looked at one by one, each list in their order."""

    rows: list[list[str | None]] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _KeySets:
    """The sets of keys of plain lines, as far as they are not the declared ones.

    Attributes:
        of_line: for each plain line its set.
        first_lines: position in the region of the first line of a set -> the set. Sets of declared keys are not in it.
        counts: for each set how many lines have it.
        names: for each set what declared columns are called in it.
        flags: for each set its bits of `RecordFlag`.
    """

    of_line: NDArray[np.int64]
    first_lines: Mapping[int, int]
    counts: NDArray[np.int64]
    names: list[Mapping[str, str]]
    flags: NDArray[np.uint8]

    @classmethod
    def of(cls, plain: PlainLines, declared: int) -> _KeySets:
        """The sets of some plain lines, the declared keys being the first of them."""
        sets, firsts, of_line, counts = np.unique(
            plain.keys, return_index=True, return_inverse=True, return_counts=True
        )
        drifting = np.flatnonzero(sets != (1 << declared) - 1)
        first_lines = dict(zip(plain.which[firsts[drifting]].tolist(), drifting.tolist(), strict=True))
        return cls(of_line, first_lines, counts, [{} for _ in sets], np.zeros(len(sets), np.uint8))


class _Lines:
    """Parses lines, and remembers how their keys drifted."""

    def __init__(self, request: ReadRequest, text: TextStream) -> None:
        self._request, self._text = request, text
        self._columns = request.columns
        self._declared = frozenset(request.columns)
        self._plain = PlainReader(request.columns)
        self._keys = Keys(request.columns, request.drift, request.path)
        self._parsed = 0

    @property
    def drift(self) -> tuple[DriftFinding, ...]:
        """How the keys of all records drifted."""
        return self._keys.drift(self._parsed)

    def block(self, region: Region) -> Block:
        """The records of a region, parsed or rejected."""
        plain = _plain_lines(region, self._plain)
        sets = _KeySets.of(plain, len(self._columns))
        parsed = self._one_by_one(region, plain, sets)
        good = np.ones(region.records, np.bool_)
        good[parsed.refused] = False
        self._parsed += int(good.sum())
        others = good.copy()
        others[plain.which] = False
        records = region.places(good).hstack(self._in_order(plain, sets, parsed, np.flatnonzero(others)))
        rejects = reject_frame(region.places(~good), parsed.rules, parsed.reasons)
        return self._without_long(Block(records, rejects))

    def _without_long(self, block: Block) -> Block:
        """The same block, its records with a cell beyond its limit rejected."""
        limits = self._request.source.limits
        longest = longest_cells(block.records.select(self._columns), limits)
        if longest is None:
            return block
        too_long = pl.Series(longest > limits.max_cell_bytes)
        refused = block.records.filter(too_long).select(PLACE_SCHEMA.keys())
        reasons = [cell_reason(found, limits.max_cell_bytes) for found in longest[too_long].tolist()]
        rejects = reject_frame(refused, [RejectRule.CELL_TOO_LONG] * len(reasons), reasons)
        return Block(block.records.filter(~too_long), pl.concat([block.rejects, rejects]).sort(RECORD))

    def _one_by_one(self, region: Region, plain: PlainLines, sets: _KeySets) -> _Parsed:
        """The lines that are not plain; sets of keys that plain ones bring in are met in the same order."""
        parsed = _Parsed()
        looked_at = np.ones(region.records, np.bool_)
        looked_at[plain.which] = False
        looked_at[list(sets.first_lines)] = True
        for line, record, verdict in _records(region, np.flatnonzero(looked_at)):
            found = self._cut_refusal(verdict) if verdict else parse_object(record)
            if isinstance(found, Refusal):
                parsed.refused.append(line)
                parsed.rules.append(found.rule)
                parsed.reasons.append(found.reason)
            elif line in sets.first_lines:
                self._meet(found, sets, sets.first_lines[line])
            else:
                row, flag = self._row(found)
                parsed.rows.append(row)
                parsed.flags.append(flag)
        return parsed

    def _meet(self, members: Members, sets: _KeySets, number: int) -> None:
        """Holds a set of keys, in the order of the first record that has it, against the declared ones."""
        names = {key: key for key, _ in members}
        sets.names[number], sets.flags[number] = self._keys.matched(names, int(sets.counts[number]))

    def _cut_refusal(self, verdict: int) -> Refusal:
        rule, longest = RejectRule.of_code(verdict), self._request.max_record_bytes
        reason = text_reason(fields=0, max_record_bytes=longest, broken=self._text.broken)
        return Refusal(rule, reason(rule, 0))

    def _row(self, members: Members) -> tuple[list[str | None], int]:
        """Cells and flags of a record."""
        values = dict(members)
        flags = _DUPLICATE if len(values) < len(members) else 0
        if values.keys() != self._declared:
            values, drifted = self._keys.matched(values)
            flags |= drifted
        cells: list[Any] = [*map(values.get, self._columns)]
        if not _KINDS_AS_THEY_ARE.issuperset(map(type, cells)):
            cells = [None if cell is None else cell_text(cell) for cell in cells]
        return cells, flags

    def _in_order(self, plain: PlainLines, sets: _KeySets, parsed: _Parsed, others: NDArray[np.int64]) -> pl.DataFrame:
        """Flags and cells of all good lines; `others` are those that are not plain."""
        flags = pl.Series(FLAGS, sets.flags[sets.of_line], dtype=pl.UInt8)
        of_plain = self._called_as_declared(plain, sets).insert_column(0, flags)
        if not len(others):
            return of_plain
        columns = zip(*parsed.rows, strict=True) if self._columns else ()
        texts = dict(zip(self._columns, columns, strict=True))
        schema = {FLAGS: pl.UInt8(), **dict.fromkeys(self._columns, pl.String())}
        of_others = pl.DataFrame({FLAGS: parsed.flags, **texts}, schema=schema)
        if not len(plain.which):
            return of_others
        return pl.concat([of_plain, of_others])[np.argsort(np.append(plain.which, others))]

    def _called_as_declared(self, plain: PlainLines, sets: _KeySets) -> pl.DataFrame:
        """Cells of the declared columns, taken from what they are called in each line."""
        numbers = {key: f"{number}" for number, key in enumerate(plain.known)}
        cells = {name: plain.cells[numbers[name]] for name in self._columns}
        for number, names in enumerate(sets.names):
            for name, called in names.items():
                if name != called:
                    mine = pl.Series(sets.of_line == number)
                    cells[name] = plain.cells[numbers[called]].zip_with(mine, cells[name])
        return pl.DataFrame(cells)


def _records(region: Region, which: NDArray[np.int64]) -> Iterator[tuple[int, bytes, int]]:
    """Position, bytes and verdict of some records."""
    bounds, verdicts = region.cut.bounds, region.cut.verdicts[which].tolist()
    starts, stops = bounds[which].tolist(), bounds[which + 1].tolist()
    for line, start, stop, verdict in zip(which.tolist(), starts, stops, verdicts, strict=True):
        yield line, region.data[start:stop], verdict


def _plain_lines(region: Region, reader: PlainReader) -> PlainLines:
    """The plain lines of a region at their positions in it."""
    lines = raw_column(region.data, region.cut.bounds)
    odd = (region.cut.verdicts != 0) | region.undecodable()
    if not odd.any():
        return reader.read(lines.cast(pl.String))
    found = reader.read(lines.filter(pl.Series(~odd)).cast(pl.String))
    return dataclasses.replace(found, which=np.flatnonzero(~odd)[found.which])
