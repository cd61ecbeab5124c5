"""Condition: what a person types to say whose records are meant.

Belongs here: reading `column = value` and `column in (a, b)`. Does not belong here: anything that knows data; nothing
of the text is ever evaluated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import UsageError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORM = re.compile(r"\s*([A-Za-z]\w*)\s*(==?|\bin\b)\s*(.*?)\s*", re.IGNORECASE | re.DOTALL)
#: A text in quotes, in which the quote stands doubled, or whatever stands before the next comma.
_VALUE = re.compile(r"""\s*(?:'((?:[^']|'')*)'|"((?:[^"]|"")*)"|([^'",()][^,]*?))\s*(?:,|$)""")
_EXPECTED = "column = 'value' or column in ('value', 'value')"


@dataclass(frozen=True)
class Condition:
    """A column, and the values of it that are meant."""

    column: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Reads a condition. A single value without quotes goes to the end of the text.

        Raises:
            UsageError: the text has another form; its values are not repeated in the message.

        Example:
            >>> Condition.parse("email = 'ada@home.example'")
            Condition(column='email', values=('ada@home.example',))
            >>> Condition.parse("id in (7, '8')").values
            ('7', '8')
        """
        found = _FORM.fullmatch(text)
        if not found:
            raise UsageError("the condition has no column that equals something", expected=_EXPECTED)
        column, operator, rest = found.groups()
        if operator.lower() == "in":
            if not (rest.startswith("(") and rest.endswith(")")):
                raise UsageError("the values are not in parentheses", expected=_EXPECTED, where=shown(column))
            values = tuple(_values(rest[1:-1], column))
        else:
            quoted = rest[:1] in ("'", '"')
            values = tuple(_values(rest, column)) if quoted else (rest,)
        if not values or not all(value.strip() for value in values):
            raise UsageError("a value is empty", expected=_EXPECTED, where=shown(column))
        if operator.lower() != "in" and len(values) > 1:
            raise UsageError("there are several values", expected=_EXPECTED, where=shown(column))
        return cls(column, values)


def _values(text: str, column: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _VALUE.match(text, at)
        if not found:
            raise UsageError("a value can't be read", expected=_EXPECTED, where=shown(column))
        single, double, bare = found.groups()
        if single is not None:
            yield single.replace("''", "'")
        else:
            yield double.replace('""', '"') if double is not None else bare
        at = found.end()
