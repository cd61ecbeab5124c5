"""JSON lines are read on two routes, and nobody can tell which: cells, flags, rejects, reasons and drift are the same.

One route matches patterns a column at a time, the other parses line by line. Both are forced here by the number of
lines from which a pattern is worth while.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import HeaderError
from schemas.policies import Drift, Source
from schemas.records import DriftFinding
from tasks.ingest import plain_json
from tasks.ingest.blocks import REJECT_SCHEMA, record_schema
from tasks.ingest.reader import RecordReader

CORPUS = Path(__file__).parents[2] / "../shared/corpora/jsontestsuite/test_parsing"
COLUMNS = ["id", "text", "tags"]
Outcome = tuple[pl.DataFrame, pl.DataFrame, tuple[DriftFinding, ...]] | str


def read(data: bytes, *, patterns: bool, block_size: int = 1 << 20, drift: Drift | None = None) -> Outcome:
    """What a file comes to, or the error that stops it."""
    source = Source("{partition}", drift=drift or Drift())
    reader = RecordReader(io.BytesIO(data), path="a.jsonl", source=source, columns=COLUMNS, block_size=block_size)
    fewest, share = (1, 0) if patterns else (sys.maxsize, 1)
    with mock.patch.object(plain_json, "FEWEST_LINES", fewest), mock.patch.object(plain_json, "_LEAST_SHARE", share):
        try:
            blocks = list(reader)
        except HeaderError as error:
            return str(error)
    records = pl.concat([pl.DataFrame(schema=record_schema(COLUMNS)), *(block.records for block in blocks)])
    rejects = pl.concat([pl.DataFrame(schema=REJECT_SCHEMA), *(block.rejects for block in blocks)])
    return records, rejects, reader.report.drift


def assert_same(data: bytes, *, block_size: int = 1 << 20, drift: Drift | None = None) -> None:
    expected, found = (
        read(data, patterns=False, drift=drift),
        read(data, patterns=True, block_size=block_size, drift=drift),
    )
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return
    assert found[0].to_dicts() == expected[0].to_dicts()
    assert found[1].to_dicts() == expected[1].to_dicts()
    assert found[2] == expected[2]


# --- lines as programs write them, and as nobody should ---------------------------------------------------------------

NUMBERS = st.sampled_from(["0", "-0", "1.10", "1e400", "-2E+5", "7" * 30]) | st.integers().map(str)
ODD = ["01", "1.", ".5", "+1", "-", "1e", "NaN", "Infinity", "True", "nil", "٣", "0x1", "", "[1,]", '{"a"}', "[1 2]"]
PIECES = [
    r"\n", r"\"", r"\\", r"\/", r"\u00e9", r"\u0000", r"\ud83d\ude00", r"\ud800", r"\udc00", r"\ud800\u0041", r"\x",
    r"\u12", "\\", "\t", "\x7f", "é", "\U0001f600", "\u2028", '", "', ": ", "}", "]", ","
]  # fmt: skip
STRINGS = st.lists(
    st.sampled_from(PIECES) | st.text(max_size=3).map(lambda text: json.dumps(text)[1:-1]), max_size=4
).map(lambda parts: f'"{"".join(parts)}"')
SCALARS = NUMBERS | STRINGS | st.sampled_from(["true", "false", "null", '"null"', '""'])
BLANKS = st.sampled_from(["", "", " ", "\t"])


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Arrays and objects of some values, and what only looks like one."""
    commas = st.sampled_from([",", ", "])
    arrays = st.builds(lambda comma, items: f"[{comma.join(items)}]", commas, st.lists(inner, max_size=3))
    members = st.builds(lambda key, blank, value: f"{key}:{blank}{value}", STRINGS, BLANKS, inner)
    objects = st.builds(lambda comma, items: f"{{{comma.join(items)}}}", commas, st.lists(members, max_size=3))
    return arrays | objects | st.builds(lambda item, blank: f"[{item}{blank},]", inner, BLANKS)


VALUES = st.recursive(SCALARS, nested, max_leaves=5) | st.sampled_from(ODD)
DECLARED = ['"id"', '"text"', '"tags"']
UNDECLARED = ['"*"', '"^.*$"', '"g0"', '"i"', '"é"', r'"\u00e9"', r'"i\"d"', '""']
KEYS = st.sampled_from([*DECLARED * 3, '"label"', *UNDECLARED])
SEPARATORS = st.sampled_from([(":", ",")] * 4 + [(": ", ", ")] * 4 + [(": ", ","), (" :", " ,"), (":", ", ")])
ENDS = st.sampled_from([*["}"] * 12, "} ", "}}", "", '","', ',"', "},", "}\r", '}"id":1}'])


@st.composite
def objects(draw: st.DrawFn) -> str:
    """An object, more or less."""
    colon, comma = draw(SEPARATORS)
    members = draw(st.lists(st.tuples(KEYS, VALUES), max_size=5))
    return "{" + comma.join(f"{key}{colon}{value}" for key, value in members) + draw(ENDS)


