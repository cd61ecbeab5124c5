"""Cells: the columns of a Parquet file as text.

Belongs here: one text for each value of each Arrow type, from which the value can be had again. Does not belong here:
reading Parquet (columnar), or what a declared column makes of the text (tasks/normalise).

| type | text |
| --- | --- |
| string | itself; not UTF-8 is an error |
| binary | itself if it is UTF-8, else `base64:` and the bytes in base64 |
| integer, decimal, boolean | `-7`, `1.10`, `true` |
| float | the shortest decimal that reads back as the same float: `0.1`, `1e+20`, `NaN`, `inf` |
| date, time | ISO 8601: `2026-11-01`, `23:59:59.5` with the digits of the unit |
| timestamp | ISO 8601 with the digits of the unit; an instant (a zoned one) in UTC with `+00:00` |
| date, time or timestamp out of range | the stored integer |
| duration | the stored integer, in the unit of the column |
| UUID | `6ba7b810-9dad-11d1-80b4-00c04fd430c8` |
| list, struct, map | compact JSON; a map is a list of `{"key":…,"value":…}`; leaves as above, numbers unquoted |
"""

from __future__ import annotations

import base64
import itertools
import json
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable

#: How Arrow writes a date or time that it can't write.
_OUT_OF_RANGE = r"^<value out of range: (-?\d+)>$"
_UUID_PARTS = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))


def cell_texts(array: pa.Array) -> pl.Series:
    """The values of a column as a String column; null where it is null.

    Raises:
        UnicodeError: a string is not UTF-8.
        pyarrow.ArrowException: the column has a type or a value that has no text.

    Example:
        >>> cell_texts(pa.array([1.0, float("nan"), None])).to_list()
        ['1.0', 'NaN', None]
    """
    for is_type, texts in _TEXTS:
        if is_type(array.type):
            return texts(array)
    if pa.types.is_nested(array.type):
        return pl.Series(_without_nulls(array), dtype=pl.String)
    return _as_arrow_casts(array)


