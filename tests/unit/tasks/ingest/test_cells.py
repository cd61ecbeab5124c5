import datetime as dt
import decimal
import math

import polars as pl
import pyarrow as pa
import pytest

from tasks.ingest.cells import base64_texts, cell_texts, json_texts

DAY = 86_400


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        pytest.param(pa.array(["a", "", None, "é\n"]), ["a", "", None, "é\n"], id="string"),
        pytest.param(pa.array(["a"], pa.large_string()), ["a"], id="large string"),
        pytest.param(pa.array(["a long enough one"], pa.string_view()), ["a long enough one"], id="string view"),
        pytest.param(
            pa.array([2**63 - 1, -(2**63), None]), ["9223372036854775807", "-9223372036854775808", None], id="int"
        ),
        pytest.param(pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"], id="uint"),
        pytest.param(pa.array([True, False, None]), ["true", "false", None], id="bool"),
        pytest.param(pa.array([decimal.Decimal("1.10"), None], pa.decimal128(5, 2)), ["1.10", None], id="decimal"),
        pytest.param(pa.array([decimal.Decimal("-1")], pa.decimal256(70, 1)), ["-1.0"], id="wide decimal"),
        pytest.param(pa.array([dt.date(2026, 11, 1)]), ["2026-11-01"], id="date"),
        pytest.param(pa.array([DAY * 1_000], pa.date64()), ["1970-01-02"], id="date in milliseconds"),
        pytest.param(pa.array([1], pa.time32("ms")), ["00:00:00.001"], id="time"),
        pytest.param(pa.array([1, None], pa.timestamp("us")), ["1970-01-01T00:00:00.000001", None], id="timestamp"),
        pytest.param(pa.array([1], pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001"], id="nanoseconds"),
        pytest.param(pa.array([0], pa.timestamp("s", "Europe/Berlin")), ["1970-01-01T00:00:00+00:00"], id="an instant"),
        pytest.param(pa.array([0], pa.timestamp("s", "No/Where")), ["1970-01-01T00:00:00+00:00"], id="an unknown zone"),
        pytest.param(pa.array([5], pa.duration("ms")), ["5"], id="duration"),
        pytest.param(pa.array([None, None]), [None, None], id="null"),
        pytest.param(pa.array(["a", "b", "a", None]).dictionary_encode(), ["a", "b", "a", None], id="dictionary"),
        pytest.param(pa.array([b"text", b"\xff\0", None]), ["text", "base64:/wA=", None], id="binary"),
        pytest.param(pa.array([b"ab"], pa.binary(2)), ["ab"], id="fixed size binary"),
        pytest.param(
            pa.array([bytes(range(16)), None], pa.uuid()), ["00010203-0405-0607-0809-0a0b0c0d0e0f", None], id="uuid"
        ),
    ],
)
def test_each_type_has_its_text(array: pa.Array, texts: list[str | None]) -> None:
    found = cell_texts(array)
    assert found.dtype == pl.String
    assert found.to_list() == texts


@pytest.mark.parametrize("width", [pa.float64(), pa.float32(), pa.float16()])
def test_floats_read_back_as_the_same_float(width: pa.DataType) -> None:
    values = [0.1, -0.0, 1.5, 65504.0, 2.0**-24, 1 / 3, math.inf, -math.inf, math.nan]
    array = pa.array(values, pa.float64()).cast(width)
    back = pa.array([float(text) for text in cell_texts(array).to_list()]).cast(width)
    assert [repr(value) for value in back.to_pylist()] == [repr(value) for value in array.to_pylist()]


def test_not_a_number_is_no_null() -> None:
    assert cell_texts(pa.array([math.nan, None, math.inf])).to_list() == ["NaN", None, "inf"]


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([2**62], pa.timestamp("s")), str(2**62)),
        (pa.array([-(2**62)], pa.timestamp("ms", "UTC")), str(-(2**62))),
        (pa.array([2**31 - 1], pa.date32()), str(2**31 - 1)),
        (pa.array([-1], pa.time64("us")), "-1"),
    ],
)
def test_what_no_calendar_holds_is_the_stored_integer(array: pa.Array, text: str) -> None:
    assert cell_texts(array).to_list() == [text]


def test_a_string_that_is_not_utf8_is_an_error() -> None:
    buffers = [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")]
    broken = pa.StringArray.from_buffers(2, buffers[1], buffers[2])
    with pytest.raises(UnicodeError):
        cell_texts(broken)
    assert base64_texts(broken) == ["base64:YQ==", "base64:/w=="]


PAIRS = pa.struct([("a", pa.int8()), ("b", pa.list_(pa.bool_()))])
DAYS = pa.list_(pa.struct([("d", pa.date32()), ("x", pa.decimal128(5, 2))]))


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        ([[1, None], [], None], pa.list_(pa.int64()), ["[1,null]", "[]", None]),
        ([[1.5, math.nan]], pa.large_list(pa.float64()), ['[1.5,"NaN"]']),
        ([['é"', "b"]], pa.list_(pa.string(), 2), ['["é\\"","b"]']),
        (
            [{"a": 1, "b": [True]}, {"a": None, "b": None}, None],
            PAIRS,
            ['{"a":1,"b":[true]}', '{"a":null,"b":null}', None],
        ),
        (
            [[("k", 1), ("k", None)], [], None],
            pa.map_(pa.string(), pa.int64()),
            ['[{"key":"k","value":1},{"key":"k","value":null}]', "[]", None],
        ),
        (
            [[{"d": dt.date(2026, 1, 1), "x": decimal.Decimal("1.10")}]],
            DAYS,
            ['[{"d":"2026-01-01","x":1.10}]'],
        ),
        ([[b"\xff", b"a"]], pa.list_(pa.binary()), ['["base64:/w==","a"]']),
    ],
)
def test_nested_values_are_compact_json(values: list[object], kind: pa.DataType, texts: list[str | None]) -> None:
    array = pa.array(values, kind)
    assert cell_texts(array).to_list() == texts
    assert cell_texts(array.slice(1)).to_list() == texts[1:]
    assert json_texts(array) == ["null" if text is None else text for text in texts]


def test_an_empty_column_has_no_text() -> None:
    for kind in (
        pa.string(),
        pa.float64(),
        pa.list_(pa.int8()),
        pa.map_(pa.string(), pa.int8()),
        pa.timestamp("us", "UTC"),
    ):
        assert cell_texts(pa.array([], kind)).to_list() == []
