from __future__ import annotations

import datetime as dt

import polars as pl

from schemas.labels import Annotators
from tasks.audit.annotators.votes import gather


def test_of_several_votes_on_an_item_the_last_one_counts_and_the_others_are_told() -> None:
    rows = pl.DataFrame(
        {
            "item": ["a", "a", "a", "b", None, "b"],
            "worker": ["p", "p", "q", "p", "p", "q"],
            "label": ["yes", "no", "no", "no", "no", None],
            "at": [dt.datetime(2026, 1, day, tzinfo=dt.UTC) for day in (3, 1, 1, 1, 1, 1)],
        }
    )
    found = gather(rows, Annotators("item", "worker", "label"))
    assert found.votes.table().tolist() == [[2, 0], [1, 0]]
    assert (found.missing, found.contradictory.tolist(), found.repeated.tolist()) == (2, [1, 0], [0, 0])
    timed = gather(rows, Annotators("item", "worker", "label", at="at"))
    assert timed.votes.table().tolist() == [[1, 1], [1, 0]]
    assert gather(pl.concat([rows, rows]), Annotators("item", "worker", "label")).repeated.tolist() == [3, 1]