def json_texts(array: pa.Array) -> list[str]:
    """The values of a column as compact JSON, `null` among them.

    Raises:
        As `cell_texts`.

    Example:
        >>> json_texts(pa.array([{"a": [1, None], "b": "x"}, None]))
        ['{"a":[1,null],"b":"x"}', 'null']
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return json_texts(array.dictionary_decode())
    if pa.types.is_struct(kind):
        return _json_of_structs(array, [field.name for field in kind])
    if pa.types.is_map(kind):
        entries = array.cast(pa.list_(pa.struct([kind.key_field, kind.item_field])))
        return _json_of_lists(entries, _json_of_structs(entries.flatten(), ["key", "value"]))
    if pa.types.is_nested(kind):
        return _json_of_lists(array, json_texts(array.flatten()))
    texts = cell_texts(array).to_list()
    bare = pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind)
    return ["null" if text is None else _json_of_leaf(text, kind, bare=bare) for text in texts]


def base64_texts(array: pa.Array) -> list[str | None]:
    """The bytes of a string or binary column in base64 behind `base64:`."""
    values = array.cast(pa.large_binary()).to_pylist()
    return [None if value is None else f"base64:{base64.b64encode(value).decode()}" for value in values]


def _json_of_leaf(text: str, kind: pa.DataType, *, bare: bool) -> str:
    finite = pa.types.is_floating(kind) and text not in ("NaN", "inf", "-inf")
    return text if bare or finite else json.dumps(text, ensure_ascii=False)


def _json_of_structs(array: pa.StructArray, fields: list[str]) -> list[str]:
    names = [json.dumps(field, ensure_ascii=False) for field in fields]
    members = [json_texts(member) for member in array.flatten()]
    rows = zip(*members, strict=True) if members else itertools.repeat((), len(array))
    valid = array.is_valid().to_pylist()
    return [
        "{" + ",".join(f"{name}:{text}" for name, text in zip(names, row, strict=True)) + "}" if there else "null"
        for row, there in zip(rows, valid, strict=True)
    ]


def _json_of_lists(array: pa.ListArray, texts: list[str]) -> list[str]:
    items = iter(texts)
    lengths = pc.list_value_length(array).to_pylist()
    return ["null" if n is None else "[" + ",".join(itertools.islice(items, n)) + "]" for n in lengths]


def _without_nulls(array: pa.Array) -> list[str | None]:
    valid = array.is_valid().to_pylist()
    return [text if there else None for text, there in zip(json_texts(array), valid, strict=True)]


def _as_arrow_casts(array: pa.Array) -> pl.Series:
    return _series(array.cast(pa.large_string()))


def _series(strings: pa.Array) -> pl.Series:
    return pl.Series(values=strings, dtype=pl.String)


def _of_strings(array: pa.Array) -> pl.Series:
    try:
        # Arrow believes the file that a string is UTF-8; polars would read out of bounds. The way back checks it.
        return _series(array.cast(pa.large_binary()).cast(pa.large_string()))
    except pa.ArrowInvalid as error:
        message = "a string is not UTF-8"
        raise UnicodeError(message) from error


def _of_binaries(array: pa.Array) -> pl.Series:
    try:
        return _series(array.cast(pa.large_binary()).cast(pa.large_string()))
    except pa.ArrowInvalid:
        values = array.cast(pa.large_binary()).to_pylist()
    texts = [_utf8_or_none(value) for value in values]
    return pl.Series(
        [encoded if text is None else text for text, encoded in zip(texts, base64_texts(array), strict=True)],
        dtype=pl.String,
    )


def _utf8_or_none(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _of_floats(array: pa.Array) -> pl.Series:
    wide = array.cast(pa.float32()) if pa.types.is_float16(array.type) else array
    return pl.Series(values=wide).cast(pl.String)


def _of_times(array: pa.Array) -> pl.Series:
    texts = _as_arrow_casts(array).to_frame("text")
    stored = pl.col("text").str.extract(_OUT_OF_RANGE)
    return texts.select(pl.coalesce(stored, "text")).to_series()


def _of_timestamps(array: pa.Array) -> pl.Series:
    # A zoned timestamp is stored in UTC; its zone is a wish about display, which a tz database may not even know.
    naive = _of_times(array.view(pa.timestamp(array.type.unit))).to_frame("text")
    written = pl.col("text").str.contains(" ", literal=True)
    iso = pl.col("text").str.replace(" ", "T", literal=True)
    zone = "+00:00" if array.type.tz else ""
    return naive.select(pl.when(written).then(iso + zone).otherwise("text")).to_series()


def _of_durations(array: pa.Array) -> pl.Series:
    return _as_arrow_casts(array.cast(pa.int64()))


def _of_extensions(array: pa.ExtensionArray) -> pl.Series:
    if array.type.extension_name != "arrow.uuid":
        return cell_texts(array.storage)
    digits = pl.Series("text", array.storage.cast(pa.large_binary()), dtype=pl.Binary).bin.encode("hex").to_frame()
    return digits.select(
        pl.concat_str([pl.col("text").str.slice(*part) for part in _UUID_PARTS], separator="-")
    ).to_series()


def _of_nulls(array: pa.Array) -> pl.Series:
    return pl.Series([None] * len(array), dtype=pl.String)


def _of_dictionaries(array: pa.DictionaryArray) -> pl.Series:
    return cell_texts(array.dictionary_decode())


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(is_type(kind) for is_type in binary)


def _is_date_or_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_time(kind))


def _is_extension(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType)


_TEXTS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pl.Series]], ...] = (
    (_is_extension, _of_extensions),
    (_is_string, _of_strings),
    (_is_binary, _of_binaries),
    (pa.types.is_floating, _of_floats),
    (_is_date_or_time, _of_times),
    (pa.types.is_timestamp, _of_timestamps),
    (pa.types.is_duration, _of_durations),
    (pa.types.is_dictionary, _of_dictionaries),
    (pa.types.is_null, _of_nulls),
)
