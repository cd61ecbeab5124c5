"""Confident learning: which labels disagree with what a model is sure of, and how often each is taken for which.

Belongs here: from labels and out-of-fold probabilities, block by block, to verdicts. Does not belong here: where the
probabilities come from (baselines), or tables of the verdicts (tables).

The method is that of Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels"
(JAIR 70, 2021): a row counts as surely of class j when its probability of j is at least the mean of those that carry
the label j (section 3.1, the confident joint). As many labels are called wrong as rows are surely of another class
than their label and are likeliest of another one too; it is those with the lowest probability of their own label. That
is cleanlab's `find_label_issues(filter_by="low_self_confidence")` to the row, and it is the filter that did best on
text and on tables (its `off_diagonal` count and `self_confidence` order).

There is one exception. The mean of a class that the model hardly learnt, of a few rows, is next to nothing, and so each
row of the others has as much of it: all of them would be surely of that class, and as many labels be called wrong as
rows are likeliest of another class than their own, by however little. Such a class is one of which more rows would be
surely although another class is likelier than those of which it is the likeliest. It is left out, with its rows.

cleanlab holds the whole matrix of probabilities, several times over; here each block of it is looked at twice and
forgotten. Beside it only a few numbers for each row are held, and of the joint the pairs of classes that occur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: As in cleanlab: what is equal but for rounding is equal.
_ROUNDING = 1e-6
#: As in cleanlab: no class is so badly learned that anything is surely of it.
_LOWEST_THRESHOLD = 2 * _ROUNDING
#: No probability is as great: nothing is surely of a class with this threshold.
_NEVER = 2.0
#: Looks at all blocks, at most. The second one leaves out the classes that were not learnt; rarely another follows.
_ROUNDS = 4


class Probabilities(Protocol):
    """A matrix of probabilities, rows by classes, that is too large for memory.

    Attributes:
        classes: how many columns it has.
    """

    classes: int

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Numbers of rows and their probabilities, all rows once; each time anew, in the same order."""
        ...


class Confident(NamedTuple):
    """What is said of each row and of each pair of classes.

    Attributes:
        self_confidence: probability of each row's own label.
        suggested: likeliest other class of each row.
        confidence: probability of that one.
        sure: whether that is at least the mean of the rows that carry that class.
        wrong: whether each row's label looks wrong.
        learnt: for each class whether anything is said of its rows, and of others that may be of it.
        given, true, rows: pairs of classes, and how many rows carry the one and are surely of the other.
    """

    self_confidence: NDArray[np.float64]
    suggested: NDArray[np.int64]
    confidence: NDArray[np.float64]
    sure: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    learnt: NDArray[np.bool_]
    given: NDArray[np.int64]
    true: NDArray[np.int64]
    rows: NDArray[np.int64]


def confident_learning(
    labels: NDArray[np.int64], probabilities: Probabilities, known: NDArray[np.bool_] | None = None
) -> Confident:
    """Learns from probabilities which labels look wrong.

    Args:
        labels: the class of each row, as a number from 0.
        probabilities: of each row, out of a model that did not see its label.
        known: of which rows there are probabilities that mean something; None is of all. Nothing is learnt from the
            others, and none of them looks wrong.

    Example:
        >>> import numpy as np
        >>> from tasks.audit.labels.matrix import Held
        >>> said = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]], np.float32)
        >>> confident_learning(np.array([0, 0, 1, 1, 1]), Held(said)).wrong
        array([False, False,  True, False, False])
    """
    known = np.ones(labels.size, np.bool_) if known is None else known.copy()
    own = np.empty(labels.size)
    for rows, block in probabilities.blocks():
        own[rows] = block[np.arange(rows.size), labels[rows]]
    thresholds = _thresholds(labels[known], own[known], probabilities.classes)
    learnt = thresholds < _NEVER
    for _ in range(_ROUNDS):
        seen = _looked_at(labels, probabilities, thresholds)
        surely = np.where(known, seen.surely, -1)
        off = (surely >= 0) & (surely != labels) & (seen.likeliest != labels)
        unlearnt = _unlearnt(surely, seen.likeliest, off, probabilities.classes)
        if not unlearnt.any():
            break
        thresholds = np.where(unlearnt, _NEVER, thresholds)
        learnt &= ~unlearnt
        known &= learnt[labels]
    wrong = np.zeros(labels.size, np.bool_)
    order = np.argsort(np.where(known, own, np.inf), kind="stable")
    wrong[order[: int((off & known).sum())]] = True
    joint = _joint(labels[known], surely[known], probabilities.classes)
    sure = seen.confidence >= thresholds[seen.suggested] - _ROUNDING
    return Confident(own, seen.suggested, seen.confidence, sure, wrong, learnt, *joint)


