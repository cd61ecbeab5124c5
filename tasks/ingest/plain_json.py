"""Plain JSON: lines that a regular expression proves to be plain objects, read a column at a time.

Belongs here: which lines are plain, and learning what a file's objects look like. Does not belong here: the patterns
(json_pattern), or lines that are not plain, of which nothing is said but that (exact_json judges them).

A plain line is an object written in one of the `STYLES`, of known keys in any order, none of them twice. The pattern
gives the values of all lines, and their lengths with those of keys and punctuation add up to the length of the line if
and only if no key is repeated: the group of a repeated key keeps its last value only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.ingest.exact_json import WHITE_SPACE, Refusal, parse_object
from tasks.ingest.json_cells import cells_of
from tasks.ingest.json_pattern import object_pattern, styles_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tasks.ingest.json_pattern import Style

#: Fewer lines are not worth the fixed cost of a pattern.
FEWEST_LINES = 64
#: Bytes of a line, in the mean. A pattern costs more for each byte than parsing one by one, and less for each line.
_LONGEST_LINES = 1_500
#: Lines of a stretch that are tried before all, and the smallest share of them that makes it worth while.
_TRIED, _LEAST_SHARE = 128, 1 / 8
#: Lines that are parsed exactly to learn what the others may look like, and how often that is done for one stretch.
_LEARNED_FROM, _LESSONS = 16, 3


@dataclass(frozen=True)
class PlainLines:
    """What was read of the lines that are plain.

    Attributes:
        which: their positions, ascending.
        cells: a String column for each known key, null where the key is absent or its value null. The columns have
            numbers for names: keys come from data, and polars takes some of them, such as `*`, for more than a name.
        keys: for each of them an integer whose bit `n` tells that it has the key of column `n`.
        known: the keys of the columns, the declared ones first.
    """

    which: NDArray[np.int64]
    cells: pl.DataFrame
    keys: NDArray[np.int64]
    known: tuple[str, ...]


class PlainReader:
    """Reads the plain ones among the lines of a file, and learns from the others.

    Example:
        >>> lines = pl.Series(['{"id":1,"text":"a"}', "nonsense", '{"text":"b"}', '{"id":1,"id":2}'] * 20)
        >>> found = PlainReader(("id", "text")).read(lines)
        >>> found.which[:4].tolist(), found.cells.rows()[:2]
        ([0, 2, 4, 6], [('1', 'a'), (None, 'b')])
    """

    def __init__(self, columns: Sequence[str]) -> None:
        """Prepares to read.

        Args:
            columns: the declared ones. Undeclared keys are learned, as far as a pattern has room for them.
        """
        self._keys = tuple(columns)
        self._nested: frozenset[str] = frozenset()
        self._styles = styles_of(self._keys, self._nested)

    def read(self, lines: pl.Series) -> PlainLines:
        """The plain lines; none if it would not be worth while.

        That is so for a few lines or very long ones, for keys of which no fast pattern can be made, and where hardly
        any line is plain.

        Args:
            lines: String, with or without their line ends.
        """
        parts: list[PlainLines] = []
        if self._may_pay(lines) and self._some_are_plain(lines):
            rest = self._read(lines, np.arange(len(lines)), parts)
            if len(rest) >= FEWEST_LINES and self._learn(lines.gather(rest[:_LEARNED_FROM])):
                self._read(lines, rest, parts)
        return self._together(parts)

    def _may_pay(self, lines: pl.Series) -> bool:
        many = len(lines) >= FEWEST_LINES
        return many and bool(self._styles) and int(lines.str.len_bytes().sum()) <= _LONGEST_LINES * len(lines)

    def _some_are_plain(self, lines: pl.Series) -> bool:
        """Tries a few lines, and learns from them."""
        tried = lines.gather_every(-(-len(lines) // _TRIED))
        for _ in range(_LESSONS):
            rest = self._read(tried, np.arange(len(tried)), [])
            if not self._learn(tried.gather(rest[:_LEARNED_FROM])):
                break
        return len(rest) <= (1 - _LEAST_SHARE) * len(tried)

    def _read(self, lines: pl.Series, rest: NDArray[np.int64], parts: list[PlainLines]) -> NDArray[np.int64]:
        """Adds to `parts` what is plain in each style, and gives what is not plain in any."""
        for style in tuple(self._styles):
            if not len(rest):
                break
            part = self._in_style(lines if len(rest) == len(lines) else lines.gather(rest), style)
            if 2 * len(part.which) > len(rest):  # most likely the style of the next lines too
                self._styles.remove(style)
                self._styles.insert(0, style)
            parts.append(dataclasses.replace(part, which=rest[part.which]))
            rest = np.delete(rest, part.which)
        return rest

    def _in_style(self, lines: pl.Series, style: Style) -> PlainLines:
        texts = lines.str.strip_chars(WHITE_SPACE.decode())
        values = texts.str.extract_groups(object_pattern(self._keys, self._nested, style)).struct.unnest()
        values = values.select(pl.col(f"g{number}").alias(f"{number}") for number in range(len(self._keys)))
        members = pl.sum_horizontal(
            # A member's comma too: the last one has none.
            pl.col(f"{number}").str.len_bytes() + len(f'"{style.key(key)}{style.colon}{style.comma}'.encode())
            for number, key in enumerate(self._keys)
        )
        lengths = values.select(members.alias("")).to_series()
        plain = (lengths > 0) & (lengths + len("{}") - len(style.comma) == texts.str.len_bytes())
        if not plain.all():
            texts, values = texts.filter(plain), values.filter(plain)
        escapes = texts.str.contains("\\", literal=True).any()
        return self._cells(values, np.flatnonzero(plain), escapes=escapes)

    def _cells(self, values: pl.DataFrame, which: NDArray[np.int64], *, escapes: bool) -> PlainLines:
        keys = np.zeros(values.height, np.int64)
        valid = np.ones(values.height, np.bool_)
        cells: dict[str, pl.Series] = {}
        for number, (key, column) in enumerate(zip(self._keys, values.iter_columns(), strict=True)):
            keys |= column.is_not_null().to_numpy().astype(np.int64) << number
            made, made_valid = cells_of(column, nested=key in self._nested, escapes=escapes)
            cells[column.name] = made
            valid &= made_valid.to_numpy()
        frame = pl.DataFrame(cells)
        if valid.all():
            return PlainLines(which, frame, keys, self._keys)
        return PlainLines(which[valid], frame.filter(pl.Series(valid)), keys[valid], self._keys)

    def _learn(self, lines: pl.Series) -> bool:
        """Looks at lines that were not plain for undeclared keys and nested values; whether there was something new."""
        before = self._keys, self._nested
        for line in lines:
            members = parse_object(line.encode())
            for key, value in () if isinstance(members, Refusal) else members:
                self._meet(key, nested=isinstance(value, list))
        return (self._keys, self._nested) != before

    def _meet(self, key: str, *, nested: bool) -> None:
        keys = self._keys if key in self._keys else (*self._keys, key)
        within = self._nested | {key} if nested else self._nested
        if (keys, within) == (self._keys, self._nested):
            return
        styles = styles_of(keys, within)
        if set(styles).issuperset(self._styles):
            self._keys, self._nested, self._styles = keys, within, styles

    def _together(self, parts: Sequence[PlainLines]) -> PlainLines:
        schema = {f"{number}": pl.String() for number in range(len(self._keys))}
        none = PlainLines(np.zeros(0, np.int64), pl.DataFrame(schema=schema), np.zeros(0, np.int64), self._keys)
        some = [part for part in parts if len(part.which)]
        if len(some) <= 1:
            return some[0] if some else none
        which = np.concatenate([part.which for part in some])
        order = np.argsort(which)
        # What was learned between two parts has a column in the later one only.
        cells = pl.concat([none.cells, *(part.cells for part in some)], how="diagonal")
        keys = np.concatenate([part.keys for part in some])
        return PlainLines(which[order], cells[order], keys[order], self._keys)
