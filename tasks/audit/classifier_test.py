"""Classifier test: whether a model can tell the rows of two tables apart.

Belongs here: the classifier two-sample test (Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017,
section 3). Does not belong here: tests of single columns (shift). It sees what no column shows alone, such as two
columns that no longer go together; it needs scikit-learn.
"""

from __future__ import annotations

import importlib
import math

import numpy as np
import polars as pl

from schemas.errors import MissingExtraError
from tasks.audit.floats import floats, has_floats

#: Rows of each table that are looked at, and the fewest.
_ROWS, _FEWEST = 5_000, 100
#: Categories that a column may have for the model; rarer ones are one.
_CATEGORIES = 50


def classifier_test(now: pl.DataFrame, then: pl.DataFrame) -> tuple[float, float, int]:
    """Accuracy of a classifier on rows it has not seen, its p-value if both tables were alike, and how many rows.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        ensemble = importlib.import_module("sklearn.ensemble")
    except ImportError:
        raise MissingExtraError.of("scikit-learn", "labels") from None
    size = min(now.height, then.height, _ROWS)
    if size < _FEWEST:
        return 0.5, 1.0, 0
    both = pl.concat([_taken(then, size), _taken(now, size)], how="vertical_relaxed")
    features = np.column_stack([_feature(both[name]) for name in both.columns])
    side = np.repeat([0, 1], size)
    order = np.random.default_rng(0).permutation(2 * size)
    learnt, tried = order[:size], order[size:]
    model = ensemble.HistGradientBoostingClassifier(max_iter=60, random_state=0, early_stopping=False)
    model.fit(features[learnt], side[learnt])
    accuracy = float((model.predict(features[tried]) == side[tried]).mean())
    # Under the null the number of right guesses is binomial, which is near a normal distribution (section 3.1).
    z = (accuracy - 0.5) / math.sqrt(0.25 / tried.size)
    return accuracy, 0.5 * math.erfc(z / math.sqrt(2)), int(tried.size)


def _taken(rows: pl.DataFrame, size: int) -> pl.DataFrame:
    chosen = np.sort(np.random.default_rng(rows.height).permutation(rows.height)[:size])
    return rows[chosen]


def _feature(column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if has_floats(column.dtype):
        return floats(column).to_numpy().astype(np.float64)
    texts = column.cast(pl.String)
    counts = texts.drop_nulls().value_counts().sort("count", texts.name, descending=[True, False])
    codes = {value: code for code, value in enumerate(counts[texts.name][:_CATEGORIES])}
    known = texts.replace_strict(codes, default=_CATEGORIES, return_dtype=pl.Float64)
    return known.set(texts.is_null(), None).to_numpy().astype(np.float64)
