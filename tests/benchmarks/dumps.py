"""Dumps of orders: raw text with known faults, the same bytes for the same arguments.

Belongs here: what good orders look like, which faults are planted how often, and how records are written. Does not
belong here: what faults break (orders), other data sets (oddities), or cleaning.

By default one row in fifty is bad: cells that can't be cast, values that no rule allows, records with a field too many
or too few, orders that came twice with the same or with other content. No row has two faults, so that the books are
known. Memory depends on `_AT_ONCE`, not on the size of the dump.
"""

from __future__ import annotations

import gzip
import shutil
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import polars as pl
import zstandard

from schemas.records import Books
from tests.benchmarks.orders import COUNTRIES, SHOPS, STATES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Form = Literal["plain", "quoted", "jsonl"]

#: Copies among a thousand rows from which on an original has two.
_MANY = 250
#: Characters that are left of a record that breaks off: none of them is a quote.
_CUT_OFF = 10
#: Rows that are made at once, whatever the size of the dump.
_AT_ONCE = 250_000
_SEED = 2026
_EPOCH = 1_735_689_600  # 1 January 2025
_DAY = 86_400
_WORDS = ("please ring twice", "leave at the door", "gift wrap", "call first", "second floor", "fragile", "no hurry")


class Fault(msgspec.Struct, frozen=True):
    """A wrong cell."""

    column: str
    text: str


WRONG_CELLS = (
    Fault("quantity", "two"),
    Fault("unit_price", "n/a"),
    Fault("ordered_at", "yesterday"),
    Fault("shipped_on", "2025-02-30"),
    Fault("shipped_on", "2019-12-31"),
    Fault("quantity", "0"),
    Fault("discount", "1.5"),
    Fault("country", "XX"),
    Fault("status", "lost"),
    Fault("customer_id", "unknown"),
)


class Plan(msgspec.Struct, frozen=True):
    """How many rows of a thousand have which fault; together at most a thousand, the originals of copies included."""

    wrong: int = 1
    """Of each of WRONG_CELLS."""
    lower_case: int = 2
    twice: int = 4
    conflicting: int = 4
    too_many: int = 1
    too_few: int = 1

    @property
    def originals(self) -> int:
        """Rows that came twice, or three times where there are many."""
        return self.twice if self.twice < _MANY else (self.twice + 1) // 2

    def books(self, rows: int, form: Form) -> Books:
        """What the books of a dump with these faults must be."""
        # In JSON, a field too many is a key that is not declared: the record can be read and is set aside.
        rejected = self.too_few + (self.too_many if form != "jsonl" else 0)
        # Of two orders with one number and different content, neither is known to be the right one.
        quarantined = self.wrong * len(WRONG_CELLS) + 2 * self.conflicting + self.too_few + self.too_many - rejected
        each = rows // 1000
        return Books(
            records=rows,
            kept=rows - (rejected + quarantined + self.twice) * each,
            duplicate=self.twice * each,
            quarantined=quarantined * each,
            rejected=rejected * each,
            repaired=self.lower_case * each,
        )


DEFAULT = Plan()
HALF_BAD = Plan(wrong=50)
HALF_TWICE = Plan(twice=500)
#: For JSONL, of which polars reads nothing if one line breaks off.
WHOLE = Plan(too_few=0)


def write_orders(path: Path, *, rows: int, number: int = 0, plan: Plan = DEFAULT, form: Form = "plain") -> Books:
    """Writes a dump and says what its books must be.

    Args:
        path: of the file.
        rows: records behind the header, a multiple of 1,000.
        number: of the dump; those with different numbers have no order in common.
        plan: its faults.
        form: CSV without a quote, CSV with quotes in every record, doubled ones and delimiters within them, or JSONL.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        for start in range(0, rows, _AT_ONCE):
            count = min(_AT_ONCE, rows - start)
            rng = np.random.default_rng([_SEED, number, start])
            frame = _good(rng, count, first_id=1 + number * 1_000_000_000 + start)
            if not start and form != "jsonl":
                stream.write((",".join(frame.columns) + "\n").encode())
            lines = _planted(rng, frame, plan, form)
            pl.DataFrame(lines).write_csv(stream, include_header=False, quote_style="never")
    return plan.books(rows, form)


def compress(source: Path, target: Path) -> None:
    """Writes a copy of a dump, compressed as the target's name says, at the usual level of either."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as text, target.open("wb") as stored:
        if target.suffix == ".gz":
            with gzip.GzipFile(fileobj=stored, mode="wb", compresslevel=6, mtime=0) as packed:
                shutil.copyfileobj(text, packed, 1 << 20)
        else:
            zstandard.ZstdCompressor(level=3).copy_stream(text, stored)


