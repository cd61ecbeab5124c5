"""Needles: found in every spelling and encoding, and in nobody else's value that begins or ends alike."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.erasure.needles import Needles, distinctive

MAIL = Needles(["zoë.ada@home.example"])
NUMBER = Needles(["S-10429"])


@pytest.mark.parametrize(
    "text",
    [
        "zoë.ada@home.example", "of zoë.ada@home.example.", "<zoë.ada@home.example>", "mailto:zoë.ada@home.example, or",
        '{"mail": "zo\\u00eb.ada@home.example"}', "zoë.ada\\@home.example",
    ],
)  # fmt: skip
def test_where_a_person_is_named(text: str) -> None:
    assert MAIL.in_text(text)
    assert MAIL.in_bytes(text.encode())
    assert MAIL.in_bytes(b"x" + text.encode("utf-16-le"))
    assert MAIL.in_bytes(text.encode("cp1252"))


@pytest.mark.parametrize("text", ["S-104290", "AS-10429", "x.S-10429", "S-10429.x", "S-10429-b", "", "S-1042"])
def test_where_another_one_is(text: str) -> None:
    assert not NUMBER.in_text(text)
    assert not NUMBER.in_bytes(text.encode())


def test_what_is_in_a_record_by_chance_is_no_needle() -> None:
    assert [text for text in ("7", "1234567", "abcde", "12345678", "abcdef") if distinctive(text)] == [
        "12345678",
        "abcdef",
    ]
    nothing = Needles(["7", "  "])
    assert not nothing
    assert not nothing.in_text("7")
    assert not nothing.in_bytes(b"7")
    frame = pl.DataFrame({"a": ["7"]})
    assert frame.filter(nothing.in_rows(frame.schema)).height == 0


def test_rows_of_every_kind_of_column() -> None:
    frame = pl.DataFrame(
        {
            "_file": ["S-10429"] * 7,
            "text": ["S-10429", None, "S-104290", None, None, None, None],
            "_raw": [None, b"1,S-10429\n", b"S-104290", None, None, None, None],
            "_reasons": [None, [], ["a"], ["b", "not S-10429"], None, None, None],
            "kind": pl.Series([None, None, None, None, "S-10429", None, None], dtype=pl.Categorical),
            "number": [10429] * 7,
        },
        schema_overrides={"_reasons": pl.List(pl.String)},
    )
    found = frame.select(NUMBER.in_rows(frame.schema)).to_series().to_list()
    assert found == [True, True, False, True, True, False, False]
    # The columns that Winnow adds are searched as well by who wants to see that nothing is left.
    assert frame.select(NUMBER.in_everything(frame.schema)).to_series().all()
