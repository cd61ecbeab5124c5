"""Canonical forms: which spellings of a value are one, and which are not."""

from __future__ import annotations

import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dedupe.canonical import canonical_form, with_canonical

FORMS = ["unicode", "case", "accents", "punctuation", "whitespace", "number", "date"]


def of(text: str | None, *forms: str) -> str | None:
    return pl.DataFrame({"a": [text]}, schema={"a": pl.String}).select(canonical_form("a", forms)).item()


@pytest.mark.parametrize(
    ("forms", "one", "other"),
    [
        (["unicode"], "Jose\u0301", "José"),
        (["case"], "STRASSE", "straße"),
        (["case"], "JOSE\u0301", "josé"),
        (["accents"], "José", "Jose"),
        (["punctuation"], "O'Brien (jr.)", "OBrien jr"),
        (["whitespace"], "\u00a0a\t b ", "a b"),
        (["number"], "+007.50", "7.5"),
        (["number"], "-0.0", "0"),
        (["number"], "100", "100."),
        (["date"], "20261130", "2026/11/30"),
        (["whitespace", "accents", "case"], " MÜLLER", "Muller"),
    ],
)
def test_spellings_of_one_value_are_equal(forms: list[str], one: str, other: str) -> None:
    assert of(one, *forms) == of(other, *forms) is not None


@pytest.mark.parametrize(
    ("forms", "one", "other"),
    [
        ([], "a", "A"),
        (["case"], "é", "e"),
        (["accents"], "A", "a"),
        (["number"], "-1", "1"),
        (["number"], "10", "1"),
        (["number"], "1,5", "15"),
        (["number"], "0.05", "0.5"),
        (["date"], "2026-11-12", "2026-12-11"),
        (["date"], "2026-02-30", "2026-03-02"),
    ],
)
def test_other_values_stay_apart(forms: list[str], one: str, other: str) -> None:
    assert of(one, *forms) != of(other, *forms)


def test_what_nothing_is_left_of_is_missing() -> None:
    assert of(None, *FORMS) is of("", *FORMS) is of("!?", "punctuation") is of("  ", "whitespace") is None


@given(st.lists(st.none() | st.text(max_size=12), max_size=8), st.sets(st.sampled_from(FORMS)))
def test_a_canonical_value_is_its_own_whatever_the_normal_form(texts: list[str | None], forms: set[str]) -> None:
    def made(values: list[str | None]) -> list[str | None]:
        return pl.DataFrame({"a": values}, schema={"a": pl.String}).select(canonical_form("a", forms))["a"].to_list()

    found = made(texts)
    assert made([text and unicodedata.normalize("NFD", text) for text in texts]) == found
    assert made([text and unicodedata.normalize("NFC", text) for text in texts]) == found


def test_the_value_itself_stays_beside_its_form() -> None:
    made = with_canonical(pl.DataFrame({"a": ["É"], "b": [1]}), [("a", ("case", "accents"))])
    assert made.rows() == [("É", 1, "e")]
