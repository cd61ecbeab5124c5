"""Clusters are the connected components of similar texts."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Dedupe
from schemas.fitness import Leakage, Split
from tasks.audit.clusters import connected, near_clusters
from tasks.audit.leakage import leakage
from tasks.publish.splits import assigned


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=60))
def test_labels_are_those_of_scipy(count: int, pairs: list[tuple[int, int]]) -> None:
    csgraph = pytest.importorskip("scipy.sparse.csgraph")
    from scipy.sparse import coo_array

    pairs = [(one, other) for one, other in pairs if one < count and other < count]
    one, other = (np.array(side, np.int64) for side in (zip(*pairs, strict=True) if pairs else ((), ())))
    labels = connected(count, one, other)
    _, theirs = csgraph.connected_components(
        coo_array((np.ones(one.size), (one, other)), (count, count)), directed=False
    )
    assert len(set(labels.tolist())) == len(set(theirs.tolist()))
    assert len(set(zip(labels.tolist(), theirs.tolist(), strict=True))) == len(set(theirs.tolist()))


def test_a_text_that_is_nearly_one_of_another_split_is_a_leak() -> None:
    words = [f"w{n}" for n in range(400)]
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice(words, 40)) for _ in range(200)]
    rows = pl.DataFrame({"_file": "f", "_record": range(1, 201), "user": range(200), "text": texts})
    split = Split(by="user", test=0.3)
    policy = Leakage(near=Dedupe.Near("text", jaccard=0.7))
    assert policy.near is not None

    def kinds(frame: pl.DataFrame) -> list[str]:
        frame = frame.with_columns(assigned(split))
        return [finding.subject for finding in leakage(
            frame.lazy(), policy, split, clusters=near_clusters(frame.lazy(), policy.near)  # type: ignore[arg-type]  # just seen
        ).findings]  # fmt: skip

    assert kinds(rows) == []
    again = rows.with_columns(pl.col("_record") + 1_000, pl.col("user") + 1_000, pl.col("text") + " and one more")
    assert kinds(pl.concat([rows, again])) == ["splits share: near-duplicate"]