@st.composite
def with_one_oddity(draw: st.DrawFn) -> str:
    """A plain object, but perhaps for its values."""
    colon, comma = draw(st.sampled_from([(":", ","), (": ", ", ")]))
    keys = draw(st.lists(st.sampled_from(DECLARED), min_size=1, max_size=3, unique=True))
    members = [f"{key}{colon}{draw(SCALARS)}" for key in keys]
    place = draw(st.integers(0, len(members) - 1))
    members[place] = f"{keys[place]}{colon}{draw(VALUES)}"
    return f"{{{comma.join(members)}}}"


@st.composite
def written(draw: st.DrawFn) -> str:
    """A line as a program writes it."""
    keys = draw(st.permutations(["id", "text", "tags", "extra"]))[: draw(st.integers(1, 4))]
    values = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.text(max_size=3), max_size=3)
    compact = draw(st.booleans())
    record = {key: draw(values) for key in keys}
    return json.dumps(record, ensure_ascii=draw(st.booleans()), separators=(",", ":") if compact else None)


NO_OBJECTS = st.sampled_from(["", "[1]", "7", "null", "nonsense", '\ufeff{"id":1}'])
LINES = st.lists(with_one_oddity() | written() | objects() | NO_OBJECTS, max_size=12)
DRIFTS = st.sampled_from(
    [
        Drift(),
        Drift(extra="ignore", missing="quarantine", renamed={"label": "text", "*": "id"}),
        Drift(extra="fail"),
        Drift(missing="fail", extra="ignore"),
    ]
)
BLOCK_SIZES = st.sampled_from([20, 200, 1 << 20])


@given(lines=LINES, line_end=st.sampled_from(["\n", "\r\n"]), block_size=BLOCK_SIZES, drift=DRIFTS)
def test_both_routes_read_any_lines_alike(lines: list[str], line_end: str, block_size: int, drift: Drift) -> None:
    data = line_end.join(lines).encode("utf-8", "surrogatepass")
    assert_same(data, block_size=block_size, drift=drift)


@pytest.mark.parametrize("odd", [*ODD, *(f'"{piece}"' for piece in PIECES)], ids=ascii)
def test_both_routes_read_an_odd_value_alike(odd: str) -> None:
    values = [odd, f"[{odd}]", f'[{{"a": {odd}}}]', f'{{"a":1,{odd}:1}}', f'[["a b", {odd} ]]', f"[[[[{odd}]]]]"]
    plain = ['{"id":1,"tags":[]}', '{"id": 1, "tags": [], "x": {}}']
    for line in plain:
        lines = [line, *(line.replace(old, value) for value in values for old in ("1", "[]", "{}"))]
        assert_same("\n".join(lines * 2).encode())


@pytest.mark.parametrize("drift", [Drift(), Drift(extra="ignore", renamed={"*": "text", "label": "text"})])
def test_both_routes_tell_the_same_drift(drift: Drift) -> None:
    """Sets of keys that come in one after another, the last ones with undeclared keys in an order of their own."""
    records = [{"id": 1, "text": "a", "tags": []}, {"id": 1, "label": "b", "tags": None}, {"*": "c", "label": "d"}]
    records += [{"id": 1, **{f"{name}": 2 for name in names}} for names in ("yx", "xyz", "zyxw", "efghijklmn")]
    lines = [json.dumps(record) for record in records for _ in range(3)]
    assert_same("\n".join([*lines, *reversed(lines)]).encode(), drift=drift)


PLAIN = b"".join(b'{"id":%d,"text":"a \\u00e9 b","tags":["x", {"y": -1.5e3}],"z":null}\n' % n for n in range(6))


@given(data=st.data(), block_size=BLOCK_SIZES)
def test_both_routes_read_damaged_lines_alike(data: st.DataObject, block_size: int) -> None:
    damaged = bytearray(PLAIN)
    for _ in range(data.draw(st.integers(1, 4), label="how often")):
        place = data.draw(st.integers(0, len(damaged) - 1), label="place")
        instead = st.sampled_from(
            [b"", b'"', b",", b"\\", b"{", b"}", b"[", b"]", b":", b" ", b"\n", b"\xff", b"\xc3", b"0"]
        )
        damaged[place : place + data.draw(st.integers(0, 2), label="length")] = data.draw(instead, label="instead")
    assert_same(bytes(damaged), block_size=block_size)


def corpus() -> list[object]:
    absent = pytest.param(Path(), id="absent", marks=pytest.mark.skip("the corpus jsontestsuite is not at hand"))
    return [pytest.param(path, id=path.name) for path in sorted(CORPUS.glob("*.json"))] or [absent]


@pytest.mark.parametrize("path", corpus())
def test_both_routes_read_the_corpus_alike(path: Path) -> None:
    text = path.read_bytes()
    within = [b'{"id":' + text + b"}\n", b'{"text":' + text.strip() + b',"id":[' + text + b"]}\n"]
    assert_same(PLAIN + text + b"\n" + b"".join(within) + PLAIN)
