"""Spills: the same rows come back, in parts of rising numbers, from memory or from the disk."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import StoreError
from tasks.store.local import LocalStore
from tasks.store.paths import staging_key
from tasks.store.spill import PARTS, Spill, mapped

KEY = staging_key("orders", "p", "spill-test")

EVERY_TYPE = pl.DataFrame(
    {
        "number": pl.Series([1, 2, None], dtype=pl.Int64),
        "text": ["a long text of more than twelve bytes", "", None],
        "bytes": [b"\xff\x00", b"", None],
        "enum": pl.Series(["b", "a", None], dtype=pl.Enum(["a", "b"])),
        "category": pl.Series(["x", None, "y"], dtype=pl.Categorical),
        "decimal": pl.Series([Decimal("1.20"), None, Decimal("-3.40")], dtype=pl.Decimal(18, 2)),
        "date": [dt.date(2026, 11, 23), None, dt.date(1900, 1, 1)],
        "moment": pl.Series(
            [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None, None], dtype=pl.Datetime("ms", "Europe/Berlin")
        ),
        "clock": [dt.time(1, 2, 3), None, None],
        "flag": [True, None, False],
        "float": [0.5, float("nan"), None],
    }
)


def numbered(*numbers: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"n": numbers, "text": [f"row {number}" for number in numbers]}, schema_overrides={"n": pl.UInt64}
    )


def spilled(root: str | Path, frames: list[pl.DataFrame], *, numbers: int, at_once: int) -> Spill:
    spill = Spill(LocalStore(Path(root)), KEY, by="n", numbers=numbers, at_once=at_once)
    for frame in frames:
        spill.add(frame)
    return spill


@given(
    st.lists(st.lists(st.integers(0, 999), max_size=30), max_size=6),
    st.sampled_from([1, 5, 40, 1000]),
    st.sampled_from([1000, 1 << 64]),
)
def test_every_row_comes_back_once_and_numbers_rise(rows: list[list[int]], at_once: int, numbers: int) -> None:
    scale = numbers // 1000
    with tempfile.TemporaryDirectory() as root:
        frames = [numbered(*(number * scale for number in each)) for each in rows]
        spill = spilled(root, frames, numbers=numbers, at_once=at_once)
        assert spill.rows == sum(map(len, rows))
        found: list[int] = []
        below = 0
        for part in spill.parts():
            values = part.whole().get_column("n").to_list()
            assert len(values) == part.rows
            assert [value for portion in part.portions() for value in portion.get_column("n")] == values
            assert all(below <= value < part.stop for value in values)
            below = part.stop
            found += values
        assert Counter(found) == Counter(number * scale for each in rows for number in each)


def test_few_rows_never_reach_the_disk(tmp_path: Path) -> None:
    spill = spilled(tmp_path, [numbered(3, 1), numbered(2)], numbers=4, at_once=3)
    (part,) = spill.parts()
    assert part.whole().get_column("n").to_list() == [3, 1, 2]
    assert not LocalStore(tmp_path).list("")


def test_many_rows_lie_on_the_disk_in_parts_of_bounded_portions(tmp_path: Path) -> None:
    frames = [numbered(*range(start, start + 100)) for start in range(0, 10_000, 100)]
    spill = spilled(tmp_path, frames, numbers=10_000, at_once=250)
    parts = list(spill.parts())
    assert len(parts) == len(LocalStore(tmp_path).list("")) == PARTS
    assert max(portion.height for part in parts for portion in part.portions()) < 2 * 250
    # In the order in which they were added.
    assert all(part.whole().get_column("n").is_sorted() for part in parts)


def test_nothing_added_is_no_part(tmp_path: Path) -> None:
    assert not list(spilled(tmp_path, [numbered()], numbers=10, at_once=1).parts())


@pytest.mark.parametrize("at_once", [1, 100])
def test_values_of_every_type_come_back_as_they_were(tmp_path: Path, at_once: int) -> None:
    rows = EVERY_TYPE.with_row_index("n").cast({"n": pl.UInt64})
    spill = spilled(tmp_path, [rows, rows], numbers=3 * PARTS, at_once=at_once)
    (part,) = spill.parts()
    assert part.whole().equals(pl.concat([rows, rows]))
    assert part.whole().schema == rows.schema


def test_a_mapped_file_is_the_frame_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "frame.arrow"
    EVERY_TYPE.write_ipc(path)
    assert mapped(str(path)).equals(EVERY_TYPE)
    assert mapped(str(path)).schema == EVERY_TYPE.schema


def test_a_file_that_is_gone_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"can't read .*: it is not there"):
        mapped(str(tmp_path / "gone.arrow"))
