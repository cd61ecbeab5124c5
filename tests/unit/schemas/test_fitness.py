"""Policies of fitness refuse what can't be meant, and their defaults do nothing."""

from __future__ import annotations

from collections.abc import Callable

import pandera.polars as pa
import polars as pl
import pytest

from schemas import Coverage, Dataset, Group, Leakage, Shift, Source, Split
from schemas.categories import categories_of
from schemas.errors import DeclarationError, UnknownNameError


class Rows(pa.DataFrameModel):
    user: str
    amount: float
    day: pl.Date
    sex: str = pa.Field(isin=["m", "f"], metadata={"personal": True})
    town: str = pa.Field(metadata={"personal": True})
    level: pl.Enum = pa.Field(dtype_kwargs={"categories": ["low", "high"]})
    flag: bool


def declared(**policies: object) -> Dataset:
    return Dataset(model=Rows, source=Source("{partition}/*.csv"), **policies)  # type: ignore[arg-type]  # tried here


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Split(), "neither or both"),
        (lambda: Split(by="a", at="b", test=0.1), "neither or both"),
        (lambda: Split(by="a"), "are 0 of all"),
        (lambda: Split(by="a", test=0.6, validation=0.4), "are 1 of all"),
        (lambda: Split(by="a", test=float("nan")), "Split"),
        (lambda: Split(by="a", test=0.1, test_from="2026-01-01"), "moments without"),
        (lambda: Split(at="a"), "no moment"),
        (lambda: Split(at="a", test=0.1, test_from="2026-01-01"), "no shares"),
        (lambda: Split(at="a", test_from="soon"), "is no moment"),
        (lambda: Split(at="a", test_from="2026-01-01", validation_from="2026-01-01"), "not after"),
        (lambda: Split(by="a", test=0.1, column="_split"), "column"),
        (lambda: Group(()), "one or several"),
        (lambda: Group("a", bands={"b": (1,)}), "not in `by`"),
        (lambda: Group("a", bands={"a": (2, 1)}), "do not rise"),
        (lambda: Group("a", reference={"x": 0.5}), "sum to 0.5"),
        (lambda: Group(("a", "b"), reference={"x": 1.0}), "several columns"),
        (lambda: Leakage(feature_times=("a",)), "without event_time"),
        (lambda: Split(by="a", tset=0.1), "Did you mean test"),  # type: ignore[call-arg]  # typos: on purpose
    ],
)
def test_what_can_not_be_meant_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        make()


@pytest.mark.parametrize(
    "policies",
    [
        {"split": Split(by="amount", test=0.1)},
        {"split": Split(at="user", test_from="2026-01-01")},
        {"split": Split(by="user", test=0.1, column="town")},
        {"coverage": Coverage(groups=(Group("town"),))},
        {"shift": Shift(against="test")},
    ],
)
def test_what_does_not_fit_the_model_is_refused(policies: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        declared(**policies)


@pytest.mark.parametrize(
    "policies",
    [
        {"split": Split(by="usr", test=0.1)},
        {"split": Split(by="user", test=0.1, stratify="sexx")},
        {"coverage": Coverage(groups=(Group("lev"),))},
        {"coverage": Coverage(groups=(Group("level"),), label="flg")},
        {"leakage": Leakage(label="flg")},
        {"shift": Shift(columns=("amout",))},  # typos: on purpose
        {"shift": Shift(label="flg")},
    ],
)
def test_a_misspelt_column_is_told_with_the_nearest(policies: dict[str, object]) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean"):
        declared(**policies)


def test_declared_categories_are_known_in_a_stable_order() -> None:
    assert categories_of(Rows) == {"sex": ("f", "m"), "level": ("low", "high"), "flag": (False, True)}


def test_the_splits_column_may_be_a_group_and_nothing_is_declared_by_default() -> None:
    dataset = declared(split=Split(by="user", test=0.1), coverage=Coverage(groups=(Group(("split", "sex")),)))
    assert dataset.split is not None
    plain = declared()
    assert (plain.split, plain.coverage, plain.leakage, plain.shift) == (None, None, None, None)


def test_shares_are_written_as_they_were_said() -> None:
    assert Split(by="a", test=0.1, validation=0.2).shares == {"train": 0.7, "validation": 0.2, "test": 0.1}
