"""The digest: content and nothing else, in a form that any tool can compute."""

from __future__ import annotations

import hashlib
import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Books, PartitionEntry, RawFile
from tasks.publish.digest import version_digest

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
counts = st.integers(0, 2**53)


@st.composite
def entries(draw: st.DrawFn) -> PartitionEntry:
    raw = RawFile(
        path=draw(texts),
        size=draw(counts),
        sha256="0" * 64,
        format="csv",
        compression="none",
        text_size=draw(st.none() | counts),
        header_size=None,
        records=draw(counts),
        notes=tuple(draw(st.lists(texts, max_size=2))),
    )
    books = Books(records=draw(counts), kept=draw(counts))
    return PartitionEntry(draw(texts), "c", "i", (raw,), (books,), (), (), (), ())


@given(st.dictionaries(texts, entries(), max_size=4))
def test_any_json_tool_computes_it(partitions: dict[str, PartitionEntry]) -> None:
    content = {"dataset": "trips", "partitions": msgspec.json.decode(msgspec.json.encode(partitions))}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert version_digest("trips", partitions) == hashlib.sha256(canonical.encode()).hexdigest()


@given(st.dictionaries(texts, entries(), min_size=2, max_size=4), st.randoms())
def test_the_order_in_which_partitions_were_cleaned_does_not_count(
    partitions: dict[str, PartitionEntry], random: object
) -> None:
    shuffled = list(partitions.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert version_digest("trips", dict(shuffled)) == version_digest("trips", partitions)


@given(entries())
def test_every_part_counts(entry: PartitionEntry) -> None:
    digest = version_digest("trips", {"a": entry})
    assert version_digest("stops", {"a": entry}) != digest
    assert version_digest("trips", {"b": entry}) != digest
    assert version_digest("trips", {}) != digest
    more = msgspec.structs.replace(entry, books=(Books(records=entry.books[0].records + 1),))
    assert version_digest("trips", {"a": more}) != digest
