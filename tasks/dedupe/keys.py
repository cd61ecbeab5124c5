"""Keys: hashes of keys that mean the same on every machine and with every version of the libraries.

Belongs here: one text for each key, and what is made of it: a number to look it up by, and the name of its cluster.
Does not belong here: the hashes of one run, which are never stored (repeated), or looking anything up
(tasks/store/key_index).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Hexadecimal digits of a cluster's name.
_DIGITS = 16


class _Hashes(Protocol):
    """What the plug-in adds to an expression of text."""

    def xxh3_64(self) -> pl.Expr: ...

    def md5(self) -> pl.Expr: ...


def stable_hash(key: Sequence[str], schema: pl.Schema) -> pl.Expr:
    """A hash of a row's key, null where a part of the key is missing; equal keys have equal hashes (XXH3, 64 bits).

    Example:
        >>> frame = pl.DataFrame({"a": ["x", "x", None], "b": [-0.0, 0.0, 1.0]})
        >>> hashes = frame.select(stable_hash(["a", "b"], frame.schema)).to_series()
        >>> hashes[0] == hashes[1], hashes[2]
        (True, None)
    """
    return _hashed(key, schema).xxh3_64()


def cluster(key: Sequence[str], schema: pl.Schema) -> pl.Expr:
    """The name of the cluster of all records that have a row's key: half of the key's MD5, null without a key.

    It follows from the key alone, so that it is the same in every version, whoever survives.

    Example:
        >>> frame = pl.DataFrame({"a": ["x"], "b": [1]})
        >>> frame.select(cluster(["a", "b"], frame.schema)).item()
        '3325c0ac06c29f72'
    """
    return _hashed(key, schema).md5().str.head(_DIGITS)


def _hashed(key: Sequence[str], schema: pl.Schema) -> _Hashes:
    import polars_hash  # noqa: F401  # it gives expressions the namespace

    return cast("_Hashes", _encoded(key, schema).nchash)  # type: ignore[attr-defined]  # of the plug-in


def _encoded(key: Sequence[str], schema: pl.Schema) -> pl.Expr:
    """The key as text; two keys have the same text only if they are equal, part by part."""
    texts = [_text(name, schema[name]) for name in key]
    if len(texts) == 1:
        return texts[0]
    # Lengths in front, or ("a", "bc") would be the same as ("ab", "c").
    return pl.concat_str([part for text in texts for part in (text.str.len_bytes(), pl.lit(":"), text)])


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype.is_float():
        # The two zeros are equal; to add one to the other is taken for nothing to do, and left out.
        column = pl.when(column == 0).then(pl.lit(0.0, dtype)).otherwise(column)
    elif dtype.is_temporal():
        column = column.to_physical()
    elif dtype == pl.Boolean:
        column = column.cast(pl.UInt8)
    return column.cast(pl.String)
