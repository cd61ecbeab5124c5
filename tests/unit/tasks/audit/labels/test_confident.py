from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.audit.labels import matrix
from tasks.audit.labels.confident import confident_learning
from tasks.audit.labels.matrix import Held, Mapped


def noisy(seed: int, rows: int, classes: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    true = np.concatenate([np.arange(classes), chance.integers(0, classes, rows - classes)])
    logits = chance.normal(size=(rows, classes))
    logits[np.arange(rows), true] += 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.where(chance.random(rows) < noise, chance.integers(0, classes, rows), true)
    labels[:classes] = np.arange(classes)  # cleanlab refuses a class that no row carries
    return labels.astype(np.int64), probabilities.astype(np.float32)


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(20, 200),
    classes=st.integers(2, 8),
    noise=st.sampled_from([0, 0.1, 0.4]),
)
def test_the_same_rows_look_wrong_as_to_cleanlab(seed: int, rows: int, classes: int, noise: float) -> None:
    from cleanlab.count import compute_confident_joint
    from cleanlab.filter import find_label_issues

    labels, probabilities = noisy(seed, rows, classes, noise)
    found = confident_learning(labels, Held(probabilities))
    assert found.wrong.tolist() == find_label_issues(labels, probabilities, filter_by="low_self_confidence").tolist()
    joint = np.zeros((classes, classes), int)
    joint[found.given, found.true] = found.rows
    assert joint.tolist() == compute_confident_joint(labels, probabilities, calibrate=False).tolist()


def test_neither_blocks_nor_a_file_change_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities = noisy(1, 500, 7, 0.2)
    whole = confident_learning(labels, Held(probabilities))
    monkeypatch.setattr(matrix, "BLOCK", 7 * 13)
    mapped = Mapped(str(tmp_path / "probabilities"), 500, 7)
    for rows in np.array_split(np.random.default_rng(0).permutation(500), 9):
        mapped.put(rows, probabilities[rows])
    for found in (confident_learning(labels, Held(probabilities)), confident_learning(labels, mapped)):
        assert all(np.array_equal(one, other) for one, other in zip(whole, found, strict=True))
    assert whole.wrong.any()


def test_nothing_is_said_of_rows_that_no_model_knew() -> None:
    labels, probabilities = noisy(2, 300, 4, 0.3)
    known = np.arange(300) % 3 > 0
    found = confident_learning(labels, Held(probabilities), known)
    alone = confident_learning(labels[known], Held(probabilities[known]))
    assert not found.wrong[~known].any()
    assert np.array_equal(found.wrong[known], alone.wrong)
