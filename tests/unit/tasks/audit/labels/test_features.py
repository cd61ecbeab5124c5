from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from schemas.labels import Labels
from tasks.audit.labels.features import CATEGORIES, choose, table, texts


def test_columns_are_chosen_by_what_they_hold() -> None:
    rows = 100
    frame = pl.DataFrame(
        {
            "id": [f"k{number}" for number in range(rows)],
            "text": [f"the text of row {number}" for number in range(rows)],
            "town": ["Ulm", "Bern"] * 50,
            "age": range(rows),
            "at": [dt.date(2026, 1, 1)] * rows,
            "empty": pl.Series([None] * rows, dtype=pl.String),
        }
    )
    chosen = choose(frame, Labels("y"), frame.columns)
    assert (chosen.text, chosen.kind) == (("text",), "text")
    chosen = choose(frame, Labels("y"), ["id", "town", "age", "at", "empty"])
    assert (chosen.features, chosen.left_out, chosen.kind) == (("town", "age", "at"), ("id", "empty"), "table")
    assert choose(frame, Labels("y", features=("id",)), ()).features == ("id",)
    assert texts(frame.with_columns(text=pl.lit(None, pl.String)), ["text", "town"])[0] == "Ulm"


def test_a_table_has_numbers_and_no_more_categories_than_boosting_takes() -> None:
    frame = pl.DataFrame(
        {
            "many": [f"{number:04}" for number in range(400)],
            "number": [1.5, float("inf"), None, float("nan")] * 100,
            "flag": [True, False] * 200,
            "at": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None] * 200,
        }
    )
    made = table(frame, frame.columns)
    assert made.categorical == [True, False, False, False]
    assert np.nanmax(made.values[:, 0]) == CATEGORIES - 1
    assert np.isnan(made.values[:, 0]).sum() == 400 - CATEGORIES
    assert np.isnan(made.values[:4, 1]).tolist() == [False, True, True, True]
    assert np.isfinite(made.values[0, 3])
