"""Parser: the text of delimited records as columns of cells, a column for each field.

Belongs here: parsing at polars' speed, the proof that it gave back every byte, and the exact route for what it did not.
Does not belong here: where records begin (splitter), what becomes of one with other fields than the header (delimited).

The proof. A cell is a stretch of the text. polars gives a record as many cells as are wanted: empty ones where fields
are missing, none for the fields too many. So the cells of a record and the delimiters between them are as long as the
record if, and only if, it has the wanted number of fields and no byte of it is gone. That is one sum for each record;
only those where it fails are looked at. Where there are quotes, polars can lose its way behind a field too many, so
fields are counted first, and the sums of the rest, with the quotes that no cell keeps, must be right for all of them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.ingest.fields import content_of, fields_of
from tasks.ingest.regions import chosen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.ingest.splitter import Splitter

_LF, _CR = 10, 13
#: Records that the exact parser holds as Python objects at once.
_EXACT_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Parsed:
    """Records taken apart.

    Attributes:
        cells: a row for each record that has the wanted number of fields; String columns `0`, `1`, `2` ….
        fields: for each record how many fields it has.
    """

    cells: pl.DataFrame
    fields: NDArray[np.int64]


class Parser:
    r"""Takes records apart that keep to the grammar and are UTF-8 text.

    Example:
        >>> from tasks.ingest.splitter import Splitter
        >>> parsed = Parser(Splitter(ord(","), ord('"'), 100), width=2).parse(b"a,b\nc\n", np.array([0, 4, 6]))
        >>> parsed.cells.rows(), parsed.fields.tolist()
        ([('a', 'b')], [2, 1])
    """

    def __init__(self, splitter: Splitter, *, width: int) -> None:
        """Prepares to parse.

        Args:
            splitter: has cut the records.
            width: how many fields a record shall have.
        """
        assert splitter.delimiter is not None  # noqa: S101  # for the type checker: only jsonl has none
        self._splitter, self._width = splitter, width
        self._delimiter = chr(splitter.delimiter)
        self._quote = None if splitter.quote is None else chr(splitter.quote)
        self._schema = {f"{position}": pl.String() for position in range(width)}

    def parse(self, data: bytes, bounds: NDArray[np.int64]) -> Parsed:
        """Takes records apart.

        Args:
            data: the records, one behind another.
            bounds: where each begins, and at last where the last one ends.
        """
        if len(bounds) == 1:
            return Parsed(pl.DataFrame(schema=self._schema), np.zeros(0, np.int64))
        if self._quote and self._quote.encode() in data:
            return self._counted_first(data, bounds)
        cells = self._cells_of_polars(data, None)
        if cells is None or cells.height != len(bounds) - 1:
            return self._counted_first(data, bounds)
        return self._proven(cells, data, bounds)

    def _proven(self, cells: pl.DataFrame, data: bytes, bounds: NDArray[np.int64]) -> Parsed:
        doubtful = _held(cells) + (self._width - 1) != _content_lengths(data, bounds)
        fields = np.full(len(doubtful), self._width)
        if not doubtful.any():
            return Parsed(cells, fields)
        fields[doubtful] = self._splitter.fields(*chosen(data, bounds, doubtful))
        cells = cells.lazy().filter(pl.Series(~doubtful)).collect()
        altered = doubtful & (fields == self._width)
        if altered.any():
            exact = self._exact_cells(*chosen(data, bounds, altered))
            order = np.argsort(np.concatenate([np.flatnonzero(~doubtful), np.flatnonzero(altered)]))
            cells = pl.concat([cells, exact])[order]
        return Parsed(cells, fields)

    def _counted_first(self, data: bytes, bounds: NDArray[np.int64]) -> Parsed:
        fields = self._splitter.fields(data, bounds)
        data, bounds = chosen(data, bounds, fields == self._width)
        if len(bounds) == 1:
            return Parsed(pl.DataFrame(schema=self._schema), fields)
        cells = self._cells_of_polars(data, self._quote)
        if cells is None or not self._loses_nothing(cells, data, bounds):
            cells = self._exact_cells(data, bounds)
        return Parsed(cells, fields)

    def _cells_of_polars(self, data: bytes, quote: str | None) -> pl.DataFrame | None:
        try:
            return pl.read_csv(
                data,
                has_header=False,
                schema=self._schema,
                infer_schema=False,
                separator=self._delimiter,
                quote_char=quote,
                empty_string_is_null=False,
                truncate_ragged_lines=True,
            )
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None

    def _loses_nothing(self, cells: pl.DataFrame, data: bytes, bounds: NDArray[np.int64]) -> bool:
        """Whether the cells, delimiters and quotes of each record are as long as it is."""
        if cells.height != len(bounds) - 1:
            return False
        kept = _held(cells) + (self._width - 1)
        quotes = self._splitter.quotes(data)
        if len(quotes):
            # Every second quote closes a field, unless another follows: of these two a cell keeps one.
            closing, opening = quotes[1::2], quotes[2::2]
            doubled = closing[: len(opening)][opening == closing[: len(opening)] + 1]
            kept += _within(quotes, bounds) - _within(doubled, bounds)
        return bool((kept == _content_lengths(data, bounds)).all())

    def _exact_cells(self, data: bytes, bounds: NDArray[np.int64]) -> pl.DataFrame:
        starts = range(0, len(bounds) - 1, _EXACT_AT_ONCE)
        return pl.concat([self._exact_rows(data, bounds[start : start + _EXACT_AT_ONCE + 1]) for start in starts])

    def _exact_rows(self, data: bytes, bounds: NDArray[np.int64]) -> pl.DataFrame:
        contents = (content_of(data[start:stop]).decode() for start, stop in itertools.pairwise(bounds.tolist()))
        rows = [fields_of(content, self._delimiter, self._quote) for content in contents]
        return pl.DataFrame(dict(zip(self._schema, zip(*rows, strict=True), strict=True)), schema=self._schema)


def _held(cells: pl.DataFrame) -> NDArray[np.int64]:
    """Bytes in the cells of each record."""
    # 32 bits are enough: a record, and so what is in its cells, is shorter than 4 GiB.
    return (
        cells.lazy()
        .select(pl.sum_horizontal(pl.all().str.len_bytes()))
        .collect()
        .to_series()
        .to_numpy()
        .astype(np.int64)
    )


def _within(positions: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the positions lie in each record."""
    return np.diff(np.searchsorted(positions, bounds))


def _content_lengths(data: bytes, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bytes of each record without its line end, LF or CRLF."""
    text, stops, lengths = np.frombuffer(data, np.uint8), bounds[1:], np.diff(bounds)
    fed = text[stops - 1] == _LF
    lengths -= fed
    if b"\r" in data:
        lengths -= fed & (lengths > 0) & (text[stops - 2] == _CR)
    return lengths
