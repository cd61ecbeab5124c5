"""Consensus: what an item's label is by all votes together, under several models of those who vote.

Belongs here: the models, and which of them held-out votes speak for. Does not belong here: agreement, or what becomes
of an item that is not sure (audit).

- `majority`: the share of votes, with one accuracy for all workers.
- `dawid-skene`: each worker has a matrix of which label it gives to which (Dawid and Skene, Applied Statistics 28,
  1979), by expectation maximisation in numpy; the votes of 200,000 items need no library of 20 others.
- `mace` (Hovy et al., NAACL 2013) and `glad` (Whitehill et al., NIPS 2009) are crowd-kit's.

Which model is taken is told by votes that no model saw: a part of the votes is held out, and the model under which
they are likeliest is the one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from schemas.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from schemas.labels import Consensus
    from tasks.audit.annotators.votes import Votes

#: Share of the votes that is held out, of items that keep two others.
_HELD_OUT = 0.2
#: Rounds of expectation maximisation, at most; and the change of a probability below which it has converged.
_ROUNDS, _CONVERGED = 100, 1e-5
#: Votes that each worker is taken to have given beforehand, so that nothing is impossible: as many as labels, half of
#: them right.
_PRIOR = 0.5
#: Numbers in all workers' matrices, at most: 400 MB.
_MOST = 50_000_000


class Fitted(NamedTuple):
    """A model that was fitted to votes.

    Attributes:
        soft: for each item the probability of each label.
        likelihood: of given votes (numbers of items, workers, labels), each by itself.
        quality: for each worker its accuracy under the model; None where the model has none.
    """

    soft: NDArray[np.float64]
    likelihood: Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
    quality: NDArray[np.float64] | None = None


class Chosen(NamedTuple):
    """The model that was taken.

    Attributes:
        name: of it.
        fitted: to all votes.
        held_out: for each model tried the mean logarithm of the likelihood of held-out votes.
        votes: that were held out.
    """

    name: Consensus
    fitted: Fitted
    held_out: dict[str, float]
    votes: int


def choose(votes: Votes, models: Sequence[Consensus], seed: int) -> Chosen:
    """Takes the model under which held-out votes are likeliest; of equals the one that is named first.

    Raises:
        MissingExtraError: crowd-kit is asked for and not installed.
    """
    held = _held_out(votes, seed)
    rest = votes.only(~held)
    told: dict[str, float] = {}
    for name in models:
        if len(models) > 1 and held.any():
            likelihood = MODELS[name](rest).likelihood(votes.item[held], votes.worker[held], votes.label[held])
            told[name] = float(np.log(np.maximum(likelihood, 1e-12)).mean())
    best = max(models, key=lambda name: told.get(name, 0.0))
    return Chosen(best, MODELS[best](votes), told, int(held.sum()))


def _held_out(votes: Votes, seed: int) -> NDArray[np.bool_]:
    """Some votes, at most one of an item, and only of items that keep two others."""
    chance = np.random.default_rng(seed)
    order = chance.permutation(votes.item.size)
    _, firsts = np.unique(votes.item[order], return_index=True)
    one_each = order[firsts]
    counts = np.bincount(votes.item, minlength=votes.items.len())
    fit = one_each[counts[votes.item[one_each]] > 2]  # as the text says
    wanted = min(fit.size, int(np.ceil(_HELD_OUT * votes.item.size)))
    held = np.zeros(votes.item.size, np.bool_)
    held[chance.permutation(fit)[:wanted]] = True
    return held


# --- the models -------------------------------------------------------------------------------------------------------


def majority(votes: Votes) -> Fitted:
    """The share of votes for each label; every worker is right as often as any other."""
    table = votes.table().astype(np.float64)
    soft = (table + 1e-9) / (table + 1e-9).sum(axis=1, keepdims=True)
    labels = votes.labels.len()
    # How often a vote is that of the majority of its item.
    right = float(soft[votes.item, votes.label].mean()) if votes.item.size else 1 / labels
    right = min(max(right, 1e-3), 1 - 1e-3)

    def likelihood(item: NDArray[np.int64], worker: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[np.float64]:
        del worker
        same: NDArray[np.float64] = soft[item, label]
        return same * right + (1 - same) * (1 - right) / max(labels - 1, 1)

    return Fitted(soft, likelihood)


def dawid_skene(votes: Votes) -> Fitted:
    """Each worker's matrix of labels, and each item's probabilities, each from the other until neither changes."""
    labels, workers = votes.labels.len(), votes.workers.len()
    table = votes.table().astype(np.float64)
    soft = (table + 1e-9) / (table + 1e-9).sum(axis=1, keepdims=True)
    given = votes.worker * labels + votes.label
    prior = np.full((labels, labels), (1 - _PRIOR) / max(labels - 1, 1))
    np.fill_diagonal(prior, _PRIOR)
    shares, matrices = _maximised(votes, soft, given, prior, workers)
    for _ in range(_ROUNDS):
        before = soft
        logarithm = np.log(matrices).transpose(0, 2, 1).reshape(workers * labels, labels)[given]
        summed = np.log(shares) + np.column_stack(
            [np.bincount(votes.item, weights=logarithm[:, true], minlength=votes.items.len()) for true in range(labels)]
        )
        soft = np.exp(summed - summed.max(axis=1, keepdims=True))
        soft /= soft.sum(axis=1, keepdims=True)
        shares, matrices = _maximised(votes, soft, given, prior, workers)
        if np.abs(soft - before).max(initial=0) < _CONVERGED:
            break
    found = soft

    def likelihood(item: NDArray[np.int64], worker: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[np.float64]:
        likely: NDArray[np.float64] = np.einsum("vt,vt->v", found[item], matrices[worker, :, label])
        return likely

    return Fitted(found, likelihood, np.einsum("t,wtt->w", shares, matrices))


def _maximised(
    votes: Votes, soft: NDArray[np.float64], given: NDArray[np.int64], prior: NDArray[np.float64], workers: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How common each label is, and for each worker how it labels each true label."""
    labels = len(prior)
    counted: NDArray[np.float64] = np.stack(
        [
            np.bincount(given, weights=soft[votes.item, true], minlength=workers * labels).reshape(workers, labels)
            for true in range(labels)
        ],
        axis=1,
    )
    counted = counted + prior
    shares = soft.sum(axis=0) + 1e-9
    return shares / shares.sum(), counted / counted.sum(axis=2, keepdims=True)


