"""Balance: law 1, checked from what was written.

Belongs here: counting the records in written files, raw file by raw file and fate by fate, and every way in which
the sum can be wrong. Does not belong here: opening the files (written), or counts that stages report of themselves;
none is used.

Three things must hold for each raw file. Its records are as many as were read. Their numbers are 1, 2, 3 … to the
last, each once, whatever their fates: that is not implied by the count, when one record is counted twice and another
is lost. And, where the format has lines, their bytes and the header's are the file's.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.errors import BooksError, shown
from schemas.records import FILE, INPUT, LENGTH, RECORD, SOURCE, Books, Fate, OutputFile, RawFile, Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Where the records of each fate lie.
FATES = {
    Role.CLEAN: Fate.KEPT,
    Role.DUPLICATES: Fate.DUPLICATE,
    Role.QUARANTINE: Fate.QUARANTINED,
    Role.REJECTS: Fate.REJECTED,
}

#: Records that are put in order at once, at 8 bytes each; a partition with more is looked at in several passes.
_AT_ONCE = 1 << 24

#: Records of all inputs stand in one row, first input first; a record's place in it, from 0.
_PLACE = "_place"
_BASE = "_base"


class Imbalance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that does not add up."""

    where: str
    """Path of the raw file, or a role."""
    found: str
    expected: str


class ReadBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the written files hold."""

    books: tuple[Books, ...]
    """One for each raw file, in the order given; `records` is what was read, the rest what was written."""
    imbalances: tuple[Imbalance, ...]


def balance(
    rows: Mapping[Role, pl.LazyFrame],
    files: Sequence[OutputFile],
    inputs: Sequence[RawFile],
    *,
    at_once: int = _AT_ONCE,
) -> ReadBack:
    """Counts what was written for a partition.

    Args:
        rows: what the files hold, for each role that has any. All but repairs have `_file` String, `_record` UInt64
            and `_length` UInt32; all but clean and repairs have `_source` String, the raw file's path.
        files: what is said of the files.
        inputs: the raw files, as they were read. The kept records of bytes that arrived twice are the first file's.
        at_once: how many records are put in order at once.
    """
    written = _Written(rows, inputs)
    counted = written.counted()
    imbalances = [*_miscounted_files(files, counted), *_strangers(counted)]
    repaired: Counter[int] = Counter()
    broken: dict[int, str] = {}
    # One more place than there are rows is empty for certain, so that a file that is said to have far too many records
    # is not searched up to the last of them.
    end = min(written.total, int(counted["records"].sum()) + 1)
    for first in range(0, end, at_once):
        repaired.update(written.repaired(first, min(at_once, end - first)))
        for number, trouble in written.disorder(first, min(at_once, end - first)):
            broken.setdefault(number, trouble)
    books = []
    for number, raw in enumerate(inputs):
        account = _account(counted, number)
        books.append(_books(raw, account, repaired[number]))
        imbalances += _imbalances(raw, books[-1], account, broken.get(number))
    return ReadBack(books=tuple(books), imbalances=tuple(imbalances))


def check_balance(written: ReadBack) -> tuple[Books, ...]:
    """The books, if they balance.

    Raises:
        BooksError: they don't; the message names the first raw file for which they don't, and its numbers.
    """
    if written.imbalances:
        first, others = written.imbalances[0], len(written.imbalances) - 1
        raise BooksError(
            f"{first.found}" + (f" (and {others} more)" if others else ""),
            expected=first.expected,
            where=shown(first.where),
            fix="Nothing was published. This is a defect in Winnow: please report it with this message.",
        )
    return written.books


class _Written:
    """The written files of a partition as frames of places."""

    def __init__(self, rows: Mapping[Role, pl.LazyFrame], inputs: Sequence[RawFile]) -> None:
        self.rows, self.inputs = rows, inputs
        self.fates = [role for role in FATES if role in rows]
        self.bases = list(itertools.accumulate((raw.records for raw in inputs), initial=0))
        self.total = self.bases[-1]

    def counted(self) -> pl.DataFrame:
        """For each role and input (null: none of them): `records`, the `lowest` and `highest` number, `bytes`."""
        parts = [
            self._joined(role)
            .group_by(INPUT)
            .agg(
                pl.len().cast(pl.Int64).alias("records"),
                # A row without a number is one whose number is wrong, too.
                pl.col(RECORD).fill_null(0).min().cast(pl.Int64).alias("lowest"),
                pl.col(RECORD).max().fill_null(0).cast(pl.Int64).alias("highest"),
                pl.col(LENGTH).cast(pl.Int64).sum().alias("bytes"),
            )
            .select(pl.lit(role.value).alias("role"), pl.all())
            for role in self.fates
        ]
        if not parts:
            numbers = dict.fromkeys(("records", "lowest", "highest", "bytes"), pl.Int64)
            return pl.DataFrame(schema={"role": pl.String, INPUT: pl.UInt32, **numbers})
        return pl.concat(pl.collect_all(parts, engine="streaming")).sort("role", INPUT)

    def repaired(self, first: int, count: int) -> dict[int, int]:
        """For each input: how many kept records among these places have a repair row."""
        if not {Role.REPAIRS, Role.CLEAN} <= self.rows.keys():
            return {}
        touched = self._places(Role.REPAIRS, first, count).select(_PLACE).unique()
        kept = self._places(Role.CLEAN, first, count).join(touched, on=_PLACE, how="semi")
        return dict(kept.group_by(INPUT).len().collect(engine="streaming").rows())

    def disorder(self, first: int, count: int) -> Iterator[tuple[int, str]]:
        """The input and the trouble of records, among these places, that have no fate or several."""
        expected = pl.int_range(count, dtype=pl.UInt32, eager=True)
        offset = (pl.col(_PLACE) - first).cast(pl.UInt32)
        parts = [self._places(role, first, count).select(offset) for role in self.fates]
        nothing = pl.LazyFrame(schema={_PLACE: pl.UInt32})
        places = pl.concat([nothing, *parts]).collect(engine="streaming").to_series().sort()
        if places.len() == expected.len() and (places == expected).all():
            return
        yield from self._firsts(places.filter(places.is_duplicated()), first, "stands twice")
        yield from self._firsts(expected.filter(~expected.is_in(places.implode())), first, "stands nowhere")

    def _firsts(self, offsets: pl.Series, first: int, trouble: str) -> Iterator[tuple[int, str]]:
        """Each input that has one of these places, with the number of its first such record."""
        places = offsets.cast(pl.UInt64) + first
        numbers = pl.Series(self.bases).search_sorted(places, side="right") - 1
        found = pl.DataFrame({INPUT: numbers, _PLACE: places}).group_by(INPUT).min().sort(INPUT)
        for number, place in found.rows():
            yield number, f"record {place - self.bases[number] + 1:,} {trouble}"

    def _places(self, role: Role, first: int, count: int) -> pl.LazyFrame:
        """`_input` and `_place` of the rows of a role whose place is one of these."""
        in_file = pl.col(RECORD).is_between(1, pl.col("_records"))  # or it would take a place of the next input
        place = pl.col(_BASE) + pl.col(RECORD) - 1
        return (
            self._joined(role, self._numbers(first, count))
            .filter(in_file)
            .select(INPUT, place.alias(_PLACE))
            .filter(pl.col(_PLACE).is_between(first, first + count - 1))
        )

    def _numbers(self, first: int, count: int) -> tuple[int, int]:
        """The lowest and the highest number of records at these places; lets whole row groups be passed over."""
        ends = zip(self.bases, self.bases[1:], strict=False)
        spans = [(max(first, base) - base + 1, min(first + count, end) - base) for base, end in ends]
        inside = [(low, high) for low, high in spans if low <= high]
        return min((low for low, _ in inside), default=1), max((high for _, high in inside), default=0)

    def _joined(self, role: Role, numbers: tuple[int, int] | None = None) -> pl.LazyFrame:
        """Rows of a role with the `_input` that they belong to, its `_base` and its number of `_records`."""
        has_source = role in (Role.DUPLICATES, Role.QUARANTINE, Role.REJECTS)
        keys = [FILE, SOURCE] if has_source else [FILE]
        columns = [*keys, RECORD] if role is Role.REPAIRS else [*keys, RECORD, LENGTH]
        rows = self.rows[role] if numbers is None else self.rows[role].filter(pl.col(RECORD).is_between(*numbers))
        inputs = self._inputs(redelivered=has_source)
        return rows.select(columns).join(inputs, on=keys, how="left").drop(keys)

    def _inputs(self, *, redelivered: bool) -> pl.LazyFrame:
        rows = [
            (raw.sha256, raw.path, number, self.bases[number], raw.records)
            for number, raw in enumerate(self.inputs)
            if redelivered or raw.redelivery_of is None
        ]
        schema = {FILE: pl.String, SOURCE: pl.String, INPUT: pl.UInt32, _BASE: pl.UInt64, "_records": pl.UInt64}
        return pl.LazyFrame(rows, schema=schema, orient="row")


def _account(counted: pl.DataFrame, number: int) -> Mapping[str, dict[str, int]]:
    """What was counted of an input, by role."""
    rows = counted.filter(pl.col(INPUT) == number).drop(INPUT).to_dicts()
    return {row.pop("role"): row for row in rows}


def _books(raw: RawFile, account: Mapping[str, dict[str, int]], repaired: int) -> Books:
    fates = {FATES[Role(role)].value: row["records"] for role, row in account.items()}
    return Books(records=raw.records, **fates, repaired=repaired)


def _miscounted_files(files: Sequence[OutputFile], counted: pl.DataFrame) -> Iterator[Imbalance]:
    """Roles whose files hold another number of rows than is said of them."""
    for role in FATES:
        said = sum(file.rows for file in files if file.role == role)
        found = int(counted.filter(pl.col("role") == role.value)["records"].sum())
        if said != found:
            yield Imbalance(role.value, f"{found:,} rows", f"{said:,}")


def _strangers(counted: pl.DataFrame) -> Iterator[Imbalance]:
    """Rows that belong to no raw file."""
    for role, records in counted.filter(pl.col(INPUT).is_null()).select("role", "records").rows():
        yield Imbalance(role, f"{records:,} rows of no raw file of the partition", "none")


def _imbalances(
    raw: RawFile, books: Books, account: Mapping[str, dict[str, int]], broken: str | None
) -> Iterator[Imbalance]:
    if not books.balanced:
        fates = {"kept": books.kept, "duplicate": books.duplicate, "quarantined": books.quarantined}
        fates["rejected"] = books.rejected
        told = " + ".join(f"{records:,} {fate}" for fate, records in fates.items())
        yield Imbalance(raw.path, f"{told} = {sum(fates.values()):,} records", f"{books.records:,}")
    rows = account.values()
    lowest, highest = min((row["lowest"] for row in rows), default=1), max((row["highest"] for row in rows), default=0)
    if lowest < 1 or highest > raw.records:
        yield Imbalance(raw.path, f"record numbers from {lowest:,} to {highest:,}", f"1 to {raw.records:,}")
    if broken:
        yield Imbalance(raw.path, broken, "each record once")
    if raw.text_size is not None:
        found = (raw.header_size or 0) + sum(row["bytes"] for row in rows)
        if found != raw.text_size:
            told = f"{raw.header_size or 0:,} bytes of header and {found - (raw.header_size or 0):,} of records"
            yield Imbalance(raw.path, told, f"{raw.text_size:,} in all")
