r"""JSON patterns: regular expressions for objects of known keys.

Belongs here: the grammar of JSON as far as it is regular, and how great a pattern may be. Does not belong here:
matching (plain_json).

The pattern of an object is a loop over its members, each with a group for its value. The keys are written as a tree, so
that at each byte there is one way to go on: such a pattern is matched, groups and all, in one pass by a table. The
regex engine makes that table only if it stays below a megabyte and has no more than 16 groups; greater patterns are
matched up to seven times more slowly, and then little is gained by them.

The loop takes keys in any order, absent ones and repeated ones; who uses it finds a repeated one by counting bytes.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_MOST_KEYS = 16
#: Levels of nesting that a pattern can follow.
_NESTED_LEVELS = 3
#: What fits into the table: measured, with some room to spare. Its rows are twice as wide for keys beyond ASCII.
_MOST_STATES, _MOST_WIDE_STATES = 1_000, 500
_STATES_OF_SCALAR, _STATES_OF_NESTED = 50, 100

#: Bytes of UTF-8 within a character are between these.
_CONTINUES, _BEGINS = 0x80, 0xC0

_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_HEX = "[0-9a-fA-F]"
#: An escape that stands for a character: half a surrogate pair does not.
_ESCAPE = (
    rf'\\(?:["\\/bfnrt]|u(?:[0-9a-cefA-CEF]{_HEX}{{3}}'
    rf"|[dD](?:[0-7]{_HEX}{{2}}|[89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}})))"
)
_STRING = rf'"(?:[^"\\\x00-\x1f]|{_ESCAPE})*"'
_SCALAR = rf"{_STRING}|{_NUMBER}|true|false|null"


@dataclass(frozen=True)
class Style:
    """How a program writes objects.

    Attributes:
        colon: what stands between a key and its value.
        comma: what stands between members.
        ascii_only: whether keys are written with an escape for each character beyond ASCII.
    """

    colon: str
    comma: str
    ascii_only: bool

    def key(self, name: str) -> str:
        """A key as it is written, without the quote before it."""
        return json.dumps(name, ensure_ascii=self.ascii_only)[1:]


#: The two ways in which programs write JSON on a line: compact, and with a blank behind each colon and comma.
STYLES = tuple(
    Style(colon, comma, ascii_only)
    for (colon, comma), ascii_only in itertools.product(((":", ","), (": ", ", ")), (False, True))
)


def styles_of(keys: Sequence[str], nested: Collection[str]) -> list[Style]:
    """The styles in which objects of these keys can differ, as far as their pattern is matched fast.

    Args:
        keys: of the objects.
        nested: those of them whose values may be arrays and objects.
    """
    either = all(key.isascii() for key in keys)
    return [style for style in STYLES if not (either and style.ascii_only) and _is_fast(keys, nested, style)]


def _is_fast(keys: Sequence[str], nested: Collection[str], style: Style) -> bool:
    written = [style.key(key).encode() for key in keys]
    states = sum(map(len, written)) + _STATES_OF_SCALAR * len(keys) + _STATES_OF_NESTED * len(nested)
    most = _MOST_STATES if all(key.isascii() for key in written) else _MOST_WIDE_STATES
    return 0 < len(keys) <= _MOST_KEYS and states <= most and not _parts_within_character(written)


def _parts_within_character(written: Sequence[bytes]) -> bool:
    """Whether two keys begin to differ behind the first byte of a character: the tree of keys can't part there."""
    neighbours = itertools.pairwise(sorted(written))
    return any(_CONTINUES <= one[_common(one, other)] < _BEGINS for one, other in neighbours)


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """How many of their first items are equal."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def object_pattern(keys: Sequence[str], nested: Collection[str], style: Style) -> str:
    r"""The pattern of an object of these keys, with a group for each value.

    It also matches where keys are repeated, and objects that end in a comma and a quote instead of a brace; both make
    the text longer than its members. Nested values are matched loosely: `NESTED` tells which of them are JSON.

    Args:
        keys: at least one.
        nested: those of them whose values may be arrays and objects.
        style: how it is written.

    Example:
        >>> pattern = object_pattern(["id", "text"], [], Style(":", ",", False))
        >>> pl.Series(['{"text":"a","id":7}']).str.extract_groups(pattern).struct.unnest().row(0)
        ('7', '"a"')
    """
    tails = {key: f"{style.colon}({_SCALAR}{f'|{_LOOSE}' if key in nested else ''})" for key in keys}
    # Groups are numbered in the order of the pattern, so they are named.
    named = {key: tail.replace("(", f"(?P<g{number}>", 1) for number, (key, tail) in enumerate(tails.items())}
    members = _tree([(style.key(key), tail) for key, tail in named.items()])
    return rf'^\{{"(?:{members}(?:{style.comma}"|\}}$))+$'


def _tree(branches: list[tuple[str, str]]) -> str:
    """Alternatives that share their common beginnings: what each begins with, and the pattern behind that."""
    if len(branches) == 1:
        ((literal, tail),) = branches
        return pl.escape_regex(literal) + tail
    branches = sorted(branches)
    first, last = branches[0][0], branches[-1][0]
    common = _common(first, last)
    rests = [(literal[common:], tail) for literal, tail in branches]
    grouped = itertools.groupby(rests, key=lambda rest: rest[0][:1])
    return f"{pl.escape_regex(first[:common])}(?:{'|'.join(_tree(list(group)) for _, group in grouped)})"


def _loose(levels: int) -> str:
    """Brackets that close, around strings and anything else."""
    inner = rf'[^"\[\]{{}}\x00-\x1f]|{_STRING}'
    deeper = f"|{_loose(levels - 1)}" if levels > 1 else ""
    return rf"[\[{{](?:{inner}{deeper})*[\]}}]"


def _strict(levels: int) -> str:
    """An array or an object, with blanks between its parts."""
    value = rf"(?:{_SCALAR}{f'|{_strict(levels - 1)}' if levels > 1 else ''}) *"
    member = rf"{_STRING} *: *{value}"
    return rf"\[ *(?:{value}(?:, *{value})*)?\]|\{{ *(?:{member}(?:, *{member})*)?\}}"


_LOOSE = _loose(_NESTED_LEVELS)
#: A nested value as a whole text: JSON of the levels that an object's pattern can follow.
NESTED = f"^(?:{_strict(_NESTED_LEVELS)})$"
