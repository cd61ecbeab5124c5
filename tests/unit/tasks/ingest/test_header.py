import pytest

from schemas.errors import HeaderError
from tasks.ingest.header import listed, match_columns


def test_columns_may_stand_in_any_order() -> None:
    columns = match_columns(["c", "a", "b"], ["a", "b", "c"], "fail", "a.csv")
    assert columns.positions == (1, 2, 0)
    assert columns.notes == ()


def test_a_missing_column_is_named_with_the_nearest_found() -> None:
    with pytest.raises(HeaderError) as caught:
        match_columns(["ticket", "txet"], ["ticket", "text"], "fail", "dumps/a.csv")
    message = str(caught.value)
    assert "no column 'text'" in message
    assert "Did you mean 'txet'?" in message
    assert "dumps/a.csv" in message
    assert "'ticket', 'text'" in message


def test_names_are_compared_exactly() -> None:
    with pytest.raises(HeaderError):
        match_columns(["ID"], ["id"], "fail", "a.csv")
    with pytest.raises(HeaderError):
        match_columns([" id"], ["id"], "fail", "a.csv")


def test_an_undeclared_column_fails_or_is_left_out_as_declared() -> None:
    with pytest.raises(HeaderError, match="undeclared columns 'b'"):
        match_columns(["a", "b"], ["a"], "fail", "a.csv")
    columns = match_columns(["b", "a"], ["a"], "ignore", "a.csv")
    assert columns.positions == (1,)
    assert columns.notes == ("undeclared columns left out: 'b'",)


def test_a_name_that_stands_twice_is_refused_even_where_extras_are_ignored() -> None:
    with pytest.raises(HeaderError, match="more than once: 'x'"):
        match_columns(["a", "x", "x"], ["a"], "ignore", "a.csv")


def test_names_from_data_are_escaped_and_cut() -> None:
    with pytest.raises(HeaderError) as caught:
        match_columns(["\x1b[31m", "y" * 10_000, *map(str, range(500))], ["a"], "fail", "a.csv")
    message = str(caught.value)
    assert "\x1b" not in message
    assert len(message) < 1_000


def test_a_long_list_tells_how_many_more() -> None:
    assert listed([str(n) for n in range(12)]).endswith("'9' and 2 more")


def test_a_file_without_a_header_is_told_without_repeating_its_first_record() -> None:
    with pytest.raises(HeaderError, match="none of the declared columns among 2 fields") as raised:
        match_columns(["7", "ada@home.example"], ["id", "email"], "fail", "a.csv")
    assert "ada" not in str(raised.value)
