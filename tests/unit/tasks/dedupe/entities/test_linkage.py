"""Linkage: records of one person are found, the same ones each time, and blocks that explode are refused before."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from schemas import Entities
from schemas.errors import DeclarationError, GateError, MissingExtraError
from tasks.dedupe.entities.linkage import PAIRS, check_blocks, linked

PERSONS = Entities(
    fields={
        "given_name": "name",
        "surname": "name",
        "street_number": "code",
        "address_1": "name",
        "suburb": "name",
        "postcode": "code",
        "date_of_birth": "code",
        "soc_sec_id": "code",
    },
    blocking=[["soc_sec_id"], ["date_of_birth"], ["given_name", "surname"], ["surname", "postcode"]],
    match=0.9,
)


def persons(corpora: Path) -> pl.DataFrame:
    rows = pl.read_csv(corpora / "entities" / "febrl3.csv", infer_schema=False)
    stripped = rows.rename({name: name.strip() for name in rows.columns}).with_columns(pl.all().str.strip_chars())
    return stripped.with_columns(pl.all().replace("", None))


@pytest.mark.slow
def test_the_pairs_of_febrl3_are_found_and_hardly_another_one(corpora: Path) -> None:
    rows = persons(corpora)
    entity = rows["rec_id"].str.extract(r"rec-(\d+)")
    planted = sum(count * (count - 1) // 2 for count in Counter(entity).values())
    found = linked(rows.drop("rec_id"), PERSONS)
    right = int((entity.gather(found["one"]) == entity.gather(found["other"])).sum())
    precision, recall = right / found.height, right / planted
    assert 2 * precision * recall / (precision + recall) >= 0.985
    assert (found["one"] > found["other"]).all()


@pytest.mark.slow
def test_the_same_records_have_the_same_probabilities_to_the_last_bit(corpora: Path) -> None:
    few = persons(corpora).head(600).drop("rec_id")
    first = linked(few, PERSONS)
    assert first.height
    assert first.equals(linked(few, PERSONS))


def test_blocks_that_explode_are_refused_before_anything_is_compared() -> None:
    records = pl.DataFrame({"town": ["Ulm"] * 5_000 + [None] * 9, "name": [str(n) for n in range(5_009)]})
    entities = Entities(fields={"name": "name"}, blocking=[["town", "name"], ["town"]], max_pairs=10_000)
    with pytest.raises(GateError, match="blocking by town compares 12,497,500 pairs of records, 5,000 records in one"):
        linked(records, entities)


def test_a_missing_extra_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "splink", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'winnow\[entities\]'"):
        linked(pl.DataFrame({"name": ["a", "a"]}), Entities(fields={"name": "name"}, blocking=[["name"]]))


def test_missing_values_are_in_no_block() -> None:
    records = pl.DataFrame({"name": ["a", "a", None, None]})
    assert check_blocks(records, Entities(fields={"name": "name"}, blocking=[["name"]])) == [1]


def test_records_of_which_none_are_in_one_block_have_no_pairs() -> None:
    records = pl.DataFrame({"name": ["a", "b"]})
    assert linked(records, Entities(fields={"name": "name"}, blocking=[["name"]])).equals(pl.DataFrame(schema=PAIRS))


@pytest.mark.parametrize("settings", [{"blocking": [[]]}, {"match": 0.8, "review": 0.9}, {"fields": {}}])
def test_a_declaration_that_makes_no_sense_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        Entities(**{"fields": {"name": "name"}, "blocking": [["name"]], **settings})
