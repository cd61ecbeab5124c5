"""Exact JSON: one object at a time, parsed so that nothing is changed.

Belongs here: the verdict on a line, and writing its values as text: numbers keep their digits (`1.10`, `1e400`), true
and false are `true` and `false`, nested values are compact JSON. Does not belong here: lines by the thousand
(plain_json), or what becomes of keys (keys).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from schemas.errors import shown
from tasks.ingest.rejects import RejectRule

#: Levels of nesting. Python's own limit depends on how deep the caller stands, and so would the verdict.
_MOST_LEVELS = 100
_TOO_DEEP = f"not JSON, or nested more than {_MOST_LEVELS} levels deep"
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
WHITE_SPACE = b" \t\r\n"


class _Number(str):
    """The digits of a JSON number, told apart from a string."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """Keys and values of a JSON object as they stand, repeated keys too."""


@dataclass(frozen=True)
class Refusal:
    """Why a line is no record: the rule, and the same in words."""

    rule: RejectRule
    reason: str


class _RefusedError(Exception):
    """A refusal on its way out of the parser."""

    def __init__(self, rule: RejectRule, reason: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(rule, reason)


def parse_object(record: bytes) -> Members | Refusal:
    r"""The members of the object that a line holds, or why it holds none.

    Example:
        >>> parse_object(b'{"a": 1.10, "a": [true]}\n')
        [('a', '1.10'), ('a', [True])]
        >>> parse_object(b"[1]").reason
        'JSON, but an array and not an object'
    """
    try:
        return _members(record)
    except _RefusedError as refused:
        return refused.refusal


def _members(record: bytes) -> Members:
    content = record.strip(WHITE_SPACE)
    if not content:
        raise _RefusedError(RejectRule.BLANK_LINE, "a line with nothing in it")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise _RefusedError(RejectRule.NOT_UTF8, "not UTF-8 text") from None
    maybe_deep = text.count("[") + text.count("{") > _MOST_LEVELS
    value = _parse_json(text, maybe_deep=maybe_deep)
    if maybe_deep or _SURROGATE_ESCAPE.search(text):
        _refuse_unwritable(value)
    if type(value) is not Members:
        raise _RefusedError(RejectRule.NOT_AN_OBJECT, f"JSON, but {_kind(value)} and not an object")
    return value


def _parse_json(text: str, *, maybe_deep: bool) -> Any:  # noqa: ANN401  # JSON is whatever stands there
    try:
        value, end = _DECODER.raw_decode(text)
    except RecursionError:
        reason = _TOO_DEEP
    except json.JSONDecodeError as error:
        # Which of the two is raised for deep text depends on the caller's stack; the reason must not. The decoder's
        # words may quote the text.
        found = f"not JSON: {ascii(error.msg)[1:-1]} at character {error.pos + 1:,}"
        reason = _TOO_DEEP if maybe_deep else found
    else:
        if end == len(text):
            return value
        reason = _TOO_DEEP if maybe_deep else f"not JSON: text behind the value at character {end + 1:,}"
    raise _RefusedError(RejectRule.NOT_JSON, reason)


def _refuse_unwritable(value: Any) -> None:  # noqa: ANN401  # JSON is whatever stands there
    try:
        cell_text(value).encode()
    except UnicodeEncodeError:
        reason = "an escape in a string or a key stands for half a character (a lone surrogate)"
        raise _RefusedError(RejectRule.LONE_SURROGATE, reason) from None


def cell_text(value: Any) -> str:  # noqa: ANN401  # JSON is whatever stands there
    """A value of a parsed object as a cell: a string as it is, everything else as compact JSON."""
    return str(value) if isinstance(value, str) else _json(value, 1)


def compact(text: str) -> str:
    r"""A JSON value that is no string, and not nested too deep, written compactly.

    Example:
        >>> compact(r'{ "a": [1.10, "\u00e9"] }')
        '{"a":[1.10,"é"]}'
    """
    return cell_text(_parse_json(text, maybe_deep=False))


def _json(value: Any, level: int) -> str:  # noqa: ANN401  # JSON is whatever stands there
    if level > _MOST_LEVELS:
        raise _RefusedError(RejectRule.NOT_JSON, _TOO_DEEP)
    if type(value) is _Number:
        return str(value)
    if type(value) is Members:
        return "{" + ",".join(f"{_json(name, level)}:{_json(item, level + 1)}" for name, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_json(item, level + 1) for item in value) + "]"
    return _ENCODER.encode(value)


def _kind(value: Any) -> str:  # noqa: ANN401  # JSON is whatever stands there
    names = {_Number: "a number", str: "a string", bool: "true or false", list: "an array"}
    return names.get(type(value), "null")


def _refuse_constant(name: str) -> NoReturn:
    raise _RefusedError(RejectRule.NOT_JSON, f"not JSON: {shown(name)} is no number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant
)
#: Made once: `json.dumps` makes one for each call that asks for anything but ASCII.
_ENCODER = json.JSONEncoder(ensure_ascii=False)
