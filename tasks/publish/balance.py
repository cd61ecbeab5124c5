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
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import polars as pl

from schemas.errors import BooksError, shown
from schemas.records import FILE, INPUT, LENGTH, RECORD, SOURCE, Books, Fate, OutputFile, RawFile, Role
from tasks.ingest.ahead import ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

#: Where the records of each fate lie.
FATES = {
    Role.CLEAN: Fate.KEPT,
    Role.DUPLICATES: Fate.DUPLICATE,
    Role.SUPERSEDED: Fate.DUPLICATE,
    Role.QUARANTINE: Fate.QUARANTINED,
    Role.DISPUTED: Fate.QUARANTINED,
    Role.REJECTS: Fate.REJECTED,
    Role.ERASED: Fate.ERASED,
}

#: Records that are ticked off at once, at 1 byte each or 2; a partition with more is looked at in several passes.
_AT_ONCE = 1 << 26
#: Rows that are read at once.
_SLICE = 1 << 20

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
    slice_rows: int = _SLICE,
) -> ReadBack:
    """Counts what was written for a partition.

    Args:
        rows: what the files hold, for each role that has any. All but repairs have `_file` String, `_record` UInt64
            and `_length` UInt32; all but clean and repairs have `_source` String, the raw file's path.
        files: what is said of the files.
        inputs: the raw files, as they were read. The kept records of bytes that arrived twice are the first file's.
        at_once: how many records are ticked off at once.
        slice_rows: how many rows are read at once.
    """
    written = _Written(rows, inputs, slice_rows)
    ticked = _Ticks(written, 0, min(at_once, written.total))
    counted = written.counted()
    imbalances = [*_miscounted_files(files, counted), *_strangers(counted)]
    repaired = Counter(ticked.repaired)
    broken: dict[int, str] = {}
    # One more place than there are rows is empty for certain, so that a file that is said to have far too many records
    # is not searched up to the last of them.
    end = min(written.total, int(counted["records"].sum()) + 1)
    for first in range(0, end, at_once):
        count = min(at_once, end - first)
        if first:
            ticked = _Ticks(written, first, count)
            repaired.update(ticked.repaired)
        if end < written.total or not ticked.complete:
            for number, trouble in written.disorder(first, count):
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


class _Slice(NamedTuple):
    """Some rows of a role, read.

    Attributes:
        runs: for each run of rows of one input (null: of none) its `_input`, and of its `records` the number, the
            `lowest` and the `highest` number and the `bytes`.
        places: of those rows that have one, in the order of the rows.
        sizes: how many places each run has.
    """

    runs: pl.DataFrame
    places: NDArray[np.int64]
    sizes: NDArray[np.int64]


class _Ticks:
    """Which of some places are taken.

    Attributes:
        repaired: for each input, how many kept records among these places have a repair row.
        complete: whether each place is taken once.
    """

    def __init__(self, written: _Written, first: int, count: int) -> None:
        """Reads the rows that may stand at places from `first` on, so many of them."""
        self.repaired: Counter[int] = Counter()
        repairs = written.slices(Role.REPAIRS, first, count) if Role.CLEAN in written.rows else ()
        touched = np.zeros(count if Role.REPAIRS in written.rows else 0, np.bool_)
        for each in repairs:
            touched[_inside(each.places, first, count)] = True
        taken = np.zeros(count, np.bool_)
        rows = 0
        for role in written.fates:
            for each in ahead(written.slices(role, first, count)):
                inside = _inside(each.places, first, count)
                taken[inside] = True
                rows += inside.size
                if role is Role.CLEAN and touched.any():
                    self._count_repaired(each, touched, first)
        # As many rows as places, and no place without a row: no place has two.
        self.complete = rows == count and bool(taken.all())

    def _count_repaired(self, kept: _Slice, touched: NDArray[np.bool_], first: int) -> None:
        offsets = kept.places - first
        hits = (offsets >= 0) & (offsets < touched.size)
        hits[hits] = touched[offsets[hits]]
        ends = np.cumsum(kept.sizes)
        upto = np.append(0, np.cumsum(hits))
        for number, records in zip(kept.runs.get_column(INPUT), upto[ends] - upto[ends - kept.sizes], strict=True):
            if number is not None:
                self.repaired[number] += int(records)


def _inside(places: NDArray[np.int64], first: int, count: int) -> NDArray[np.int64]:
    """The places that are among these, counted from the first of them."""
    offsets = places - first
    return offsets[(offsets >= 0) & (offsets < count)]


