"""Limits: what is too great to be read, held against what is declared.

Belongs here: the comparisons that the readers of several formats share, and the words that name a setting. Does not
belong here: the limits themselves (schemas/policies), or those of one mechanism (splitter, decoders).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import HeaderError, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from schemas.policies import Limits

#: Text that any file may hold, however little is stored. A ratio is meant for bombs, and that much is none.
FREE_TEXT_BYTES = 1 << 30


def setting(name: str) -> str:
    """How a limit is raised, in words.

    Example:
        >>> setting("max_columns")
        'raise Source(limits=Limits(max_columns=...))'
    """
    return f"raise Source(limits=Limits({name}=...))"


def refuse_width(columns: int, limits: Limits, path: str) -> None:
    """Stops at a file with too many columns; asked before their names are taken apart.

    Args:
        columns: how many the file has.
        limits: says how many it may have.
        path: the file's, for the message.

    Raises:
        HeaderError: it has more.
    """
    if columns > limits.max_columns:
        most = f"{limits.max_columns:,} at most"
        fix = f"If they are meant, {setting('max_columns')}."
        raise HeaderError(f"{columns:,} columns", expected=most, where=shown(path), fix=fix)


def text_room(stored_bytes: int, limits: Limits) -> tuple[int, str]:
    """Bytes of text that so many stored bytes may hold, and the name of the setting that says so."""
    by_ratio = max(FREE_TEXT_BYTES, int(stored_bytes * limits.max_ratio))
    if limits.max_text_bytes is not None and limits.max_text_bytes < by_ratio:
        return limits.max_text_bytes, "max_text_bytes"
    return by_ratio, "max_ratio"


def cell_reason(longest: int, most: int) -> str:
    """Why a record is rejected whose longest cell has so many bytes, where a cell may have `most`."""
    return f"a cell of {longest:,} bytes, {most:,} at most: {setting('max_cell_bytes')}"


def longest_cells(cells: pl.DataFrame, limits: Limits) -> NDArray[np.int64] | None:
    """Bytes of the longest cell of each row; None if there is no row with a cell beyond its limit.

    Args:
        cells: String columns.
        limits: says how long a cell may be.

    Example:
        >>> from schemas.policies import Limits
        >>> cells = pl.DataFrame({"a": ["x", "é"], "b": ["yyy", None]})
        >>> longest_cells(cells, Limits(max_cell_bytes=2)).tolist(), longest_cells(cells, Limits())
        ([3, 2], None)
    """
    # All bytes together are counted in no time, and are nearly always fewer than one cell may have.
    if not cells.width or cells.estimated_size() <= limits.max_cell_bytes:
        return None
    lengths = cells.lazy().select(pl.max_horizontal(pl.all().str.len_bytes().cast(pl.Int64)).fill_null(0)).collect()
    longest = lengths.to_series().to_numpy()
    return longest if (longest > limits.max_cell_bytes).any() else None
