"""Plan: the order of changes, the repairs they leave, and what is only counted."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from schemas import Correction, Dataset, Source, steps
from schemas.records import StepCount
from tasks.normalise.plan import NormalisePlan


class Winds(pa.DataFrameModel):
    origin: str
    speed: float = pa.Field(nullable=True)
    label: str = pa.Field(nullable=True)


DATASET = Dataset(
    model=Winds,
    source=Source("w/{partition}/*.csv", null_tokens=["", "NA"]),
    steps=[steps.strip("label"), steps.lowercase("label"), steps.synonyms("label", spellings={"windy": "wind"})],
    corrections=[Correction("speed", where={"origin": "EWR"}, expect="1048.36", value=None, reason="sensor fault")],
)

RECORDS = pl.DataFrame(
    {
        "_file": ["f"] * 4,
        "_record": [1, 2, 3, 4],
        "origin": ["EWR", "JFK", "LGA", "EWR"],
        "speed": ["1048.36", "7", "NA", "x"],
        "label": [" Windy", "calm", None, "NA "],
    }
)


def test_text_becomes_typed_values_with_one_repair_for_each_changed_value() -> None:
    plan = NormalisePlan(DATASET)
    done = plan.applied(RECORDS.lazy())
    values = done.select("origin", "speed", "label").collect()
    assert values.to_dict(as_series=False) == {
        "origin": ["EWR", "JFK", "LGA", "EWR"],
        "speed": [None, 7.0, None, None],
        "label": ["wind", "calm", None, None],
    }
    touched = done.filter(plan.touched()).select("_file", "_record", *plan.texts())
    assert plan.repairs(touched, ["_file", "_record"]).collect().rows() == [
        ("f", 1, "speed", "correction", "1048.36", None, "sensor fault"),
        ("f", 1, "label", "lowercase", "Windy", "windy", None),
        ("f", 1, "label", "synonyms", "windy", "wind", None),
    ]


def test_formatting_is_counted_for_each_column_and_step() -> None:
    plan = NormalisePlan(DATASET)
    counted = plan.applied(RECORDS.lazy()).select(plan.counts()).collect().row(0, named=True)
    assert plan.step_counts(counted) == (
        StepCount("speed", "correction", 1, changed_value=True),
        StepCount("speed", "null_tokens", 1, changed_value=False),
        StepCount("label", "null_tokens", 1, changed_value=False),
        StepCount("label", "strip", 1, changed_value=False),
        StepCount("label", "lowercase", 1, changed_value=True),
        StepCount("label", "synonyms", 1, changed_value=True),
    )


def test_text_that_is_no_value_is_uncastable_and_missing_text_is_not() -> None:
    plan = NormalisePlan(DATASET)
    frame = plan.applied(RECORDS.lazy()).select(plan.uncastable()["speed"].alias("broken")).collect()
    assert frame["broken"].to_list() == [False, False, False, True]


def test_a_correction_that_finds_its_row_but_another_cell_is_unexpected() -> None:
    plan = NormalisePlan(DATASET)
    frame = plan.applied(RECORDS.lazy()).select(plan.unexpected()["speed"].alias("broken")).collect()
    assert frame["broken"].to_list() == [False, False, False, True]


def test_cleaning_clean_text_changes_nothing() -> None:
    plan = NormalisePlan(DATASET)
    clean = pl.DataFrame({"_file": ["f"], "_record": [1], "origin": ["JFK"], "speed": ["7.0"], "label": ["wind"]})
    done = plan.applied(clean.lazy())
    assert done.filter(plan.touched()).collect().is_empty()
    assert plan.step_counts(done.select(plan.counts()).collect().row(0, named=True)) == ()


class Prices(pa.DataFrameModel):
    price: float


def test_a_number_with_its_separators_astray_is_no_number() -> None:
    german = Dataset(
        model=Prices, source=Source("{partition}.csv"), steps=[steps.number("price", thousands=".", decimal=",")]
    )
    plan = NormalisePlan(german)
    texts = ["1.234,5", "1.5", "1.2345", "1.234", "7"]
    done = plan.applied(pl.LazyFrame({"price": texts})).with_columns(plan.uncastable()["price"].alias("broken"))
    assert done.select("price", "broken").collect().rows() == [
        (1234.5, False),
        (None, True),
        (None, True),
        (1234.0, False),
        (7.0, False),
    ]
