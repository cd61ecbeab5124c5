"""Dumps of orders: raw CSV with known faults, the same bytes for the same arguments.

Belongs here: what good orders look like, and which faults are planted how often. Does not belong here: what they break
(orders), or cleaning.

One row in fifty is bad: cells that can't be cast, values that no rule allows, records with a field too many or too few,
orders that came twice with the same or with other content. No row has two faults, so that the books are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from schemas.records import Books
from tests.benchmarks.orders import COUNTRIES, SHOPS, STATES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

#: Rows that are made at once, whatever the size of the dump.
_AT_ONCE = 1_000_000
_SEED = 2026
_EPOCH = 1_735_689_600  # 1 January 2025
_DAY = 86_400
_WORDS = ("please ring twice", "leave at the door", "gift wrap", "call first", "second floor", "fragile", "no hurry")


class Fault(msgspec.Struct, frozen=True):
    """A wrong cell; planted in one row of a thousand."""

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
#: Rows of a thousand that have each of the other faults.
_LOWER_CASE, _TWICE, _CONFLICTING, _TOO_MANY, _TOO_FEW = 2, 4, 4, 1, 1


def write_orders(path: Path, *, rows: int, number: int = 0) -> Books:
    """Writes a dump and says what its books must be.

    Args:
        path: of the CSV file.
        rows: records behind the header, a multiple of 1,000.
        number: of the dump; those with different numbers have no order in common.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    books = Books()
    with path.open("wb") as stream:
        for start in range(0, rows, _AT_ONCE):
            count = min(_AT_ONCE, rows - start)
            rng = np.random.default_rng([_SEED, number, start])
            frame = _good(rng, count, first_id=1 + number * 1_000_000_000 + start)
            if not start:
                stream.write((",".join(frame.columns) + "\n").encode())
            lines = _planted(rng, frame)
            pl.DataFrame(lines).write_csv(stream, include_header=False, quote_style="never")
            books += _expected(count)
    return books


def _expected(rows: int) -> Books:
    each = rows // 1000
    rejected, duplicate = (_TOO_MANY + _TOO_FEW) * each, _TWICE * each
    # Of two orders with one number and different content, neither is known to be the right one.
    quarantined = (len(WRONG_CELLS) + 2 * _CONFLICTING) * each
    return Books(
        records=rows,
        kept=rows - rejected - duplicate - quarantined,
        duplicate=duplicate,
        quarantined=quarantined,
        rejected=rejected,
        repaired=_LOWER_CASE * each,
    )


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


def _planted(rng: np.random.Generator, frame: pl.DataFrame) -> pl.Series:
    """The lines of orders of which some are now bad."""
    unused = iter(rng.permutation(frame.height).reshape(-1, frame.height // 1000))

    def picked(times: int) -> NDArray[np.int64]:
        return np.concatenate([next(unused) for _ in range(times)])

    twice, conflicting = picked(_TWICE), picked(_CONFLICTING)
    origin = np.arange(frame.height)
    origin[np.concatenate([twice, conflicting])] = picked(_TWICE + _CONFLICTING)
    frame = _with_text(frame[origin], conflicting, "comment", pl.lit("as I said on the telephone"))
    frame = _with_text(frame, picked(_LOWER_CASE), "country", pl.col("country").str.to_lowercase())
    for fault in WRONG_CELLS:
        frame = _with_text(frame, picked(1), fault.column, pl.lit(fault.text))
    lines = frame.select(line=pl.concat_str(pl.all(), separator=","))
    lines = _with_text(lines, picked(_TOO_MANY), "line", pl.col("line") + ",and one more")
    return _with_text(lines, picked(_TOO_FEW), "line", pl.col("line").str.head(20)).to_series()


def _with_text(frame: pl.DataFrame, rows: NDArray[np.int64], column: str, text: pl.Expr) -> pl.DataFrame:
    hit = np.zeros(frame.height, np.bool_)
    hit[rows] = True
    return frame.with_columns(pl.when(pl.Series(hit)).then(text).otherwise(column).alias(column))
