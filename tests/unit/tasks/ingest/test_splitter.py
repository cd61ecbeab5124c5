import numpy as np
import pytest

from tasks.ingest.rejects import RejectRule
from tasks.ingest.splitter import Cut, Splitter

COMMA, QUOTE = ord(","), ord('"')


def split(
    data: bytes, *, final: bool = True, longest: int = 1_000, quote: int | None = QUOTE
) -> list[tuple[bytes, str]]:
    cut = Splitter(COMMA, quote, longest).split(data, final=final)
    return told(data, cut)


def told(data: bytes, cut: Cut) -> list[tuple[bytes, str]]:
    names = [RejectRule.of_code(code).removeprefix("ingest.") if code else "good" for code in cut.verdicts.tolist()]
    bounds = cut.bounds.tolist()
    return [(data[a:b], name) for a, b, name in zip(bounds, bounds[1:], names, strict=False)]


def good(*records: bytes) -> list[tuple[bytes, str]]:
    return [(record, "good") for record in records]


def test_lines_are_records() -> None:
    assert split(b"a,b\nc\n\nd") == good(b"a,b\n", b"c\n", b"\n", b"d")


def test_a_line_end_needs_a_line_feed() -> None:
    assert split(b"a\rb\r\nc\r") == good(b"a\rb\r\n", b"c\r")


def test_a_quoted_field_may_hold_anything() -> None:
    assert split(b'"a\n,""\r\n",b\n"c"\r\n"d"') == good(b'"a\n,""\r\n",b\n', b'"c"\r\n', b'"d"')


@pytest.mark.parametrize(
    "line", [b'x"y\n', b'"x"y\n', b'a, "b"\n', b'"a" ,b\n', b'"a"\r,b\n', b'"x"""y\n', b'"\x00"\x00\n']
)
def test_a_stray_quote_costs_its_own_line_only(line: bytes) -> None:
    assert split(b"1,2\n" + line + b'"3\n",4\n5,6\n') == [
        *good(b"1,2\n"),
        (line, "stray_quote"),
        *good(b'"3\n",4\n', b"5,6\n"),
    ]


def test_a_quote_that_never_closes_costs_its_own_line_only() -> None:
    assert split(b'1\n"2,\n3\n4\n') == [*good(b"1\n"), (b'"2,\n', "unclosed_quote"), *good(b"3\n", b"4\n")]


def test_reading_starts_again_behind_the_first_line_of_a_broken_record() -> None:
    # The quote of the first line closes in the third, where text follows it: only the first line is at fault.
    assert split(b'"a\nb\nc"d\n"e"\n') == [
        (b'"a\n', "stray_quote"),
        *good(b"b\n"),
        (b'c"d\n', "stray_quote"),
        *good(b'"e"\n'),
    ]


def test_records_behind_an_odd_number_of_quotes_are_judged_as_if_alone() -> None:
    assert split(b'x"\n"a\nb",c\n"d,e",f\n')[1:] == good(b'"a\nb",c\n', b'"d,e",f\n')


def test_a_quote_that_closes_too_late_never_closes() -> None:
    data = b'"' + b"x\n" * 10 + b'",y\n1,2\n'
    assert split(data, longest=25)[0] == (data[:-4], "good")
    assert split(data, longest=24)[0] == (b'"x\n', "unclosed_quote")
    assert split(data, longest=24)[-1] == (b"1,2\n", "good")


def test_a_longer_line_is_cut_into_rejects_of_the_greatest_size() -> None:
    pieces = [(b"abcde", "record_too_long"), (b"fghij", "record_too_long"), (b"k\n", "record_too_long")]
    assert split(b"1,2\nabcdefghijk\n3\n", longest=5) == [*good(b"1,2\n"), *pieces, *good(b"3\n")]


def test_a_line_as_long_as_a_record_may_be_is_one() -> None:
    assert split(b"abcd\nabcde", longest=5) == good(b"abcd\n", b"abcde")


