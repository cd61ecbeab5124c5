"""Load: what `winnow export --for sklearn` and `--for torch` wrote, as arrays.

Belongs here: `X, y = load(folder, "train")`. Does not belong here: writing it (fit). It needs numpy and polars alone:

    from tasks.export.load import load
    X, y = load("export", "train")
    model.fit(X, y)                                             # scikit-learn
    X, y = map(torch.from_numpy, load("export", "train"))       # PyTorch, of an export for torch
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from schemas.errors import UsageError, shown
from tasks.export.features import Feature, Label
from tasks.store.faults import translated

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Name of the file that tells what the others hold.
DESCRIPTION = "features.json"


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an export holds. It follows from the version and the declaration alone."""

    dataset: str
    version: int
    digest: str
    """Of the version's content."""
    form: str
    """sklearn, torch or hf."""
    label: Label
    features: tuple[Feature, ...]
    rows: dict[str, int]
    """Of each split."""
    without_label: int = 0
    """Rows left out: their label is missing, or none that the train split or the declaration knows."""
    format: int = 1


def described(folder: str | Path) -> Description:
    """What an export holds.

    Raises:
        UsageError: there is none.
    """
    path = Path(folder) / DESCRIPTION
    if not path.is_file():
        fix = "Make one: winnow export DATASET DIR --for sklearn"
        raise UsageError("there is no export for fitting", where=shown(path), fix=fix)
    with translated("read", str(path)):
        return msgspec.json.decode(path.read_bytes(), type=Description)


def load(folder: str | Path, split: str = "train") -> tuple[NDArray[Any], NDArray[Any]]:
    """Features and labels of a split.

    Numbers are mapped from the files, not read, and can be written to without changing those. Where the only feature is
    a text, X holds the texts.

    Args:
        folder: as it was given to `winnow export`.
        split: train, validation or test.

    Raises:
        UsageError: there is no such export or split, or it is one for another library.
    """
    found = described(folder)
    if split not in found.rows:
        raise UsageError(f"there is no split {shown(split)}", expected=" or ".join(found.rows), where=shown(folder))
    if found.form == "hf":
        fix = 'Read it with datasets.load_dataset("parquet", data_dir=DIR).'
        raise UsageError("the export is for Hugging Face datasets", where=shown(folder), fix=fix)
    y = np.load(Path(folder) / f"{split}-y.npy", mmap_mode="c")
    if any(feature.names for feature in found.features):
        return np.load(Path(folder) / f"{split}-x.npy", mmap_mode="c"), y
    (column,) = (feature.column for feature in found.features)
    return texts(folder, split, column), y


def texts(folder: str | Path, split: str, column: str) -> NDArray[Any]:
    """The texts of a split, in the order of its rows; a missing one is empty."""
    import polars as pl

    frame = pl.read_parquet(Path(folder) / f"{split}-text.parquet", columns=[column])
    return frame[column].fill_null("").to_numpy()
