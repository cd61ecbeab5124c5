"""Near-duplicates of a partition: the same whatever the blocks and the memory, each with evidence that holds."""

from __future__ import annotations

import random
from collections.abc import Callable

import polars as pl
import pytest

from schemas import Dedupe
from tasks.dedupe.candidates import Candidates
from tasks.dedupe.near.among import near_duplicates
from tasks.dedupe.near.likeness import likeness
from tasks.dedupe.repeated import Parts
from tasks.dedupe.stars import EVIDENCE

NEAR = Dedupe.Near("text", jaccard=0.6, words=1)
COLUMNS = ["id", "text"]


def frame(count: int, seed: int) -> pl.DataFrame:
    luck = random.Random(seed)
    pages = [[f"w{luck.randrange(60)}" for _ in range(12)] for _ in range(8)]
    texts: list[str | None] = []
    for _ in range(count):
        page = list(luck.choice(pages))
        for _ in range(luck.randrange(5)):
            page[luck.randrange(12)] = f"x{luck.randrange(40)}"
        texts.append(" ".join(page) if luck.random() < 0.95 else None)
    return pl.DataFrame(
        {
            "_input": pl.Series([0] * count, dtype=pl.UInt32),
            "_record": pl.Series(range(1, count + 1), dtype=pl.UInt64),
            "id": range(count),
            "text": texts,
        }
    )


def found(rows: pl.DataFrame, block: int, at_once: int, parts: Callable[..., Parts], keep: str) -> pl.DataFrame:
    candidates = Candidates([lambda each=each: each for each in rows.iter_slices(block)])
    dedupe = Dedupe(key=["id"], keep=keep, near=NEAR)
    return pl.concat(near_duplicates(candidates.blocks, dedupe, NEAR, COLUMNS, parts, at_once))


@pytest.mark.parametrize("keep", ["first", "last", "most_complete"])
def test_neither_blocks_nor_memory_change_what_is_found(parts_in_memory: Callable[..., Parts], keep: str) -> None:
    rows = frame(120, 7)
    whole = found(rows, 120, 1 << 20, parts_in_memory, keep)
    assert whole.height > 20
    for block, at_once in ((7, 50), (1, 1 << 20)):
        assert found(rows, block, at_once, parts_in_memory, keep).equals(whole)


def test_the_evidence_is_what_the_two_texts_say(parts_in_memory: Callable[..., Parts]) -> None:
    rows = frame(120, 8)
    whole = found(rows, 50, 1 << 20, parts_in_memory, "first")
    texts = dict(zip(rows["_record"], rows["text"], strict=True))
    assert set(EVIDENCE) <= set(whole.columns)
    gone = set(whole["_row"])
    for row in whole.iter_rows(named=True):
        like = likeness(row["_compared"], texts[row["_of_record"]], NEAR)
        assert (row["_shared"], row["_shingles"], row["_similarity"]) == (*like, like.share)
        assert texts[row["_row"] + 1] == row["_compared"]
        assert row["_of_record"] - 1 not in gone
        same = row["_compared"] == texts[row["_of_record"]]
        assert row["_differing"] == (["id"] if same else COLUMNS)
