"""Labelled: cases about labels that look wrong.

Belongs here: what a process of its own does: planted noise in public data, and a matrix of probabilities that no
memory holds. Does not belong here: which are compared (labels).

The data is read from archives that `make install` fetched, from inside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tests.benchmarks.measured import Parts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from schemas.labels import Labels

    Work = Callable[[], Parts]

_TOP = 0.05


class _Planted(NamedTuple):
    frame: pl.DataFrame
    policy: Labels
    columns: list[str]
    wrong: NDArray[np.bool_]


def _adult() -> pl.DataFrame:
    from tests.archives import adult

    numbers = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
    return adult().with_columns(pl.col(numbers).cast(pl.Float64)).rename({"income": "label"})


def _planted(data: str, noise: float) -> _Planted:
    from schemas.labels import Labels
    from tests.archives import newsgroups

    frame = newsgroups() if data == "newsgroups" else _adult()
    labels = frame.get_column("label").to_numpy()
    names, codes = np.unique(labels, return_inverse=True)
    chance = np.random.default_rng(1)
    rows = chance.choice(labels.size, int(noise * labels.size), replace=False)
    codes[rows] = (codes[rows] + chance.integers(1, names.size, rows.size)) % names.size
    columns = [name for name in frame.columns if name != "label"]
    given = names[codes]
    return _Planted(frame.with_columns(label=pl.Series(given)), Labels("label"), columns, given != labels)


def labels_found(_folder: Path, data: str, noise: str) -> Work:
    """Looks for planted errors without being given a model."""
    from tasks.audit.labels.audit import audit

    planted = _planted(data, float(noise))

    def work() -> Parts:
        found = audit(planted.frame, planted.policy, planted.columns)
        issues = found.scores.filter("issue").get_column("_row").to_numpy()
        doubtful = found.scores.sort("score", "_row").get_column("_row").to_numpy()
        top = planted.wrong[doubtful[: int(_TOP * planted.frame.height)]].mean()
        return Parts(answer=f"{_told(issues, planted.wrong)}, {top:.3f} in the top 5 %", rows=planted.frame.height)

    return work


def labels_by_hand(_folder: Path, data: str, noise: str) -> Work:
    """cleanlab by hand on the same probabilities, by the same and by its own default filter."""
    from cleanlab.filter import find_label_issues

    from tasks.audit.labels.audit import _model  # the same model, fitted in the same folds
    from tasks.audit.labels.baselines import folds_of, out_of_fold
    from tasks.audit.labels.features import choose
    from tasks.audit.labels.matrix import Held

    planted = _planted(data, float(noise))

    def work() -> Parts:
        codes = np.unique(planted.frame.get_column("label").to_numpy(), return_inverse=True)[1].astype(np.int64)
        classes = int(codes.max()) + 1
        chosen = choose(planted.frame, planted.policy, planted.columns)
        room = Held(np.zeros((codes.size, classes), np.float32))
        model, fold = _model(planted.frame, chosen, classes, 0), folds_of(codes, None, 5, 0)
        out_of_fold(model, codes, fold, room, progress=lambda _what, _share: None)
        told = []
        for name in ("low_self_confidence", "prune_by_noise_rate"):
            found = np.flatnonzero(find_label_issues(codes, room.matrix, filter_by=name, n_jobs=1))
            told.append(f"{name} {_told(found, planted.wrong)}")
        return Parts(answer="; ".join(told), rows=codes.size)

    return work


def _told(found: NDArray[np.int64], wrong: NDArray[np.bool_]) -> str:
    hits = wrong[found].sum()
    return f"precision {hits / max(found.size, 1):.3f} recall {hits / wrong.sum():.3f}"


def labels_many(folder: Path, rows: str, classes: str) -> Work:
    """Confident learning over probabilities in a file, made here block by block."""
    from tasks.audit.labels.confident import confident_learning
    from tasks.audit.labels.matrix import Mapped

    labels, blocks = _blocks(int(rows), int(classes))

    def work() -> Parts:
        (folder / "spill").mkdir(parents=True, exist_ok=True)
        room = Mapped(str(folder / "spill" / "probabilities"), int(rows), int(classes))
        for numbers, block in blocks():
            room.put(numbers, block)
        found = confident_learning(labels, room)
        return Parts(answer=f"{int(found.wrong.sum()):,} issues", rows=int(rows))

    return work


def labels_cleanlab(_folder: Path, rows: str, classes: str) -> Work:
    """cleanlab over the same probabilities, which it takes as one array."""
    from cleanlab.filter import find_label_issues

    labels, blocks = _blocks(int(rows), int(classes))

    def work() -> Parts:
        matrix = np.concatenate([block for _, block in blocks()])
        found = find_label_issues(labels, matrix, filter_by="low_self_confidence", n_jobs=1)
        return Parts(answer=f"{int(found.sum()):,} issues", rows=int(rows))

    return work


def _blocks(rows: int, classes: int) -> tuple[NDArray[np.int64], Callable[[], object]]:
    """Labels, and probabilities that speak for them in nine of ten rows."""
    labels = np.random.default_rng(0).permutation(np.arange(rows) % classes)
    true = np.where(np.random.default_rng(1).random(rows) < 0.1, np.roll(labels, 1), labels)

    def blocks() -> object:
        chance, step = np.random.default_rng(2), max(1, (1 << 22) // classes)
        for start in range(0, rows, step):
            numbers = np.arange(start, min(rows, start + step))
            block = chance.random((numbers.size, classes), np.float32)
            block[np.arange(numbers.size), true[numbers]] += classes / 2
            yield numbers, block / block.sum(axis=1, keepdims=True)

    return labels, blocks


CASES = {
    "labels_found": labels_found,
    "labels_by_hand": labels_by_hand,
    "labels_many": labels_many,
    "labels_cleanlab": labels_cleanlab,
}
