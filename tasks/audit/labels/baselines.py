"""Baselines: probabilities of each row's classes by a model that did not see its label, without being given a model.

Belongs here: folds, the models, and their probabilities row by row. Does not belong here: which columns they read
(features), or what the probabilities say of a label (confident).

Text: TF-IDF of hashed words, and a linear model fitted by stochastic gradient descent. Tables: histogram gradient
boosting. Where there are so many classes that one of these would take hours, multinomial naive Bayes over the same
words, or over the table's values cut at quantiles.

The same rows give the same probabilities: every model is seeded, and fitted by one thread, since sums that several
threads add up differ in their last digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from tasks.audit.labels.matrix import BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tasks.audit.labels.features import Table

#: Most classes for which a model with a part for each class is fitted by many rounds.
MOST_CLASSES = {"text": 256, "table": 32}
#: Weights of a model over text, words by classes: 256 MB of double precision; and the fewest and the most words.
_WEIGHTS, _FEWEST_WORDS, _MOST_WORDS = 1 << 25, 1 << 12, 1 << 18
#: Parts that a number is cut into where a table goes to naive Bayes.
_QUANTILES = 16

#: Says what is done, and the share of it from 0 to 1.
Progress = Any


class Room(Protocol):
    """Where probabilities are put; see `matrix`."""

    def put(self, rows: NDArray[np.int64], block: NDArray[np.float32]) -> None:
        """Enters the probabilities of some rows."""
        ...


class Model(NamedTuple):
    """A model to be fitted, and what it reads.

    Attributes:
        name: in words.
        matrix: what it reads, row by row.
        make: makes one that is not fitted.
    """

    name: str
    matrix: Any
    make: Callable[[], Any]


def folds_of(labels: NDArray[np.int64], groups: NDArray[np.int64] | None, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row: the labels spread evenly, or whole groups at random.

    Example:
        >>> folds_of(np.array([0, 0, 0, 1, 1, 1]), None, 3, 0).tolist()
        [2, 0, 1, 2, 1, 0]
    """
    chance = np.random.default_rng(seed)
    if groups is not None:
        _, numbers = np.unique(groups, return_inverse=True)
        return (chance.permutation(int(numbers.max(initial=0)) + 1) % folds)[numbers]
    found = np.empty(labels.size, np.int64)
    shuffled = chance.permutation(labels.size)
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # One class goes on where the last one ended, so that rare ones don't all come into the first folds.
    found[by_class] = np.arange(labels.size) % folds
    return found


def text_model(texts: list[str], classes: int, seed: int) -> Model:
    """The model over texts."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import SGDClassifier

    words = 1 << int(np.log2(np.clip(_WEIGHTS // max(1, classes), _FEWEST_WORDS, _MOST_WORDS)))
    counts = HashingVectorizer(n_features=words, alternate_sign=False, norm=None, dtype=np.float32).transform(texts)
    matrix = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    if classes > MOST_CLASSES["text"]:
        return Model("naive Bayes over words", matrix, _naive_bayes)

    def make() -> Any:  # noqa: ANN401  # scikit-learn has no types
        return SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=8, tol=None, random_state=seed)

    return Model("linear model over words (TF-IDF)", matrix, make)


def table_model(table: Table, classes: int, seed: int) -> Model:
    """The model over a table."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    if classes > MOST_CLASSES["table"]:
        return Model("naive Bayes over the table's values", _indicators(table), _naive_bayes)

    def make() -> Any:  # noqa: ANN401  # as above
        return HistGradientBoostingClassifier(
            max_iter=100, early_stopping=False, categorical_features=table.categorical, random_state=seed
        )

    return Model("histogram gradient boosting", table.values, make)


def _naive_bayes() -> Any:  # noqa: ANN401  # as above
    from sklearn.naive_bayes import MultinomialNB

    return MultinomialNB(alpha=0.01)


def _indicators(table: Table) -> Any:  # noqa: ANN401  # as above
    """A column for each category and each part of a number, with 1 where a row has it."""
    from scipy import sparse

    parts = []
    for column, categorical in zip(table.values.T, table.categorical, strict=True):
        known = ~np.isnan(column)
        codes = column
        if not categorical:
            cuts = np.quantile(column[known], np.linspace(0, 1, _QUANTILES + 1)[1:-1]) if known.any() else []
            codes = np.searchsorted(cuts, column).astype(np.float64)
        width = int(codes[known].max(initial=-1)) + 1
        rows = np.flatnonzero(known)
        ones = np.ones(rows.size, np.float32)
        parts.append(sparse.csr_matrix((ones, (rows, codes[known].astype(np.int64))), (column.size, max(1, width))))
    return sparse.hstack(parts, format="csr")


def out_of_fold(
    model: Model, labels: NDArray[np.int64], fold: NDArray[np.int64], room: Room, *, progress: Progress
) -> NDArray[np.bool_]:
    """Puts each row's probabilities into a room, by a model that was fitted on the other folds.

    Args:
        model: what is fitted.
        labels: the class of each row; every class has rows.
        fold: the fold of each row.
        room: takes the probabilities; all rows, once.
        progress: told after each fold what was done, and the share of it.

    Returns:
        For each row whether its own class was among those that its model saw: of the others nothing can be said.
    """
    from threadpoolctl import ThreadpoolController

    one_thread = ThreadpoolController()
    classes = int(labels.max(initial=0)) + 1
    seen = np.zeros(labels.size, np.bool_)
    numbers = np.unique(fold)
    for done, number in enumerate(numbers):
        held = np.flatnonzero(fold == number)
        others = np.flatnonzero(fold != number)
        with one_thread.limit(limits=1):
            fitted = model.make().fit(model.matrix[others], labels[others])
            known = np.asarray(fitted.classes_, np.int64)
            seen[held] = np.isin(labels[held], known)
            step = max(1, BLOCK // 2 // classes)
            for start in range(0, held.size, step):
                rows = held[start : start + step]
                block = np.zeros((rows.size, classes), np.float32)
                block[:, known] = fitted.predict_proba(model.matrix[rows])
                room.put(rows, block)
        progress(f"{model.name}, fold {done + 1} of {numbers.size}", (done + 1) / numbers.size)
    return seen
