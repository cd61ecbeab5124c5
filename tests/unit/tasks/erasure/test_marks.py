"""Marks: a subject in clear and tombstones tell the same records, and a hash says nothing without its secret."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import RawFile
from tasks.erasure.marks import Subject, Tombstones, hashed, probes, quick_hashes

TEXTS = st.lists(st.none() | st.text(max_size=4), max_size=8)


@given(texts=TEXTS, values=st.sets(st.text(max_size=4), max_size=3), salt=st.binary(min_size=1, max_size=32))
def test_both_tell_the_same_rows(texts: list[str | None], values: set[str], salt: bytes) -> None:
    series = pl.Series(texts, dtype=pl.String)
    expected = [text in values for text in texts]
    hashes = {"c": frozenset(hashed(salt, "c", value) for value in values)}
    told = list(values)
    quick = {"c": frozenset(quick_hashes(salt, pl.Series(told, dtype=pl.String)))}
    kinds = (
        Subject("c", tuple(values)),
        Tombstones(("e",), salt, hashes, quick=quick),
        Tombstones(("e",), salt, hashes, slow=hashes),
    )
    for marks in kinds:
        assert marks.columns == ("c",)
        assert marks.among("c", series).to_list() == expected
        assert marks.among("d", series).to_list() == [False] * len(texts)


def test_a_hash_depends_on_salt_column_and_value() -> None:
    told = {hashed(*each) for each in [(b"a", "c", "v"), (b"b", "c", "v"), (b"a", "d", "v"), (b"a", "c", "w")]}
    assert len(told) == 4
    assert {len(each) for each in told} == {32}


def test_a_quick_hash_of_other_texts_alike_is_looked_at_in_earnest() -> None:
    texts = pl.Series(["a", "b"])
    every = {"c": frozenset(quick_hashes(b"s", texts))}
    marks = Tombstones(("e",), b"s", {"c": frozenset([hashed(b"s", "c", "a")])}, quick=every)
    assert marks.among("c", texts).to_list() == [True, False]
    assert probes(b"s") == probes(b"s") != probes(b"t")


def test_places_beyond_a_file_are_no_records_of_it() -> None:
    raw = RawFile("a.csv", 1, "aa", "csv", "none", 1, 0, records=2)
    marks = Tombstones(places={"aa": frozenset([1, 3]), "bb": frozenset([1])})
    assert list(marks.places_in([raw])) == [("aa", 1)]
