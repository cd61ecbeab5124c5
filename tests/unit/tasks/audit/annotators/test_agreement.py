from __future__ import annotations

import krippendorff
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from schemas.labels import Annotators
from tasks.audit.annotators.agreement import agreement, of_workers
from tasks.audit.annotators.votes import gather


@given(st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=2, max_size=30))
def test_alpha_is_that_of_the_krippendorff_package(rows: list[list[int]]) -> None:
    table = np.array(rows)
    paired = table[table.sum(axis=1) > 1]
    assume(len(paired) > 0 and (paired.sum(axis=0) > 0).sum() > 1)
    found = agreement(table, 0).alpha
    expected = krippendorff.alpha(value_counts=table, level_of_measurement="nominal")
    assert found.value == pytest.approx(expected, abs=1e-9)
    assert not found.high < found.low


def test_kappa_is_fleiss_own_where_all_items_have_as_many_votes() -> None:
    # The table of Fleiss (1971) as it is commonly given: 10 items, 14 votes, 5 labels; kappa 0.210.
    table = np.array(
        [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1], [7, 7, 0, 0, 0],
         [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]
    )  # fmt: skip
    found = agreement(table, 0)
    assert round(found.kappa.value, 3) == 0.210
    assert found.kappa.low < 0.210 < found.kappa.high
    assert agreement(table, 0) == found


def test_cohens_kappa_of_two_workers_is_the_usual_one() -> None:
    chance = np.random.default_rng(0)
    one = chance.integers(0, 3, 80)
    other = np.where(chance.random(80) < 0.7, one, chance.integers(0, 3, 80))
    frames = [
        pl.DataFrame({"item": np.arange(80).astype(str), "worker": [name] * 80, "label": said.astype(str)})
        for name, said in (("p", one), ("q", other))
    ]
    votes = gather(pl.concat(frames), Annotators("item", "worker", "label")).votes
    found = of_workers(votes, votes.table())
    assert found.kappa.tolist() == pytest.approx([cohen_kappa_score(one, other)] * 2)
    assert (found.compared.tolist(), found.low[0] < found.kappa[0] < found.high[0]) == ([80, 80], True)


def test_alpha_of_rte(rte: tuple[pl.DataFrame, dict[str, str]]) -> None:
    votes = gather(rte[0], Annotators("item", "worker", "label")).votes
    expected = krippendorff.alpha(value_counts=votes.table(), level_of_measurement="nominal")
    assert agreement(votes.table(), 0).alpha.value == pytest.approx(expected, abs=5e-10)
