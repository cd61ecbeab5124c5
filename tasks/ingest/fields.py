"""Fields: one delimited record taken apart, exactly and slowly.

Belongs here: the grammar of a record for one record at a time; for headers, for blocks that the fast parser would
alter, and as what tests compare with. Does not belong here: finding records (splitter).
"""

from __future__ import annotations

import functools
import re


def content_of(record: bytes) -> bytes:
    r"""A record without its line end, LF or CRLF.

    Example:
        >>> content_of(b"a,b\r\n"), content_of(b"a,b\r")
        (b'a,b', b'a,b\r')
    """
    if not record.endswith(b"\n"):
        return record
    return record[:-2] if record.endswith(b"\r\n") else record[:-1]


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
