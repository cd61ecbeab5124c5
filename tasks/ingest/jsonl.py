"""JSON lines: one JSON object a line into cells of text.

Belongs here: parsing a line, and writing its values as text that changes nothing: numbers keep their digits
(`1.10`, `1e400`), true and false are `true` and `false`, nested values are compact JSON, null and an absent key are
null. Does not belong here: where lines end (splitter), or what an undeclared key means (tasks/validate).
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import polars as pl

from schemas.errors import shown
from schemas.records import FLAGS
from tasks.ingest.blocks import Block, FileFacts, RecordFlag
from tasks.ingest.header import LISTED_NAMES, listed
from tasks.ingest.regions import regions
from tasks.ingest.rejects import RejectRule, reject_frame, text_reason
from tasks.ingest.splitter import Splitter
from tasks.ingest.streams import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tasks.ingest.blocks import ReadRequest
    from tasks.ingest.regions import Region
    from tasks.ingest.streams import TextStream

#: Parsed JSON takes about ten times its text as Python objects.
_MOST_BLOCK = 4 << 20
#: Levels of nesting. Python's own limit depends on how deep the caller stands, and so would the verdict.
_MOST_LEVELS = 100
_TOO_DEEP = f"not JSON, or nested more than {_MOST_LEVELS} levels deep"
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_WHITE_SPACE = b" \t\r\n"
_KINDS_AS_THEY_ARE = frozenset({str, type(None)})
#: As plain numbers: arithmetic on enumerations takes longer than parsing a short line.
_DUPLICATE, _EXTRA = RecordFlag.DUPLICATE_KEY.value, RecordFlag.EXTRA_KEY.value


class _Number(str):
    """The digits of a JSON number, told apart from a string."""

    __slots__ = ()


class _Members(list[tuple[str, Any]]):
    """Keys and values of a JSON object as they stand, repeated keys too."""


class _RefusedError(Exception):
    """A line is no record, with the rule and the reason."""

    def __init__(self, rule: RejectRule, reason: str) -> None:
        super().__init__(reason)
        self.rule, self.reason = rule, reason


def read_jsonl(text: TextStream, request: ReadRequest) -> Generator[Block, None, FileFacts]:
    """Reads a JSONL file."""
    mark = text.skip(BYTE_ORDER_MARK)
    splitter = Splitter(None, None, request.max_record_bytes)
    lines = _Lines(request, text)
    for region in regions(text, splitter, block_size=min(request.block_size, _MOST_BLOCK)):
        yield lines.block(region)
    empty = ("empty file",) if text.size == mark and not text.broken else ()
    return FileFacts(header_size=mark, notes=(*empty, *lines.notes))


class _Lines:
    """Parses lines, and remembers the undeclared keys that it left out."""

    def __init__(self, request: ReadRequest, text: TextStream) -> None:
        self._request, self._text = request, text
        self._columns = request.columns
        self._declared = frozenset(request.columns)
        self._ignores = request.dialect.extra_columns == "ignore"
        self._left_out: dict[str, None] = {}
        self._values_left_out = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the keys that were left out."""
        if not self._values_left_out:
            return ()
        return (f"{self._values_left_out:,} values of undeclared keys left out: {listed(list(self._left_out))}",)

    def block(self, region: Region) -> Block:
        """The records of a region, parsed or rejected."""
        rows: list[list[str | None]] = []
        flags: list[int] = []
        rules: list[str] = []
        reasons: list[str] = []
        good = np.ones(region.records, np.bool_)
        for number, (record, verdict) in enumerate(_records(region)):
            try:
                if verdict:
                    self._refuse_cut(verdict)
                row, flag = self._parse(record)
            except _RefusedError as refused:
                good[number] = False
                rules.append(refused.rule)
                reasons.append(refused.reason)
            else:
                rows.append(row)
                flags.append(flag)
        cells = zip(*rows, strict=True) if rows else [()] * len(self._columns)
        texts = [pl.Series(name, cell, dtype=pl.String) for name, cell in zip(self._columns, cells, strict=True)]
        records = region.places(good).with_columns(pl.Series(FLAGS, flags, dtype=pl.UInt8), *texts)
        return Block(records, reject_frame(region.places(~good), rules, reasons))

    def _refuse_cut(self, verdict: int) -> NoReturn:
        rule, longest = RejectRule.of_code(verdict), self._request.max_record_bytes
        reason = text_reason(fields=0, max_record_bytes=longest, broken=self._text.broken)
        raise _RefusedError(rule, reason(rule, 0))

    def _parse(self, record: bytes) -> tuple[list[str | None], int]:
        members = _parse_object(record)
        values = dict(members)
        flags = _DUPLICATE if len(values) < len(members) else 0
        if not values.keys() <= self._declared:
            flags |= self._meet_extra(values)
        cells: list[Any] = [*map(values.get, self._columns)]
        if not _KINDS_AS_THEY_ARE.issuperset(map(type, cells)):
            cells = [None if cell is None else _text(cell) for cell in cells]
        return cells, flags

    def _meet_extra(self, values: dict[str, Any]) -> int:
        if not self._ignores:
            return _EXTRA
        extra = [name for name in values if name not in self._declared]
        self._values_left_out += len(extra)
        for name in extra:
            if len(self._left_out) <= LISTED_NAMES:
                self._left_out.setdefault(name)
        return 0


def _records(region: Region) -> Iterator[tuple[bytes, int]]:
    pairs = itertools.pairwise(region.cut.bounds.tolist())
    verdicts = region.cut.verdicts.tolist()
    return ((region.data[start:stop], verdict) for (start, stop), verdict in zip(pairs, verdicts, strict=True))


def _parse_object(record: bytes) -> _Members:
    content = record.strip(_WHITE_SPACE)
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
    if type(value) is not _Members:
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
        _text(value).encode()
    except UnicodeEncodeError:
        reason = "an escape in a string or a key stands for half a character (a lone surrogate)"
        raise _RefusedError(RejectRule.LONE_SURROGATE, reason) from None


def _text(value: Any, level: int = 1) -> str:  # noqa: ANN401  # JSON is whatever stands there
    """A value as a cell: a string as it is, everything else as compact JSON."""
    return str(value) if level == 1 and isinstance(value, str) else _json(value, level)


def _json(value: Any, level: int) -> str:  # noqa: ANN401  # JSON is whatever stands there
    if level > _MOST_LEVELS:
        raise _RefusedError(RejectRule.NOT_JSON, _TOO_DEEP)
    if type(value) is _Number:
        return str(value)
    if type(value) is _Members:
        return "{" + ",".join(f"{_json(name, level)}:{_json(item, level + 1)}" for name, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_json(item, level + 1) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:  # noqa: ANN401  # JSON is whatever stands there
    names = {_Number: "a number", str: "a string", bool: "true or false", list: "an array"}
    return names.get(type(value), "null")


def _refuse_constant(name: str) -> NoReturn:
    raise _RefusedError(RejectRule.NOT_JSON, f"not JSON: {shown(name)} is no number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Members, parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant
)
