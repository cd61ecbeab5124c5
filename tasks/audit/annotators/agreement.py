"""Agreement: how far those who voted agree, beyond what chance would give.

Belongs here: Krippendorff's alpha, Fleiss' and Cohen's kappa, and their intervals. Does not belong here: models of who
is right (consensus).

- Krippendorff's alpha for nominal data: "Content Analysis", 4th ed. (2019), chapter 12, by coincidences of values.
- Fleiss' kappa, overall and for each label: Psychological Bulletin 76 (1971), with each item weighted by its votes, so
  that items may have different numbers of them; with equal numbers it is Fleiss' own.
- Cohen's kappa of two raters: Educational and Psychological Measurement 20 (1960). Here of one worker and of the
  majority of all others on the same items.
- Intervals of the first two: percentiles of a bootstrap over items (Zapf et al., BMC Medical Research Methodology 16,
  2016), seeded. Of Cohen's kappa: its asymptotic standard error (Fleiss, Cohen and Everitt, Psychological Bulletin 72,
  1969), in the simple form sqrt(p(1-p)/n)/(1-e).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.audit.annotators.votes import Votes

#: Draws of a bootstrap. The ends of a 95 % interval move by a few thousandths between seeds.
_DRAWS = 400
_Z = 1.959963984540054


class Estimate(NamedTuple):
    """A coefficient with its 95 % interval; NaN where nothing can be told."""

    value: float
    low: float
    high: float


class Agreement(NamedTuple):
    """How far all agree.

    Attributes:
        alpha: Krippendorff's.
        kappa: Fleiss'.
        of_label: Fleiss' kappa of each label against all others.
    """

    alpha: Estimate
    kappa: Estimate
    of_label: tuple[Estimate, ...]


def agreement(table: NDArray[np.int64], seed: int) -> Agreement:
    """The agreement of votes.

    Args:
        table: how many votes each item (row) has for each label (column).
        seed: of the bootstrap.

    Example:
        >>> found = agreement(np.array([[2, 0], [2, 0], [0, 2], [1, 1]]), seed=0)
        >>> round(found.alpha.value, 4), round(found.kappa.value, 4)
        (0.5333, 0.4667)
    """
    paired = table[table.sum(axis=1) > 1].astype(np.float64)
    of_item = paired.sum(axis=1)
    # For each item and label: pairs of votes of which one is of the label and one is not.
    apart = paired * (of_item[:, None] - paired) / np.maximum(of_item - 1, 1)[:, None]
    weights = np.ones(len(paired))
    found = _coefficients(weights, paired, apart)
    chance = np.random.default_rng(seed)
    items, draws = len(paired), _DRAWS if len(paired) else 0
    weighted = (np.bincount(chance.integers(0, items, items), minlength=items) for _ in range(draws))
    drawn = np.array([_coefficients(each, paired, apart) for each in weighted]).reshape(-1, len(found))
    estimates = [Estimate(float(value), *_percentiles(column)) for value, column in zip(found, drawn.T, strict=True)]
    return Agreement(estimates[0], estimates[1], tuple(estimates[2:]))


def _coefficients(
    weights: NDArray[np.float64] | NDArray[np.int64], table: NDArray[np.float64], apart: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Alpha, kappa, and the kappa of each label, with items weighted."""
    of_label, disagreeing = weights @ table, weights @ apart
    votes = of_label.sum()
    expected = of_label * (votes - of_label) / max(votes, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Alpha expects pairs without putting back, kappa with.
        alpha = 1 - disagreeing.sum() / (expected.sum() * votes / (votes - 1)) if votes > 1 else np.nan
        kappa = 1 - disagreeing.sum() / expected.sum()
        return np.array([alpha, kappa, *(1 - disagreeing / expected)])


def _percentiles(drawn: NDArray[np.float64]) -> tuple[float, float]:
    known = drawn[np.isfinite(drawn)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


class OfWorkers(NamedTuple):
    """Each worker against the majority of all others.

    Attributes:
        compared: on how many of its items the others have a majority.
        agreed: on how many of these it said the same.
        kappa, low, high: Cohen's, with its interval.
    """

    compared: NDArray[np.int64]
    agreed: NDArray[np.int64]
    kappa: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def of_workers(votes: Votes, table: NDArray[np.int64]) -> OfWorkers:
    """Holds each worker's votes against the majority of the others' on the same item, where there is one."""
    workers, labels = votes.workers.len(), votes.labels.len()
    others = table[votes.item].copy()
    others[np.arange(votes.item.size), votes.label] -= 1
    most = others.max(axis=1, initial=0)
    clear = (most > 0) & ((others == most[:, None]).sum(axis=1) == 1)
    worker, own, theirs = votes.worker[clear], votes.label[clear], others.argmax(axis=1)[clear]
    compared = np.bincount(worker, minlength=workers)
    agreed = np.bincount(worker, weights=own == theirs, minlength=workers)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = agreed / compared
        counts = (np.bincount(worker * labels + which, minlength=workers * labels) for which in (own, theirs))
        mine, others_of = (count.reshape(workers, labels) / compared[:, None] for count in counts)
        chance = (mine * others_of).sum(axis=1)
        kappa = np.where(chance < 1, (share - chance) / (1 - chance), np.nan)
        half = _Z * np.sqrt(share * (1 - share) / compared) / (1 - chance)
    low, high = np.maximum(kappa - half, -1), np.minimum(kappa + half, 1)
    return OfWorkers(compared, agreed.astype(np.int64), kappa, low, high)