def _good(rng: np.random.Generator, rows: int, *, first_id: int) -> pl.DataFrame:
    """Good orders as text."""
    ordered = _EPOCH + np.sort(rng.integers(0, 300 * _DAY, rows))
    shipped = ordered // _DAY + rng.integers(0, 10, rows)
    state = rng.integers(0, len(STATES), rows)
    return pl.select(
        order_id=pl.Series(first_id + np.arange(rows)),
        customer_id=pl.format("C{}", pl.Series(rng.integers(0, 10_000_000, rows)).cast(pl.String).str.zfill(7)),
        shop=_chosen(rng, SHOPS, rows),
        country=_chosen(rng, COUNTRIES, rows),
        ordered_at=pl.from_epoch(pl.Series(ordered)).dt.to_string("%Y-%m-%dT%H:%M:%S"),
        shipped_on=_sometimes(state >= STATES.index("shipped"), pl.Series(shipped).cast(pl.Int32).cast(pl.Date)),
        quantity=pl.Series(rng.integers(1, 20, rows)),
        unit_price=pl.Series(np.round(rng.lognormal(3, 1, rows) + 0.01, 2)),
        discount=pl.Series(rng.integers(0, 10, rows) / 20),
        weight=_sometimes(rng.random(rows) < 0.9, pl.Series(np.round(rng.gamma(2, 2, rows) + 0.001, 3))),
        status=pl.Series(STATES).gather(state),
        comment=_sometimes(rng.random(rows) < 0.5, _chosen(rng, _WORDS, rows)),
    ).select(pl.all().cast(pl.String).fill_null(""))


def _chosen(rng: np.random.Generator, values: tuple[str, ...], rows: int) -> pl.Series:
    return pl.Series(values).gather(rng.integers(0, len(values), rows))


def _sometimes(there: NDArray[np.bool_], values: pl.Series) -> pl.Expr:
    return pl.when(pl.Series(there)).then(values)


def _planted(rng: np.random.Generator, frame: pl.DataFrame, plan: Plan, form: Form) -> pl.Series:
    """The lines of orders of which some are now bad."""
    unused = iter(rng.permutation(frame.height).reshape(-1, frame.height // 1000))

    def picked(times: int) -> NDArray[np.int64]:
        return np.concatenate([np.empty(0, np.int64), *(next(unused) for _ in range(times))])

    conflicting, twice = picked(plan.conflicting), picked(plan.twice)
    origin = np.arange(frame.height)
    origin[conflicting] = picked(plan.conflicting)
    origin[twice] = np.resize(picked(plan.originals), twice.size)
    frame = _with_text(frame[origin], conflicting, "comment", pl.lit("as I said on the telephone"))
    frame = _with_text(frame, picked(plan.lower_case), "country", pl.col("country").str.to_lowercase())
    for fault in WRONG_CELLS:
        frame = _with_text(frame, picked(plan.wrong), fault.column, pl.lit(fault.text))
    written, another = _RECORDS[form](frame)
    lines = _with_text(written, picked(plan.too_many), "line", another)
    return _with_text(lines, picked(plan.too_few), "line", pl.col("line").str.head(_CUT_OFF)).to_series()


def _with_text(frame: pl.DataFrame, rows: NDArray[np.int64], column: str, text: pl.Expr) -> pl.DataFrame:
    hit = np.zeros(frame.height, np.bool_)
    hit[rows] = True
    return frame.with_columns(pl.when(pl.Series(hit)).then(text).otherwise(column).alias(column))


# --- how records are written: the lines, and the same lines with one field more ---------------------------------------


def _plain(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Expr]:
    lines = frame.select(line=pl.concat_str(pl.all(), separator=","))
    return lines, pl.col("line") + ",and one more"


def _quoted(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Expr]:
    said = pl.when(pl.col("comment") == "").then(pl.lit("")).otherwise(pl.format('"""{}"", they said"', "comment"))
    return _plain(frame.with_columns(shop=pl.format('"{}"', "shop"), comment=said))


def _jsonl(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Expr]:
    numbers = ("order_id", "quantity", "unit_price", "discount", "weight")
    cells = [_number(name) if name in numbers else _string(name) for name in frame.columns]
    members = [pl.format(f'"{name}":{{}}', cell) for name, cell in zip(frame.columns, cells, strict=True)]
    lines = frame.select(line=pl.lit("{") + pl.concat_str(members, separator=",") + pl.lit("}"))
    return lines, pl.col("line").str.head(-1) + ',"gift":true}'


def _string(name: str) -> pl.Expr:
    return pl.when(pl.col(name) == "").then(pl.lit("null")).otherwise(pl.format('"{}"', name))


def _number(name: str) -> pl.Expr:
    return pl.when(pl.col(name).str.contains(r"^[0-9][0-9.e-]*$")).then(name).otherwise(_string(name))


_RECORDS = {"plain": _plain, "quoted": _quoted, "jsonl": _jsonl}
