from __future__ import annotations

import numpy as np
import polars as pl

from schemas.audits import Verdict
from schemas.labels import Annotators
from tasks.audit.annotators.audit import audit

_POLICY = Annotators("item", "worker", "label", at="at", min_alpha=0.9)


def test_the_signs_of_each_worker_are_told_apart(crowd: tuple[pl.DataFrame, np.ndarray]) -> None:
    found = audit(crowd[0], _POLICY)
    signs = dict(found.tables["workers"].select("worker", "signs").rows())
    assert "at chance" in signs["w00"]
    assert "nearly one label" in signs["w01"]
    assert signs["w02"] == "fast"
    assert {signs[f"w{number:02}"] for number in range(3, 12)} == {""}
    assert found.verdict is Verdict.STOP
    assert found.findings[0].verdict == "low agreement"
    assert audit(crowd[0], _POLICY).facts == found.facts


def test_every_item_has_a_consensus_with_its_soft_labels(crowd: tuple[pl.DataFrame, np.ndarray]) -> None:
    items = audit(crowd[0], _POLICY).tables["items"]
    assert items.height == 300
    assert items.select(pl.sum_horizontal("p: a", "p: b", "p: c")).to_series().to_list() == [
        np.float64(total) for total in items.select(pl.sum_horizontal("p: a", "p: b", "p: c")).to_series()
    ]
    assert (items["confidence"] >= 1 / 3).all()
    assert items.get_column("votes").sum() == crowd[0].height


def test_the_votes_on_unsure_items_are_to_be_looked_at(crowd: tuple[pl.DataFrame, np.ndarray]) -> None:
    rows, _ = crowd
    found = audit(rows, _POLICY)
    items = found.tables["items"].filter("unsure")
    queue = found.tables["queue"].join(rows, on=["_file", "_record"], how="left", maintain_order="left")
    assert queue.height == items["votes"].sum() > 0
    assert set(queue["item"]) == set(items["item"])
    assert queue["given"].to_list() == queue["label"].to_list()
    beside = queue.join(items, on="item", maintain_order="left")
    assert beside["suggested"].to_list() == beside["consensus"].to_list()
    assert [row[f"p: {row['given']}"] for row in beside.iter_rows(named=True)] == beside["score"].to_list()


def test_personal_ids_are_in_no_finding(crowd: tuple[pl.DataFrame, np.ndarray]) -> None:
    open_told = audit(crowd[0], _POLICY).findings
    hidden = audit(crowd[0], _POLICY, frozenset({"worker"})).findings
    assert any("w00" in finding.subject for finding in open_told)
    assert not any("w00" in finding.subject for finding in hidden)
    assert len(open_told) == len(hidden)


def test_one_label_or_no_vote_is_no_trouble() -> None:
    place = {"_file": pl.String, "_record": pl.UInt64}
    nobody = pl.DataFrame(
        schema={**place, "item": pl.String, "worker": pl.String, "label": pl.String, "at": pl.Float64}
    )
    assert audit(nobody, _POLICY).tables["queue"].is_empty()
    assert audit(nobody, _POLICY).facts["items"] == 0
    alone = pl.DataFrame({"item": ["a", "b"], "worker": ["p", "q"], "label": ["x", "y"], "at": [None, None]})
    found = audit(alone.with_columns(_file=pl.lit("f"), _record=pl.lit(1)).cast({"at": pl.Float64}), _POLICY)
    assert found.facts["alpha"] is None
    assert found.tables["items"].height == 2
