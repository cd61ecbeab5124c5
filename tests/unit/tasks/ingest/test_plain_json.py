import json

import polars as pl
import pytest

from tasks.ingest.plain_json import FEWEST_LINES, PlainLines, PlainReader


def read(lines: list[str], *columns: str) -> PlainLines:
    """Reads lines amid plain ones, so many that a pattern is worth while; of the result, the part about the lines."""
    amid = [*lines, *[json.dumps(dict.fromkeys(columns, 1))] * 2 * FEWEST_LINES]
    found = PlainReader(columns).read(pl.Series(amid))
    count = sum(which < len(lines) for which in found.which.tolist())
    assert len(found.which) - count == 2 * FEWEST_LINES
    return PlainLines(found.which[:count], found.cells[:count], found.keys[:count], found.known)


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('{"a":"x","b":1.10}', ("x", "1.10")),
        ('{"a": "x", "b": 1e400}', ("x", "1e400")),
        ('\t{"b": true, "a": null} \r\n', (None, "true")),
        ('{"b":"null"}', (None, "null")),
        (r'{"a":"\"quoted\"","b":"\u00e9\ud83d\ude00\/"}', ('"quoted"', "é\U0001f600/")),
        ('{"a": [1, {"b": ["x, y", null]}], "b": {}}', ('[1,{"b":["x, y",null]}]', "{}")),
    ],
)
def test_a_plain_line_is_read(line: str, cells: tuple[str | None, str | None]) -> None:
    found = read([line] * FEWEST_LINES, "a", "b")
    assert found.which.tolist() == list(range(FEWEST_LINES))
    assert set(found.cells.rows()) == {cells}


@pytest.mark.parametrize(
    "line",
    [
        '{"a":1,"a":2}', '{"a":1,"b":1,"a":1}', '{"a": 1, "a":1}', '{"a":1,', '{"a":1,"', ',"a":1}', "{}", "", "5",
        "nonsense", '{"a":1}}', '{"a":1{"b":2}', '{"a":1}"b":2}', '{"a":1,"b":2,}', '{"a" : 1}', '{"a":01}',
        '{"a":"\t"}', r'{"a":"\ud800"}', r'{"\u0061":1}', '{"a":[[[[1]]]]}', '{"a":[1 2]}', '{"a":[1}}', '{"a":True}',
        '\ufeff{"a":1}',
    ],
)  # fmt: skip
def test_a_doubtful_line_is_left_to_others(line: str) -> None:
    assert read([line] * FEWEST_LINES, "a", "b").which.tolist() == []


def test_undeclared_keys_are_learned_whatever_they_look_like() -> None:
    lines = [json.dumps({"a": 1, "*": "x", "^.*$": [2], "é": 3, 'i"d': 4}, ensure_ascii=n % 2 == 0) for n in range(99)]
    found = read(lines, "a", "b")
    assert len(found.which) == len(lines)
    assert found.known == ("a", "b", "*", "^.*$", "é", 'i"d')
    assert set(found.cells.rows()) == {("1", None, "x", "[2]", "3", "4")}
    assert set(found.keys.tolist()) == {0b111101}


def test_what_lines_look_like_is_remembered() -> None:
    reader = PlainReader(["a"])
    first = reader.read(pl.Series(['{"a":[1],"x":2}'] * FEWEST_LINES))
    assert len(first.which) == FEWEST_LINES
    second = reader.read(pl.Series(['{"a": 1}', '{"x":2}'] * FEWEST_LINES))
    assert second.cells.rows()[:2] == [("1", None), (None, "2")]


def test_few_or_long_lines_and_many_keys_are_left_to_others() -> None:
    line = '{"a":1}'
    assert len(PlainReader(["a"]).read(pl.Series([json.dumps({"a": "x" * 10_000})] * FEWEST_LINES)).which) == 0
    assert len(PlainReader(["a"]).read(pl.Series([line] * (FEWEST_LINES - 1))).which) == 0
    assert len(PlainReader(["a", *map(str, range(16))]).read(pl.Series([line] * FEWEST_LINES)).which) == 0
    assert len(PlainReader([]).read(pl.Series([line] * FEWEST_LINES)).which) == 0


def test_hostile_keys_leave_room_for_the_declared_ones() -> None:
    lines = [json.dumps({"a": n, f"x{n}" * 40: 1}) for n in range(FEWEST_LINES)]
    found = read(lines, "a", "b")
    assert len(found.known) < 10


def test_where_few_lines_are_plain_none_is_read() -> None:
    lines = ['{"a":1}', *["nonsense"] * 20] * FEWEST_LINES
    assert len(PlainReader(["a"]).read(pl.Series(lines)).which) == 0
