import polars as pl
import pytest

from schemas.errors import HeaderError
from schemas.policies import Limits
from tasks.ingest.limits import FREE_TEXT_BYTES, longest_cells, refuse_width, text_room


def test_too_many_columns_are_an_error_that_names_the_setting() -> None:
    refuse_width(5_000, Limits(), "a.csv")
    refuse_width(3, Limits(max_columns=3), "a.csv")
    with pytest.raises(HeaderError, match=r"'a\.csv': 4 columns; expected 3 at most.*Limits\(max_columns=\.\.\.\)"):
        refuse_width(4, Limits(max_columns=3), "a.csv")


def test_the_longest_cell_of_a_row_is_counted_in_bytes() -> None:
    cells = pl.DataFrame({"a": ["éé", "x", None], "b": ["x", "y", None]}, schema={"a": pl.String, "b": pl.String})
    longest = longest_cells(cells, Limits(max_cell_bytes=3))
    assert longest is not None
    assert longest.tolist() == [4, 1, 0]
    assert longest_cells(cells, Limits(max_cell_bytes=4)) is None
    assert longest_cells(cells.clear(), Limits(max_cell_bytes=1)) is None
    assert longest_cells(pl.DataFrame(), Limits(max_cell_bytes=1)) is None


def test_a_ratio_counts_from_a_gibibyte_on() -> None:
    limits = Limits(max_ratio=100)
    assert text_room(1, limits) == (FREE_TEXT_BYTES, "max_ratio")
    assert text_room(1 << 30, limits) == (100 << 30, "max_ratio")
    limits = Limits(max_ratio=100, max_text_bytes=50 << 30)
    assert text_room(1, limits) == (FREE_TEXT_BYTES, "max_ratio")
    assert text_room(1 << 30, limits) == (50 << 30, "max_text_bytes")
    assert text_room(1, Limits(max_text_bytes=7)) == (7, "max_text_bytes")
