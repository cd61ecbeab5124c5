"""Stars: the order of preference is the policy's, and what goes stands beside what stands for it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from schemas import Dedupe
from tasks.dedupe.candidates import Block, Candidates
from tasks.dedupe.stars import beside_leaders, greedily, ranks, rows_left

ROWS = pl.DataFrame(
    {
        "_input": pl.Series([0] * 5, dtype=pl.UInt32),
        "_record": pl.Series(range(1, 6), dtype=pl.UInt64),
        "id": [1, 2, None, 4, 5],
        "day": [3, 9, 9, None, 1],
        "text": ["a", "b", None, "d", "e"],
    }
)
COLUMNS = ["id", "day", "text"]


def blocks(size: int, gone: int) -> list[Block]:
    candidates = Candidates([lambda each=each: each for each in ROWS.iter_slices(size)])
    left = []
    for block in candidates.blocks():
        out = pl.DataFrame({"_row": [gone]}, schema={"_row": pl.UInt64})
        left.append(block.without(out) if block.start <= gone < block.stop else block)
    return left


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize(
    ("settings", "order"),
    [
        ({"keep": "first"}, [1, 3, 4, 5]),
        ({"keep": "last"}, [5, 4, 3, 1]),
        ({"keep": "latest", "by": "day"}, [3, 1, 5, 4]),
        ({"keep": "most_complete"}, [1, 5, 4, 3]),
        ({"keep": "preferred", "by": "text", "prefer": ("e", "d")}, [5, 4, 1, 3]),
    ],
)
def test_rows_are_ranked_as_the_policy_prefers_them(size: int, settings: dict[str, object], order: list[int]) -> None:
    left = blocks(size, 1)
    places = ranks(lambda: iter(left), Dedupe(key=["id"], **settings), COLUMNS)
    records = np.concatenate([rows.frame["_record"].to_numpy() for rows in rows_left(lambda: iter(left))])
    assert records[np.argsort(places)].tolist() == order


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_row_that_goes_stands_beside_the_one_that_stands_for_it(size: int) -> None:
    left = blocks(size, 1)
    of = np.array([3, 1, 1, 3])  # of the records 1, 3, 4 and 5
    found = list(beside_leaders(lambda: iter(left), of, Dedupe(key=["id"]), COLUMNS, ["text"]))
    rows = pl.concat(frame for _, frame in found)
    assert np.concatenate([numbers for numbers, _ in found]).tolist() == [0, 2]
    assert rows.select("_row", "_record", "_of_record", "_of.text").rows() == [(0, 1, 5, "e"), (3, 4, 3, None)]
    # Record 3 has neither a key nor a text to be named by.
    assert rows["_cluster"].is_null().to_list() == [False, True]


def test_whoever_matches_only_what_goes_stays() -> None:
    assert greedily(4, [(1, 0), (2, 1), (3, 2)]) == [0, 0, 2, 2]
