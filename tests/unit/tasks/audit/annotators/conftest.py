"""Votes of people who know more or less, and those of recognising textual entailment (Snow et al., EMNLP 2008)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from schemas.labels import Annotators

POLICY = Annotators("item", "worker", "label", at="at")


@pytest.fixture
def crowd() -> tuple[pl.DataFrame, np.ndarray]:
    """300 items with 5 votes each by 12 workers; one votes at random, one always the same; and what is right."""
    chance = np.random.default_rng(0)
    right = chance.integers(0, 3, 300)
    rows = []
    for item in range(300):
        for worker in chance.choice(12, 5, replace=False):
            knows = chance.random() < 0.85
            label = right[item] if knows else chance.integers(0, 3)
            label = chance.integers(0, 3) if worker == 0 else 2 if worker == 1 else label
            seconds = 1.0 if worker == 2 else float(chance.uniform(20, 60))
            rows.append((f"i{item:03}", f"w{worker:02}", "abc"[label], seconds))
    frame = pl.DataFrame(
        rows, schema={"item": pl.String, "worker": pl.String, "label": pl.String, "at": pl.Float64}, orient="row"
    )
    return frame.with_columns(_file=pl.lit("f" * 64), _record=pl.int_range(1, 1 + pl.len(), dtype=pl.UInt64)), right


@pytest.fixture(scope="session")
def rte(corpora: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    """Its votes, and the label of each item that experts gave."""
    path = corpora / "crowd" / "rte" / "labels.csv"
    if not path.exists():
        pytest.skip("the votes of rte are not among the corpora")
    rows = pl.read_csv(path, infer_schema=False)
    votes = rows.select(item="orig_id", worker="!amt_worker_ids", label="response")
    return votes, dict(rows.select("orig_id", "gold").unique().rows())
