"""Which rows differ: held against counting them one by one."""

from __future__ import annotations

import collections
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tasks.diff.rows import Place, RowCounts, Verdict, identities

Rows = list[tuple[int | None, str | None]]
SCHEMA = {"id": pl.Int64, "text": pl.String}


def judged(before: Rows, after: Rows, *, key: list[str], most: int = 0, frames: int = 1) -> Verdict:
    verdict, parts = Verdict(most=most), []
    for side, rows in enumerate((before, after)):
        size = max(1, -(-len(rows) // frames))
        for start in range(0, len(rows), size):
            frame = pl.DataFrame(rows[start : start + size], schema=SCHEMA, orient="row")
            parts.append(identities(frame, key=key, columns=list(SCHEMA), side=side, partition=7, start=start))
    if parts:
        verdict.add(pl.concat(parts))
    return verdict


def test_rows_of_a_key_are_added_removed_changed_or_the_same() -> None:
    before: Rows = [(1, "a"), (2, "b"), (3, "c")]
    after: Rows = [(3, "C"), (4, "d"), (1, "a")]
    verdict = judged(before, after, key=["id"], most=5)
    assert verdict.counts == RowCounts(added=1, removed=1, changed=1, unchanged=1)
    assert verdict.places == {"changed": [Place(7, 2, 0)], "added": [Place(7, None, 1)], "removed": [Place(7, 1, None)]}


def test_without_a_key_rows_are_counted_as_often_as_they_occur() -> None:
    before: Rows = [(1, "a"), (1, "a"), (1, "a"), (2, "b")]
    after: Rows = [(1, "a"), (2, "b"), (2, "b"), (3, None)]
    assert judged(before, after, key=[]).counts == RowCounts(added=2, removed=2, unchanged=2)


def test_a_repeated_key_and_a_missing_one_compare_whole_rows() -> None:
    before: Rows = [(1, "a"), (1, "b"), (None, "x"), (None, "x")]
    after: Rows = [(1, "a"), (1, "c"), (None, "x"), (None, "y")]
    verdict = judged(before, after, key=["id"])
    assert verdict.counts == RowCounts(added=2, removed=2, unchanged=2, repeated_keys=1)


def test_rows_of_two_partitions_are_never_the_same() -> None:
    frame = pl.DataFrame([(1, "a")], schema=SCHEMA, orient="row")
    sides = [identities(frame, key=["id"], columns=list(SCHEMA), side=side, partition=side, start=0) for side in (0, 1)]
    verdict = Verdict()
    verdict.add(pl.concat(sides))
    assert verdict.counts == RowCounts(added=1, removed=1)


def test_categories_are_their_texts() -> None:
    names = ["x", "y"]
    enums = [pl.DataFrame({"a": ["x"]}, schema={"a": pl.Enum(order)}) for order in (names, names[::-1])]
    found = [identities(each, key=[], columns=["a"], side=0, partition=0, start=0) for each in enums]
    assert found[0].equals(found[1])


def test_partitions_of_one_version_need_no_comparison() -> None:
    verdict = Verdict(most=2)
    verdict.add_whole(0, before=5)
    verdict.add_whole(1, after=1)
    assert verdict.counts == RowCounts(added=1, removed=5)
    assert verdict.places == {
        "changed": [],
        "added": [Place(1, None, 0)],
        "removed": [Place(0, 0, None), Place(0, 1, None)],
    }


def test_nothing_of_nothing() -> None:
    assert judged([], [], key=["id"], most=3).counts == RowCounts()


ROWS = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 5)), st.one_of(st.none(), st.sampled_from("ab"))), max_size=12
)


@given(ROWS, ROWS, st.sampled_from([[], ["id"], ["text", "id"]]), st.integers(1, 4))
def test_it_counts_as_a_person_would(before: Rows, after: Rows, key: list[str], frames: int) -> None:
    verdict = judged(before, after, key=key, most=100, frames=frames)
    assert verdict.counts == counted(before, after, key)
    kinds = {kind: len(places) for kind, places in verdict.places.items()}
    assert kinds["changed"] == verdict.counts.changed
    assert (kinds["added"] > 0, kinds["removed"] > 0) == (verdict.counts.added > 0, verdict.counts.removed > 0)
    for place in verdict.places["changed"]:
        one, other = before[place.before or 0], after[place.after or 0]
        assert one != other
        assert [one[list(SCHEMA).index(name)] for name in key] == [other[list(SCHEMA).index(name)] for name in key]


def counted(before: Rows, after: Rows, key: list[str]) -> RowCounts:
    def grouped(rows: Rows) -> dict[Any, collections.Counter[Any]]:
        groups: dict[Any, collections.Counter[Any]] = collections.defaultdict(collections.Counter)
        for row in rows:
            named = tuple(row[list(SCHEMA).index(name)] for name in key)
            groups[("whole", row) if not key or None in named else ("key", named)][row] += 1
        return groups

    one, other, total = grouped(before), grouped(after), RowCounts()
    for group in one.keys() | other.keys():
        a, b = one.get(group, collections.Counter()), other.get(group, collections.Counter())
        same = (a & b).total()
        repeated = int(group[0] == "key" and max(a.total(), b.total()) > 1)
        if group[0] == "key" and a.total() == b.total() == 1 and a != b:
            total += RowCounts(changed=1)
        else:
            total += RowCounts(b.total() - same, a.total() - same, 0, same, repeated)
    return total