def test_a_quote_in_a_line_too_long_opens_nothing() -> None:
    assert split(b'ab"cdefg\n"h\n",i\n', longest=6) == [
        (b'ab"cde', "record_too_long"),
        (b"fg\n", "record_too_long"),
        (b'"h\n', "unclosed_quote"),
        (b'",i\n', "unclosed_quote"),
    ]


def test_what_could_go_on_is_left_for_later() -> None:
    assert split(b"a\nb", final=False) == good(b"a\n")
    assert split(b'a\n"b\nc\n', final=False) == good(b"a\n")
    assert split(b'a\n"b\nc"\n', final=False) == good(b"a\n", b'"b\nc"\n')
    assert split(b"", final=True) == []


def test_a_quote_left_open_is_given_up_when_no_record_could_be_that_long() -> None:
    data = b'"a\n' + b"b\n" * 10
    assert split(data, final=False, longest=24) == []
    assert split(data, final=False, longest=23)[0] == (b'"a\n', "unclosed_quote")


def test_a_line_too_long_is_cut_before_its_end_is_known() -> None:
    splitter = Splitter(COMMA, QUOTE, 4)
    first = splitter.split(b"a\nbcdefghi", final=False)
    assert told(b"a\nbcdefghi", first) == [*good(b"a\n"), (b"bcde", "record_too_long")]
    assert first.within_line
    second = splitter.split(b"fghi", final=False, within_line=True)
    assert (second.end, second.within_line) == (0, True)
    third = splitter.split(b"fghi\nj\n", final=False, within_line=True)
    assert told(b"fghi\nj\n", third) == [(b"fghi", "record_too_long"), (b"\n", "record_too_long"), *good(b"j\n")]
    assert not third.within_line


def test_fields_are_counted_outside_quotes() -> None:
    splitter, data = Splitter(COMMA, QUOTE, 1_000), b'a,b\n"a,b",c,"d"",e"\n,,,\nx\n'
    assert splitter.fields(data, splitter.split(data, final=True).bounds).tolist() == [2, 3, 4, 1]


def test_physical_lines_are_counted() -> None:
    cut = Splitter(COMMA, QUOTE, 6).split(b'"a\n"\nb\nabcdefgh\nc\n', final=True)
    assert cut.lines.tolist() == [0, 2, 3, 3, 4]
    assert cut.line_ends == 5


def test_quotes_mean_nothing_without_a_quote() -> None:
    assert split(b'"a\nb"c\n', quote=None) == good(b'"a\n', b'b"c\n')


@pytest.mark.parametrize("most_lines", [1, 2, 3, 5])
def test_a_stretch_of_many_lines_is_cut_in_parts(most_lines: int) -> None:
    data = b'a\n"b\n\n\n",c\n"\nd"e\nf\n"g"'
    splitter, whole, rest = Splitter(COMMA, QUOTE, 1_000), [], data
    while rest:
        cut = splitter.split(rest, final=True, most_lines=most_lines)
        assert cut.end
        assert cut.more == (cut.end < len(rest))
        whole += told(rest, cut)
        rest = rest[cut.end :]
    assert whole == split(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'"\n' * 500_000, id="quotes that close each other"),
        pytest.param(b'x"\n' * 300_000, id="stray quotes"),
        pytest.param(b'"a\n' + b'""\n' * 300_000, id="one open quote"),
        pytest.param(b'"a\n"b\n""\n' * 100_000, id="open, stray, closed"),
        pytest.param(b'"' * 1_000_001, id="quotes only"),
        pytest.param(b"\n" * 1_000_000, id="line ends only"),
    ],
)
@pytest.mark.timeout(20)
def test_hostile_text_takes_linear_time_and_keeps_every_byte(data: bytes) -> None:
    cut = Splitter(COMMA, QUOTE, 1 << 24).split(data, final=True)
    assert cut.end == len(data)
    assert (np.diff(cut.bounds) > 0).all()
