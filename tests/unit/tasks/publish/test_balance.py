"""The books, from rows alone: right where they are right, and every lost or doubled record found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import EXIT_STOPPED, BooksError
from schemas.records import Books, Role
from tasks.publish.balance import FATES, ReadBack, balance, check_balance
from tests.partitions import Built, build

DUMPS = {"a.csv": "kkrdqxkqdr", "b.csv": "", "c.csv": "xqkde", "d.csv": "=a.csv"}
#: From one record at once to all.
AT_ONCE = st.sampled_from([1, 2, 3, 7, 1 << 24])


def counted(built: Built, **options: int) -> ReadBack:
    return balance(built.frames(), built.files(), built.inputs, **options)


def found(built: Built) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {}
    for imbalance in counted(built).imbalances:
        places.setdefault(imbalance.where, []).append(f"{imbalance.found}; expected {imbalance.expected}")
    return places


def test_books_that_balance() -> None:
    built = build(DUMPS)
    assert check_balance(counted(built)) == (
        Books(records=10, kept=5, duplicate=2, quarantined=2, rejected=1, repaired=2),
        Books(),
        Books(records=5, kept=1, duplicate=1, quarantined=1, rejected=1, erased=1),
        Books(records=10, duplicate=10),
    )


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from("abcdef"), st.text("krdqxe", max_size=12), max_size=6), AT_ONCE)
def test_they_balance_whatever_became_of_the_records(dumps: dict[str, str], at_once: int) -> None:
    built = build(dumps)
    assert check_balance(counted(built, at_once=at_once)) == tuple(built.books)


@pytest.mark.slow
@given(
    dumps=st.dictionaries(st.sampled_from("abc"), st.text("krdqxe", min_size=1, max_size=8), min_size=1),
    at_once=AT_ONCE,
    data=st.data(),
)
def test_a_record_that_takes_the_place_of_another_is_found(
    dumps: dict[str, str], at_once: int, data: st.DataObject
) -> None:
    """Counts and bytes stay what they were, so that only the numbers can tell."""
    built = build(dumps)
    rows = [row for role in FATES for row in built.rows[role]]
    one = data.draw(st.sampled_from(rows))
    number = data.draw(st.integers(0, 12).filter(lambda number: number != one["_record"]))
    one["_record"] = number
    written = counted(built, at_once=at_once)
    assert written.books == tuple(
        msgspec.structs.replace(books, repaired=found.repaired)
        for books, found in zip(built.books, written.books, strict=True)
    )
    with pytest.raises(BooksError):
        check_balance(written)


@given(
    dumps=st.dictionaries(st.sampled_from("abc"), st.text("krdqxe", min_size=1, max_size=8), min_size=1), data=st.data()
)
def test_a_lost_record_and_a_doubled_one_are_found(dumps: dict[str, str], data: st.DataObject) -> None:
    for change in ("lose", "double"):
        built = build(dumps)
        role = data.draw(st.sampled_from([role for role in FATES if built.rows[role]]))
        row = data.draw(st.sampled_from(built.rows[role]))
        built.rows[role].remove(row) if change == "lose" else built.rows[role].append(row)
        with pytest.raises(BooksError):
            check_balance(counted(built))


def swap_numbers(rows: list[dict[str, Any]]) -> None:
    """1, 5, 6 and 2, 3, 7 have the same count, sum and sum of squares."""
    for row, number in zip(rows, (2, 2, 3, 3, 4, 7, 7), strict=True):
        row["_record"] = number


def test_numbers_of_the_same_sums_are_told_apart() -> None:
    built = build({"a.csv": "kkkkkkk"})
    swap_numbers(built.rows[Role.CLEAN])
    assert found(built) == {"a.csv": ["record 2 stands twice; expected each record once"]}


def first(built: Built, role: Role) -> dict[str, Any]:
    return built.rows[role][0]


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        pytest.param(
            lambda built: built.rows[Role.CLEAN].pop(2),
            "a.csv",
            "4 kept + 2 duplicate + 2 quarantined + 1 rejected = 9 records; expected 10",
            id="lost",
        ),
        pytest.param(
            lambda built: built.rows[Role.CLEAN].pop(2),
            "a.csv",
            "record 3 stands nowhere; expected each record once",
            id="lost-named",
        ),
        pytest.param(
            lambda built: built.rows[Role.CLEAN].append(first(built, Role.CLEAN)),
            "a.csv",
            "record 1 stands twice; expected each record once",
            id="doubled",
        ),
        pytest.param(
            lambda built: first(built, Role.REJECTS).update(_record=11),
            "a.csv",
            "record numbers from 1 to 11; expected 1 to 10",
            id="too-high",
        ),
        pytest.param(
            lambda built: first(built, Role.REJECTS).update(_record=None),
            "a.csv",
            "record numbers from 0 to 10; expected 1 to 10",
            id="unnumbered",
        ),
        pytest.param(
            lambda built: first(built, Role.QUARANTINE).update(_length=1),
            "a.csv",
            "8 bytes of header and 119 of records; expected 139 in all",
            id="bytes",
        ),
        pytest.param(
            lambda built: first(built, Role.CLEAN).update(_length=None),
            "a.csv",
            "8 bytes of header and 118 of records; expected 139 in all",
            id="no-length",
        ),
        pytest.param(
            lambda built: first(built, Role.CLEAN).update(_file="f" * 64),
            "clean",
            "1 rows of no raw file of the partition; expected none",
            id="stranger",
        ),
        pytest.param(
            lambda built: first(built, Role.QUARANTINE).update(_source="elsewhere.csv"),
            "quarantine",
            "1 rows of no raw file of the partition; expected none",
            id="other-source",
        ),
    ],
)
def test_what_does_not_add_up_is_told_with_its_numbers(
    change: Callable[[Built], object], where: str, message: str
) -> None:
    built = build(DUMPS)
    change(built)
    assert message in found(built)[where]


def test_the_error_names_the_file_and_is_not_the_users_fault() -> None:
    built = build({"a\x1b[31m.csv": "kkk"})
    built.rows[Role.CLEAN].pop()
    with pytest.raises(
        BooksError, match=r"'a\\x1b\[31m.csv': 2 kept .* = 2 records \(and 2 more\); expected 3"
    ) as caught:
        check_balance(counted(built))
    assert caught.value.exit_code == EXIT_STOPPED


def test_a_lost_record_of_one_file_is_not_made_up_for_by_another() -> None:
    built = build({"a.csv": "kk", "b.csv": "kk"})
    moved = first(built, Role.CLEAN)
    moved["_file"], moved["_record"] = built.inputs[1].sha256, 3
    assert found(built).keys() == {"a.csv", "b.csv"}


def test_a_columnar_file_has_no_bytes_to_add_up() -> None:
    built = build({"a.parquet": "kqd"})
    built.inputs[0] = msgspec.structs.replace(built.inputs[0], format="parquet", text_size=None, header_size=None)
    for role in FATES:
        for row in built.rows[role]:
            row |= {"_offset": None, "_length": None}
    assert check_balance(counted(built)) == tuple(built.books)


def test_repairs_count_kept_records_and_not_cells() -> None:
    built = build({"a.csv": "rrk"})
    built.rows[Role.REPAIRS] += [*built.rows[Role.REPAIRS], {**built.rows[Role.REPAIRS][0], "column": "id"}]
    assert check_balance(counted(built))[0].repaired == 2


def test_files_that_hold_other_rows_than_was_said_are_found() -> None:
    built = build(DUMPS)
    files = [msgspec.structs.replace(file, rows=file.rows + 1) for file in built.files()]
    told = balance(built.frames(), files, built.inputs).imbalances
    assert [imbalance.where for imbalance in told] == [role.value for role in FATES if built.rows[role]]


def test_a_partition_without_files_has_lost_everything() -> None:
    inputs = build({"a.csv": "kk"}).inputs
    empty = balance({}, [], inputs)
    assert empty.books == (Books(records=2),)
    assert len(empty.imbalances) == 3
    assert balance({}, [], []) == ReadBack(books=(), imbalances=())


def test_absurd_numbers_of_records_are_not_searched_for() -> None:
    built = build({"a.csv": "kk"})
    built.inputs[0] = msgspec.structs.replace(built.inputs[0], records=1 << 50)
    assert "record 3 stands nowhere; expected each record once" in found(built)["a.csv"]


def test_frames_of_another_form_are_an_error_of_polars() -> None:
    built = build({"a.csv": "kk"})
    frames = {Role.CLEAN: built.frames()[Role.CLEAN].drop("_record")}
    with pytest.raises(pl.exceptions.PolarsError):
        balance(frames, built.files(), built.inputs)
