import polars as pl
import pytest

from schemas.errors import BooksError
from tasks.ingest.blocks import PLACE_SCHEMA, REJECT_SCHEMA, Block, record_schema
from tasks.ingest.reconcile import Tally

Place = tuple[int, int | None, int | None, int | None, bytes | None]


def block(records: list[Place], rejects: list[Place] = []) -> Block:  # noqa: B006  # never changed
    parsed = pl.DataFrame(records, schema=PLACE_SCHEMA, orient="row").with_columns(pl.lit(0, pl.UInt8).alias("_flags"))
    refused = pl.DataFrame(rejects, schema=PLACE_SCHEMA, orient="row")
    lists = [pl.lit([""], pl.List(pl.String)).alias(name) for name in ("_rules", "_reasons")]
    return Block(parsed.select(list(record_schema([]))), refused.with_columns(lists).select(list(REJECT_SCHEMA)))


def place(number: int, offset: int, raw: bytes) -> Place:
    return number, number, offset, len(raw), raw


FIRST = block([place(1, 4, b"ab\n"), place(3, 8, b"c\n")], [place(2, 7, b"\n")])


def test_books_that_agree_close() -> None:
    tally = Tally("a.csv")
    tally.add(FIRST)
    tally.add(block([], [place(4, 10, b"x")]))
    tally.close(text_size=11, header_size=4, footer_records=None)
    assert (tally.parsed, tally.rejected, tally.records) == (2, 2, 4)


def test_no_record_at_all_closes() -> None:
    Tally("a.csv").close(text_size=4, header_size=4, footer_records=None)


@pytest.mark.parametrize(
    ("second", "trouble"),
    [
        pytest.param(block([place(5, 10, b"x")]), "gap or a repetition", id="a number left out"),
        pytest.param(block([place(3, 10, b"x")]), "gap or a repetition", id="a number repeated"),
        pytest.param(
            block([place(4, 10, b"x")], [place(4, 11, b"y")]), "gap or a repetition", id="parsed and rejected"
        ),
        pytest.param(block([place(4, 11, b"x")]), "one behind the other", id="a byte left out between blocks"),
        pytest.param(block([place(4, 9, b"x")]), "one behind the other", id="a byte read twice"),
        pytest.param(block([place(4, 10, b"x"), place(5, 12, b"y")]), "one behind the other", id="a byte left out"),
        pytest.param(block([(4, 4, 10, 2, b"x")]), "as many bytes", id="a byte lost"),
        pytest.param(block([(4, 4, 10, 2, None)]), "as many bytes", id="all bytes lost"),
    ],
)
def test_a_block_that_loses_or_repeats_something_is_refused(second: Block, trouble: str) -> None:
    tally = Tally("a.csv")
    tally.add(FIRST)
    with pytest.raises(BooksError, match=trouble):
        tally.add(second)


@pytest.mark.parametrize(("text_size", "header_size"), [(11, 4), (9, 4), (10, 3), (10, 5)])
def test_bytes_that_belong_to_nothing_are_noticed(text_size: int, header_size: int) -> None:
    tally = Tally("a.csv")
    tally.add(FIRST)
    with pytest.raises(BooksError, match="bytes"):
        tally.close(text_size=text_size, header_size=header_size, footer_records=None)


def test_a_gap_behind_the_header_is_noticed() -> None:
    tally = Tally("a.csv")
    tally.add(block([place(1, 5, b"ab")]))
    with pytest.raises(BooksError, match="last record ends at byte 7"):
        tally.close(text_size=6, header_size=4, footer_records=None)


def test_rows_of_a_columnar_file_are_held_against_its_footer() -> None:
    tally = Tally("a.parquet")
    tally.add(block([(1, None, None, None, None)], [(2, None, None, None, b"{}")]))
    tally.close(text_size=None, header_size=None, footer_records=2)
    with pytest.raises(BooksError, match="footer's 3"):
        tally.close(text_size=None, header_size=None, footer_records=3)


def test_the_message_names_the_file_and_says_whose_fault_it_is() -> None:
    with pytest.raises(BooksError, match=r"a\.csv.*defect of Winnow"):
        Tally("a.csv").add(block([place(2, 0, b"x")]))
