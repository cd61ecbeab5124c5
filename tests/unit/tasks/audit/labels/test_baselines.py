from __future__ import annotations

import numpy as np
import pytest

from tasks.audit.labels import baselines
from tasks.audit.labels.baselines import folds_of, out_of_fold, table_model, text_model
from tasks.audit.labels.features import Table
from tasks.audit.labels.matrix import Held


def test_folds_spread_labels_evenly_or_keep_groups_whole() -> None:
    labels = np.repeat([0, 1, 2], [50, 20, 5])
    fold = folds_of(labels, None, 5, seed=3)
    for label, rows in ((0, 10), (1, 4), (2, 1)):
        assert np.bincount(fold[labels == label], minlength=5).tolist() == [rows] * 5
    groups = np.arange(75) // 5
    whole = folds_of(labels, groups, 5, seed=3)
    assert all(len(set(whole[groups == group])) == 1 for group in range(15))
    assert len(set(whole)) == 5
    assert np.array_equal(fold, folds_of(labels, None, 5, seed=3))
    assert not np.array_equal(fold, folds_of(labels, None, 5, seed=4))


@pytest.mark.parametrize("most", [256, 1])
@pytest.mark.parametrize("kind", ["text", "table"])
def test_each_baseline_learns_without_a_rows_own_label(kind: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(baselines.MOST_CLASSES, kind, most)
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 2, 200)
    if kind == "text":
        words = [["cat", "purr", "milk"], ["car", "road", "wheel"]]
        model = text_model([" ".join(chance.choice(words[label], 3)) for label in labels], 2, seed=0)
    else:
        values = np.column_stack([labels + chance.normal(0, 0.2, 200), chance.integers(0, 3, 200)])
        values[::50, 0] = np.nan
        model = table_model(Table(values, [False, True]), 2, seed=0)
    told: list[float] = []
    room = Held(np.zeros((200, 2), np.float32))
    fold = folds_of(labels, None, 5, seed=0)
    seen = out_of_fold(model, labels, fold, room, progress=lambda _what, share: told.append(share))
    assert seen.all()
    assert told == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert np.mean(room.matrix.argmax(axis=1) == labels) > 0.9
    assert np.allclose(room.matrix.sum(axis=1), 1, atol=1e-5)
    # Were a row's own label known, random labels could be told.
    random = chance.integers(0, 2, 200)
    out_of_fold(model, random, fold, room, progress=lambda _what, _share: None)
    assert np.mean(room.matrix.argmax(axis=1) == random) < 0.65


def test_a_label_that_a_fold_never_saw_is_told() -> None:
    labels = np.array([0] * 20 + [1] * 20 + [2] * 5)
    groups = np.concatenate([np.arange(40), np.full(5, 99)])
    model = text_model([f"word{label}" for label in labels], 3, seed=0)
    room = Held(np.zeros((45, 3), np.float32))
    seen = out_of_fold(model, labels, folds_of(labels, groups, 5, 0), room, progress=lambda _what, _share: None)
    assert seen.tolist() == [True] * 40 + [False] * 5