class _Written:
    """The written files of a partition as frames of places."""

    def __init__(self, rows: Mapping[Role, pl.LazyFrame], inputs: Sequence[RawFile], slice_rows: int) -> None:
        self.rows, self.inputs, self.slice_rows = rows, inputs, slice_rows
        self.fates = [role for role in FATES if role in rows]
        self.bases = list(itertools.accumulate((raw.records for raw in inputs), initial=0))
        self.total = self.bases[-1]
        #: Role -> for each of its slices what was counted in it, and its lowest and highest place.
        self._known: dict[Role, list[tuple[pl.DataFrame, int, int]]] = {}

    def slices(self, role: Role, first: int, count: int) -> Iterator[_Slice]:
        """The rows of a role that may stand at these places; every row the first time, for then it is not known."""
        if role not in self.rows:
            return
        if role in self._known:
            for number, (_, lowest, highest) in enumerate(self._known[role]):
                if lowest < first + count and highest >= first:
                    yield self._read(role, number)
            return
        known = self._known[role] = []
        ended = False
        while not ended:
            each = self._read(role, len(known))
            lowest, highest = (int(each.places.min()), int(each.places.max())) if each.places.size else (0, -1)
            known.append((each.runs, lowest, highest))
            ended = int(each.runs.get_column("records").sum()) < self.slice_rows
            yield each

    def counted(self) -> pl.DataFrame:
        """For each role and input (null: none of them): `records`, the `lowest` and `highest` number, `bytes`.

        All slices were read before.
        """
        parts = [
            runs.select(pl.lit(role.value).alias("role"), pl.all())
            for role in self.fates
            for runs, _, _ in self._known[role]
        ]
        numbers = ("records", "lowest", "highest", "bytes")
        nothing = pl.DataFrame(schema={"role": pl.String, INPUT: pl.UInt32, **dict.fromkeys(numbers, pl.Int64)})
        sums = (pl.col("records").sum(), pl.col("lowest").min(), pl.col("highest").max(), pl.col("bytes").sum())
        return pl.concat([nothing, *parts]).group_by("role", INPUT).agg(sums).sort("role", INPUT)

    def _read(self, role: Role, number: int) -> _Slice:
        keys = self._keys(role)
        length = [] if role is Role.REPAIRS else [LENGTH]
        wanted = self.rows[role].select(*keys, RECORD, *length).slice(number * self.slice_rows, self.slice_rows)
        frame = wanted.collect(engine="streaming")
        runs = self._runs(frame, role)
        sizes = runs.get_column("len").to_numpy().astype(np.int64)
        # A row without a number is one whose number is wrong, too.
        records = frame.get_column(RECORD).fill_null(0).cast(pl.Int64).to_numpy()
        base, last = (_along(runs.get_column(name), sizes) for name in (_BASE, "_records"))
        # Or it would take a place of the next input.
        in_file = (records >= 1) & (records <= last)
        starts = np.cumsum(sizes) - sizes
        summed = {
            "lowest": np.minimum.reduceat(records, starts) if sizes.size else sizes,
            "highest": np.maximum.reduceat(records, starts) if sizes.size else sizes,
            "bytes": _sums(frame.get_column(LENGTH).fill_null(0).to_numpy(), starts) if length else sizes,
        }
        counted = pl.DataFrame({INPUT: runs.get_column(INPUT), "records": sizes, **summed})
        places = records + (base - 1)
        return _Slice(counted, places if in_file.all() else places[in_file], _sums(in_file, starts))

    def _runs(self, frame: pl.DataFrame, role: Role) -> pl.DataFrame:
        """The runs of rows that belong to one input: their `len`, and the `_inputs` of the role, or nulls."""
        keys = self._keys(role)
        if len(keys) > 1:
            runs = frame.select(pl.struct(keys).rle().struct.unnest()).unnest("value")
        else:
            runs = frame.select(pl.col(FILE).rle().struct.unnest()).rename({"value": FILE})
        return runs.join(self._inputs(role).collect(), on=keys, how="left", maintain_order="left")

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

    def _joined(self, role: Role, numbers: tuple[int, int]) -> pl.LazyFrame:
        """Rows of a role with the `_input` that they belong to, its `_base` and its number of `_records`."""
        keys = self._keys(role)
        rows = self.rows[role].filter(pl.col(RECORD).is_between(*numbers))
        return rows.select(*keys, RECORD).join(self._inputs(role), on=keys, how="left").drop(keys)

    def _keys(self, role: Role) -> list[str]:
        """The columns that tell of a row of a role to which input it belongs."""
        return [FILE] if role in (Role.CLEAN, Role.REPAIRS) else [FILE, SOURCE]

    def _inputs(self, role: Role) -> pl.LazyFrame:
        rows = [
            (raw.sha256, raw.path, number, self.bases[number], raw.records)
            for number, raw in enumerate(self.inputs)
            if SOURCE in self._keys(role) or raw.redelivery_of is None
        ]
        schema = {FILE: pl.String, SOURCE: pl.String, INPUT: pl.UInt32, _BASE: pl.UInt64, "_records": pl.UInt64}
        return pl.LazyFrame(rows, schema=schema, orient="row")


def _along(values: pl.Series, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The value of each run, for each of its rows; 0 for a null."""
    numbers = values.fill_null(0).to_numpy().astype(np.int64)
    return numbers if numbers.size == 1 else np.repeat(numbers, sizes)


def _sums(values: NDArray[Any], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sums of runs that begin there; none is empty."""
    return np.add.reduceat(values, starts, dtype=np.int64) if starts.size else starts


def _account(counted: pl.DataFrame, number: int) -> Mapping[str, dict[str, int]]:
    """What was counted of an input, by role."""
    rows = counted.filter(pl.col(INPUT) == number).drop(INPUT).to_dicts()
    return {row.pop("role"): row for row in rows}


def _books(raw: RawFile, account: Mapping[str, dict[str, int]], repaired: int) -> Books:
    fates: Counter[str] = Counter()
    for role, row in account.items():
        fates[FATES[Role(role)].value] += row["records"]
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
        fates |= {"erased": books.erased} if books.erased else {}
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
