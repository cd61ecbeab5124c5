"""Expressions: what each step does to one cell, and whether that changed its value."""

from __future__ import annotations

import polars as pl
import pytest

from schemas import steps
from schemas.errors import UnknownNameError
from tasks.normalise.expressions import altered, applied

MPH = {"mph": 1.0, "kt": 1.25}


def after(step: steps.Step, text: str | None) -> object:
    return pl.select(applied(step, pl.lit(text, pl.String))).item()


def is_repair(step: steps.Step, text: str | None) -> object:
    cell = pl.lit(text, pl.String)
    return pl.select(altered(step, cell, applied(step, cell))).item()


@pytest.mark.parametrize(
    ("step", "text", "expected"),
    [
        (steps.strip("c"), "\t a b\n", "a b"),
        (steps.collapse_whitespace("c"), "a \t\n b", "a b"),
        (steps.nfc("c"), "e\u0301", "é"),
        (steps.nfc("c"), "plain", "plain"),
        (steps.lowercase("c"), "ÀB", "àb"),
        (steps.uppercase("c"), "àb", "ÀB"),
        (steps.null_tokens("c", tokens=["-", "n/a"]), " n/a ", None),
        (steps.null_tokens("c", tokens=["-", "n/a"]), "n/a?", "n/a?"),
        (steps.number("c"), "1,234,567.5", "1234567.5"),
        (steps.number("c"), "1,2,3", "1,2,3"),
        (steps.number("c"), "12,34", "12,34"),
        (steps.number("c", thousands=".", decimal=","), "1.234,5", "1234.5"),
        (steps.number("c", thousands=".", decimal=","), "1.5", "1.5"),
        (steps.number("c", thousands="", decimal=","), "1234,5", "1234.5"),
        (steps.number("c"), "abc", "abc"),
        (steps.units("c", factors=MPH), "12.50 mph", "12.50"),
        (steps.units("c", factors=MPH), "10kt", "12.5"),
        (steps.units("c", factors=MPH), "10 knots", "10 knots"),
        (steps.units("c", factors=MPH), "١٢ kt", "١٢ kt"),
        (steps.units("c", factors=MPH), "1e400 kt", "1e400 kt"),
        (steps.units("c", factors={"": 1, "k": 1000}), "4k", "4000"),
        (steps.units("c", factors=MPH), "10", "10"),
        (steps.booleans("c"), " YES ", "true"),
        (steps.booleans("c", true=["oui"], false=["non"]), "Non", "false"),
        (steps.booleans("c"), "maybe", "maybe"),
        (steps.synonyms("c", spellings={"AIRBUS INDUSTRIE": "AIRBUS"}), "AIRBUS INDUSTRIE", "AIRBUS"),
        (steps.synonyms("c", spellings={"AIRBUS INDUSTRIE": "AIRBUS"}), "BOEING", "BOEING"),
    ],
    ids=lambda value: value.name if isinstance(value, steps.Step) else repr(value),
)
def test_a_step_changes_a_cell(step: steps.Step, text: str, expected: str | None) -> None:
    assert after(step, text) == expected
    assert after(step, None) is None


@pytest.mark.parametrize(
    ("step", "text", "expected"),
    [
        (steps.strip("c"), " a ", False),
        (steps.number("c"), "1,000", False),
        (steps.booleans("c"), "YES", False),
        (steps.null_tokens("c", tokens=["-"]), "-", False),
        (steps.lowercase("c"), "A", True),
        (steps.lowercase("c"), "a", False),
        (steps.units("c", factors=MPH), "10 kt", True),
        (steps.units("c", factors=MPH), "10 mph", False),
        (steps.synonyms("c", spellings={"x": "y"}), "x", True),
        (steps.lowercase("c"), None, False),
    ],
)
def test_a_repair_is_a_changed_value_not_another_writing(step: steps.Step, text: str | None, expected: bool) -> None:
    assert is_repair(step, text) is expected


def test_every_step_has_an_expression() -> None:
    for step in steps.Step.__subclasses__():
        assert applied.dispatch(step) is not applied.dispatch(steps.Step), step.__name__


def test_masking_is_counted_by_kind_and_leaves_what_is_none() -> None:
    text = pl.Series(["mail a@b.example now", "call +49 30 1234567", None, "plain"])
    masks = steps.mask("c", kinds=("email", "phone"))
    assert [step.name for step in masks] == ["mask_email", "mask_phone"]
    for step in masks:
        text = text.to_frame("c").select(applied(step, pl.col("c")))["c"]
    assert text.to_list() == ["mail [EMAIL] now", "call [PHONE]", None, "plain"]


def test_an_unknown_kind_of_personal_data_is_told() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean phone"):
        steps.mask("c", kinds=("phon",))  # type: ignore[arg-type]  # what is tried
