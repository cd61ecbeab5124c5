from __future__ import annotations

import polars as pl
import pytest

from tasks.validate import mask


@pytest.mark.parametrize(("rules", "words"), [(0, 1), (1, 1), (64, 1), (65, 2), (128, 2), (129, 3)])
def test_a_word_for_every_64_rules(rules: int, words: int) -> None:
    assert mask.words(rules) == [f"_mask{word}" for word in range(words)]


@pytest.mark.parametrize("number", [0, 1, 31, 32, 63, 64, 127, 128, 199])
def test_a_bit_that_is_set_is_read_again_and_no_other(number: int) -> None:
    row = pl.DataFrame({"a": [True]}).with_columns(mask.set_bits({number: pl.col("a")}, 200))
    assert row.schema == {"a": pl.Boolean, **dict.fromkeys(mask.words(200), pl.UInt64)}
    assert [each for each in range(200) if row.select(mask.bit(each)).item()] == [number]


def test_any_of() -> None:
    rows = pl.DataFrame({"a": [True, False, False], "b": [False, True, False]})
    rows = rows.with_columns(mask.set_bits({3: pl.col("a"), 70: pl.col("b")}, 71))
    for numbers, expected in (
        ([3], [True, False, False]),
        ([70], [False, True, False]),
        ([3, 70], [True, True, False]),
        ([4, 69], [False, False, False]),
        ([], [False, False, False]),
    ):
        assert rows.with_columns(hit=mask.any_of(numbers))["hit"].to_list() == expected