def mace(votes: Votes) -> Fitted:
    """crowd-kit's MACE: a worker either knows, or votes by a habit of its own.

    Raises:
        MissingExtraError: crowd-kit is not installed.
    """
    aggregation = _crowd_kit()
    model = aggregation.MACE(n_restarts=5, n_iter=50, random_state=0)
    soft = _soft(votes, model.fit_predict_proba(_frame(votes)))
    knows = np.full(votes.workers.len(), 0.5)
    habits = np.full((votes.workers.len(), votes.labels.len()), 1 / votes.labels.len())
    # crowd-kit numbers workers and labels as they first occur.
    spamming, thetas = np.asarray(model.spamming_), np.asarray(model.thetas_)
    seen = list(dict.fromkeys(votes.worker.tolist()))
    said = list(dict.fromkeys(votes.label.tolist()))
    knows[seen] = spamming[:, 1] / spamming.sum(axis=1)
    habits[np.ix_(seen, said)] = thetas / thetas.sum(axis=1, keepdims=True)

    def likelihood(item: NDArray[np.int64], worker: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[np.float64]:
        known: NDArray[np.float64] = knows[worker]
        likely: NDArray[np.float64] = known * soft[item, label] + (1 - known) * habits[worker, label]
        return likely

    return Fitted(soft, likelihood, knows)


def glad(votes: Votes) -> Fitted:
    """crowd-kit's GLAD: workers are able, items are hard.

    Raises:
        MissingExtraError: crowd-kit is not installed.
    """
    model = _crowd_kit().GLAD(n_iter=30, silent=True)
    soft = _soft(votes, model.fit_predict_proba(_frame(votes)))
    able, easy = np.zeros(votes.workers.len()), np.ones(votes.items.len())
    able[model.alphas_.index.to_numpy()] = model.alphas_.to_numpy()
    easy[model.betas_.index.to_numpy()] = np.exp(model.betas_.to_numpy())
    labels = votes.labels.len()

    def likelihood(item: NDArray[np.int64], worker: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[np.float64]:
        right = 1 / (1 + np.exp(-able[worker] * easy[item]))
        same: NDArray[np.float64] = soft[item, label]
        return same * right + (1 - same) * (1 - right) / max(labels - 1, 1)

    return Fitted(soft, likelihood, 1 / (1 + np.exp(-able)))


def _crowd_kit() -> Any:  # noqa: ANN401  # crowd-kit's types are not kept
    try:
        from crowdkit import aggregation
    except ImportError as error:
        raise MissingExtraError.of("crowd-kit", "labels") from error
    return aggregation


def _frame(votes: Votes) -> Any:  # noqa: ANN401  # pandas is crowd-kit's, not ours
    import polars as pl

    return pl.DataFrame({"task": votes.item, "worker": votes.worker, "label": votes.label}).to_pandas()


def _soft(votes: Votes, probabilities: Any) -> NDArray[np.float64]:  # noqa: ANN401  # as above
    soft = np.full((votes.items.len(), votes.labels.len()), 1 / votes.labels.len())
    rows, columns = probabilities.index.to_numpy(), probabilities.columns.to_numpy()
    soft[rows] = 0
    soft[np.ix_(rows, columns)] = probabilities.to_numpy()
    return soft


MODELS: dict[str, Callable[[Votes], Fitted]] = {
    "majority": majority,
    "dawid-skene": dawid_skene,
    "mace": mace,
    "glad": glad,
}
