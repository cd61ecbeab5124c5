from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
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
    assume(found.learnt.all())  # what becomes of a class that was not is told below
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


def test_sure_is_what_is_as_likely_as_the_rows_that_carry_the_label() -> None:
    labels, probabilities = noisy(3, 400, 4, 0.2)
    found = confident_learning(labels, Held(probabilities))
    usual = [probabilities[labels == label, label].mean() for label in range(4)]
    as_likely = [
        confidence >= usual[label] - 1e-6 for confidence, label in zip(found.confidence, found.suggested, strict=True)
    ]
    assert found.sure.tolist() == as_likely
    assert 0 < found.sure[found.wrong].sum() < found.wrong.sum()


def with_a_class_that_nobody_learnt(rows: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three classes of which a model is rather sure, one in ten labels exchanged; and a fourth of a few rows.

    The model gives that one next to nothing anywhere, so that each row has as much of it as its own rows have.
    """
    chance = np.random.default_rng(4)
    true = chance.integers(0, 3, 600)
    mistaken = chance.random(600) < 0.2  # and then it is not so sure
    sure = np.where(mistaken, chance.uniform(0.35, 0.5, 600), chance.uniform(0.6, 0.9, 600))
    probabilities = np.repeat((1 - sure)[:, None] / 2, 4, axis=1)
    seen_as = np.where(mistaken, (true + 1) % 3, true)
    probabilities[np.arange(600), seen_as] = sure
    labels = np.where(chance.random(600) < 0.1, (true + 2) % 3, true)
    labels[:rows] = 3
    probabilities[:, 3] = chance.uniform(0.0001, 0.0003, 600)
    wrong = (labels != true) & (labels != 3)
    return labels.astype(np.int64), probabilities.astype(np.float32), wrong


def test_a_class_that_was_not_learnt_makes_no_other_label_look_wrong() -> None:
    labels, probabilities, wrong = with_a_class_that_nobody_learnt()
    others = labels != 3
    alone = confident_learning(labels[others], Held(probabilities[others, :3]))
    found = confident_learning(labels, Held(probabilities))
    assert found.learnt.tolist() == [True, True, True, False]
    assert found.wrong[others].tolist() == alone.wrong.tolist()
    assert not found.wrong[~others].any()
    assert 3 not in found.true
    # By cleanlab's rule every row that is likeliest of another class than its label would look wrong.
    from cleanlab.filter import find_label_issues

    theirs = find_label_issues(labels, probabilities, filter_by="low_self_confidence")
    assert wrong[found.wrong].mean() > 0.9 > 0.6 > wrong[theirs].mean()


def test_a_class_whose_rows_carry_other_labels_is_learnt_all_the_same() -> None:
    """Most rows of a new class came before it had a name; the model knows it by those that have it."""
    chance = np.random.default_rng(5)
    true = np.repeat([0, 1, 2], [200, 200, 120])
    probabilities = np.full((520, 3), 0.05) + chance.uniform(0, 0.01, (520, 3))
    probabilities[np.arange(520), true] = 0.9
    labels = np.where((true == 2) & (np.arange(520) < 490), 1, true)
    found = confident_learning(labels, Held(probabilities.astype(np.float32)))
    assert found.learnt.all()
    assert found.wrong.tolist() == (labels != true).tolist()
