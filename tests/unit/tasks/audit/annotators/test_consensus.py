from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from schemas.labels import Annotators
from tasks.audit.annotators.consensus import MODELS, choose, dawid_skene, majority
from tasks.audit.annotators.votes import gather

_POLICY = Annotators("item", "worker", "label")


def test_who_knows_more_counts_more(crowd: tuple[pl.DataFrame, np.ndarray]) -> None:
    rows, right = crowd
    votes = gather(rows, _POLICY).votes
    by_all, by_worth = majority(votes).soft.argmax(axis=1), dawid_skene(votes)
    assert np.mean(by_worth.soft.argmax(axis=1) == right) > np.mean(by_all == right)
    assert by_worth.quality is not None
    assert set(np.argsort(by_worth.quality)[:2]) == {0, 1}
    assert np.allclose(by_worth.soft.sum(axis=1), 1)


def test_the_model_is_taken_that_held_out_votes_speak_for(crowd: tuple[pl.DataFrame, np.ndarray]) -> None:
    votes = gather(crowd[0], _POLICY).votes
    found = choose(votes, ("majority", "dawid-skene"), seed=0)
    assert found.name == "dawid-skene"
    assert found.held_out["dawid-skene"] > found.held_out["majority"]
    assert 0 < found.votes <= 300
    assert choose(votes, ("majority",), seed=0).held_out == {}
    # Where each worker votes once, nothing can be learnt of any of them.
    once = crowd[0].with_columns(worker=pl.int_range(pl.len()).cast(pl.String))
    assert choose(gather(once, _POLICY).votes, ("majority", "dawid-skene"), seed=0).name == "majority"


def test_on_rte_the_consensus_is_right_and_poor_workers_are_told(rte: tuple[pl.DataFrame, dict[str, str]]) -> None:
    votes = gather(rte[0], _POLICY).votes
    gold = np.array([rte[1][item] for item in votes.items])
    found = choose(votes, _POLICY.models, seed=0)
    assert found.name == "dawid-skene"
    consensus = votes.labels.gather(found.fitted.soft.argmax(axis=1)).to_numpy()
    assert np.mean(consensus == gold) >= 0.9275
    given = np.bincount(votes.worker)
    right = votes.labels.gather(votes.label).to_numpy() == gold[votes.item]
    accuracy = np.bincount(votes.worker, weights=right) / given
    enough = given >= 20
    assert found.fitted.quality is not None
    assert roc_auc_score(accuracy[enough] < 0.6, -found.fitted.quality[enough]) >= 0.9


@pytest.mark.slow
# crowd-kit calls pandas in ways that pandas 3.1 warns of.
@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
def test_crowd_kits_models_give_what_they_say(crowd: tuple[pl.DataFrame, np.ndarray]) -> None:
    from crowdkit.aggregation import DawidSkene

    rows, right = crowd
    votes = gather(rows, _POLICY).votes
    for name in ("mace", "glad"):
        fitted = MODELS[name](votes)
        assert np.mean(fitted.soft.argmax(axis=1) == right) > 0.85
        assert fitted.quality is not None
        assert fitted.quality.argmin() in (0, 1)
        likelihoods = [
            fitted.likelihood(votes.item, votes.worker, np.full(votes.item.size, label)) for label in range(3)
        ]
        assert np.allclose(sum(likelihoods), 1, atol=1e-6)
    frame = pl.DataFrame({"task": votes.item, "worker": votes.worker, "label": votes.label}).to_pandas()
    theirs = DawidSkene(n_iter=100).fit_predict(frame).sort_index().to_numpy()
    assert np.mean(dawid_skene(votes).soft.argmax(axis=1) == theirs) > 0.99
