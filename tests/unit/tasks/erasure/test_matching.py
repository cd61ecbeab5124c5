"""Matching: one canonical text for every way in which a dump writes a person's value."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
import pytest

from schemas import Dataset, Source, steps
from schemas.errors import DeclarationError
from tasks.erasure.marks import Subject
from tasks.erasure.matching import canonical_texts, in_bytes, in_cells, in_typed, words_of
from tasks.normalise.plan import NormalisePlan


class People(pa.DataFrameModel):
    number: int = pa.Field(metadata={"subject": True})
    mail: str = pa.Field(metadata={"subject": True})
    note: str = pa.Field(nullable=True)


DATASET = Dataset(
    model=People,
    source=Source("{partition}.csv", null_tokens=("NA",)),
    steps=(steps.strip("mail"), steps.lowercase("mail")),
)
PLAN = NormalisePlan(DATASET)


def test_which_columns_tell_a_person() -> None:
    assert DATASET.subjects == ("number", "mail")

    class Wrong(pa.DataFrameModel):
        height: float = pa.Field(metadata={"subject": True})

    with pytest.raises(DeclarationError, match="text or a whole number"):
        Dataset(model=Wrong, source=Source("{partition}.csv"))


def test_the_canonical_text_is_that_of_the_typed_value_or_what_the_steps_left() -> None:
    assert canonical_texts(PLAN, "number", ["007", " 7 ", "x7 ", "NA", "+7"]).to_list()[2:4] == ["x7", None]
    assert canonical_texts(PLAN, "number", ["007"]).to_list() == ["7"]
    assert canonical_texts(PLAN, "mail", [" Ada@X "]).to_list() == ["ada@x"]


def test_typed_rows_and_raw_cells() -> None:
    typed = pl.DataFrame({"number": [7, 8, None], "mail": ["a", "b", "c"]})
    subject = Subject("number", ("7",))
    assert typed.filter(in_typed(subject, typed.schema))["number"].to_list() == [7]
    assert typed.filter(in_typed(subject, ["mail"])).height == 0
    cells = pl.LazyFrame({"_record": [1, 2, 3], "number": ["007", "8", "x"], "gone": ["", "", ""]})
    assert in_cells(subject, PLAN, cells, ["_record"]).collect()["_record"].to_list() == [1]
    # A partition that was cleaned when there was no such column can't be told by it.
    assert in_cells(subject, PLAN, cells.drop("number"), ["_record"]).collect().height == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"1,Ada@X\n", b'1;"Ada@X', b"Ada@X\tb\n", b'{"mail": "\\u0041da@X", "n": ', b'{"mail":"ada@x"', b"see <ada@x>.",
        "1,ADA@X\n".encode("utf-16-le"), b"\xff,ada@x", b"'ada@x'",
    ],
)  # fmt: skip
def test_a_record_that_could_not_be_parsed_is_told_by_its_words(raw: bytes) -> None:
    frame = pl.DataFrame({"_raw": [raw, b"1,bada@x\n", b"", None]})
    assert frame.filter(in_bytes(Subject("mail", ("ada@x",)), PLAN))["_raw"].to_list() == [raw]


def test_words_are_fields_words_and_json_texts() -> None:
    assert {"Ada Lovelace", "Ada", "7"} <= words_of(b'7,"Ada Lovelace"\n')
    assert "Ada, L" in words_of(b'{"name": "Ada, L"')
