"""Withdrawal: records leave every frame, their places stay, and no other row changes."""

from __future__ import annotations

import itertools

import pytest

from schemas.records import Role
from tasks.erasure.withdrawal import withdrawn
from tasks.publish.balance import balance
from tests.partitions import Built, build

DUMPS = {"a.csv": "krdqxk", "b.csv": "qkk", "c.csv": "=a.csv"}


def left(built: Built, gone: set[tuple[str, int]]) -> dict[Role, list[tuple[object, ...]]]:
    made = withdrawn(built.frames(), gone, built.inputs)
    return {role: rows.collect().rows() for role, rows in made.frames.items()}


@pytest.mark.parametrize("numbers", [*itertools.combinations(range(1, 7), 2), ()])
def test_everything_else_stays_and_the_books_balance(numbers: tuple[int, ...]) -> None:
    built = build(DUMPS)
    sha256 = built.inputs[0].sha256
    gone = {(sha256, number) for number in numbers}
    made = withdrawn(built.frames(), gone, built.inputs)
    for role, rows in built.frames().items():
        frame = rows.collect()
        kept = [row for row in frame.iter_rows(named=True) if (row["_file"], row["_record"]) not in gone]
        assert made.frames[role].collect().rows(named=True) == kept
    files = [file for file in built.files() if file.role not in made.frames]
    assert files == []
    written = balance(made.frames, [], built.inputs)
    assert all(books.balanced for books in written.books)
    # A record that came twice is erased twice.
    assert [books.erased for books in written.books] == [len(numbers), 0, len(numbers)]
    assert sum(made.fates.values()) == 2 * len(numbers)
    assert made.ids == tuple(f"{sha256}:{number}" for number in numbers)


def test_in_several_steps_is_as_at_once() -> None:
    built = build(DUMPS)
    one, two = (built.inputs[0].sha256, 2), (built.inputs[1].sha256, 1)
    at_once = withdrawn(built.frames(), {one, two}, built.inputs)
    first = withdrawn(built.frames(), {two}, built.inputs)
    then = withdrawn(first.frames, {one}, built.inputs)
    assert then.ids == at_once.ids
    for role, rows in at_once.frames.items():
        assert then.frames[role].collect().equals(rows.collect())


def test_nothing_erased_is_nothing_new() -> None:
    built = build({"a.csv": "kq"})
    made = withdrawn(built.frames(), set(), built.inputs)
    assert (made.ids, made.fates, Role.ERASED in made.frames) == ((), {}, False)
