"""Fields: one delimited record taken apart, exactly and slowly.

Belongs here: the grammar of a record for one record at a time; for headers, for blocks that the fast parser would
alter, and as what tests compare with; and which records are the header once more. Does not belong here: finding records
(splitter).
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LF, _CR = 10, 13
#: Records that are compared with one content one by one, rather than byte after byte in all of them.
_FEW = 64


def content_of(record: bytes) -> bytes:
    r"""A record without its line end, LF or CRLF.

    Example:
        >>> content_of(b"a,b\r\n"), content_of(b"a,b\r")
        (b'a,b', b'a,b\r')
    """
    if not record.endswith(b"\n"):
        return record
    return record[:-2] if record.endswith(b"\r\n") else record[:-1]


def same_content(data: bytes, bounds: NDArray[np.int64], content: bytes) -> NDArray[np.bool_]:
    r"""For each record whether this is its content, whatever its line end.

    Args:
        data: the records, with LF or CRLF behind each.
        bounds: where each begins, and at last where the last one ends.
        content: without a line end.

    Example:
        >>> same_content(b"a,b\n1,2\na,b\r\n", np.array([0, 4, 8, 13]), b"a,b").tolist()
        [True, False, True]
    """
    same = np.zeros(len(bounds) - 1, np.bool_)
    if content not in data:
        return same
    text = np.frombuffer(data, np.uint8)
    places = _with_content_as_long(text, bounds, len(content))
    for position, byte in enumerate(content):
        if len(places) <= _FEW:
            same[[place for place in places.tolist() if data.startswith(content, bounds[place])]] = True
            return same
        places = places[text[bounds[places] + position] == byte]
    same[places] = True
    return same


def _with_content_as_long(text: NDArray[np.uint8], bounds: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Which records have so many bytes, the line end not counted."""
    more = np.diff(bounds) - length
    fed = text[bounds[1:] - 1] == _LF
    returned = text[bounds[1:] - 2] == _CR
    ended = ((more == 0) & ~fed) | ((more == 1) & fed) | ((more == len(b"\r\n")) & fed & returned)
    return np.flatnonzero(ended)


def fields_of(content: str, delimiter: str, quote: str | None) -> list[str]:
    """The fields of a record without its line end; an unquoted one keeps every character, blanks and CR too.

    Raises:
        ValueError: a quote stands where none may stand, or does not close.

    Example:
        >>> fields_of('a,"b ""c"" ,d", e', ",", '"')
        ['a', 'b "c" ,d', ' e']
    """
    if quote is None or quote not in content:
        return content.split(delimiter)
    field = _field(delimiter, quote)
    fields, position, behind = [], 0, delimiter
    while behind:
        found = field.match(content, position)
        if found is None:
            message = f"a misplaced quote at or behind character {position + 1}"
            raise ValueError(message)
        quoted, plain, behind = found.groups()
        fields.append(plain if quoted is None else quoted.replace(quote * 2, quote))
        position = found.end()
    return fields


@functools.cache
def _field(delimiter: str, quote: str) -> re.Pattern[str]:
    d, q = re.escape(delimiter), re.escape(quote)
    return re.compile(rf"(?:{q}((?:[^{q}]|{q}{q})*+){q}|([^{q}{d}]*+))({d}|\Z)")