class _Seen(NamedTuple):
    """What one look at all blocks tells of each row: the class that it is surely of, and others as in `Confident`."""

    surely: NDArray[np.int64]
    likeliest: NDArray[np.int64]
    suggested: NDArray[np.int64]
    confidence: NDArray[np.float64]


def _looked_at(labels: NDArray[np.int64], probabilities: Probabilities, thresholds: NDArray[np.float64]) -> _Seen:
    surely, likeliest, suggested = (np.full(labels.size, -1, np.int64) for _ in range(3))
    confidence = np.zeros(labels.size)
    for rows, block in probabilities.blocks():
        given, at = labels[rows], np.arange(rows.size)
        surely[rows] = _surely(block, thresholds)
        others = block.copy()
        others[at, given] = -1
        suggested[rows] = others.argmax(axis=1)
        confidence[rows] = others[at, suggested[rows]]
        # Likeliest of another class: by more than rounding, and where two are as likely the first counts.
        likeliest[rows] = _likeliest(block, given)
    return _Seen(surely, likeliest, suggested, confidence)


def _unlearnt(
    surely: NDArray[np.int64], likeliest: NDArray[np.int64], off: NDArray[np.bool_], classes: int
) -> NDArray[np.bool_]:
    """The classes of which rows are surely that are likelier of another one: more of them than of the others."""
    unlikely = np.bincount(surely[off & (surely != likeliest)], minlength=classes)
    likely = np.bincount(surely[(surely >= 0) & (surely == likeliest)], minlength=classes)
    return unlikely > likely


def _thresholds(labels: NDArray[np.int64], own: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    counts = np.bincount(labels, minlength=classes)
    means = np.bincount(labels, weights=own, minlength=classes) / np.maximum(counts, 1)
    # Nothing is surely of a class that no row carries.
    return np.where(counts > 0, np.maximum(means, _LOWEST_THRESHOLD), _NEVER)


def _surely(block: NDArray[np.float32], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The class that each row is surely of, the likeliest where it is so of several; -1 where it is of none."""
    sure = block >= thresholds - _ROUNDING
    several = sure.sum(axis=1)
    found = np.where(several > 1, block.argmax(axis=1), sure.argmax(axis=1))
    return np.where(several > 0, found, -1)


def _likeliest(block: NDArray[np.float32], given: NDArray[np.int64]) -> NDArray[np.int64]:
    favoured = block.copy()
    favoured[np.arange(given.size), given] += np.float32(_ROUNDING)
    likeliest: NDArray[np.int64] = np.argmax(favoured, axis=1)
    return likeliest


def _joint(
    labels: NDArray[np.int64], surely: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The pairs of classes that occur; each class at least once with itself, as in cleanlab."""
    known = surely >= 0
    pairs, rows = np.unique(labels[known] * classes + surely[known], return_counts=True)
    missing = np.setdiff1d(np.unique(labels) * (classes + 1), pairs)
    pairs, rows = np.concatenate([pairs, missing]), np.concatenate([rows, np.ones(missing.size, rows.dtype)])
    order = np.argsort(pairs, kind="stable")
    return pairs[order] // classes, pairs[order] % classes, rows[order]
