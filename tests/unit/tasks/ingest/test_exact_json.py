import pytest

from tasks.ingest.exact_json import Members, Refusal, cell_text, compact, parse_object
from tasks.ingest.rejects import RejectRule


def test_members_stand_as_they_are_written() -> None:
    members = parse_object(b' {"a": 1.10, "b": [1e400, "x"], "a": null}\r\n')
    assert isinstance(members, Members)
    assert [name for name, _ in members] == ["a", "b", "a"]
    assert [value if value is None else cell_text(value) for _, value in members] == ["1.10", '[1e400,"x"]', None]


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        (b" \n", RejectRule.BLANK_LINE),
        (b'{"a":"\xff"}', RejectRule.NOT_UTF8),
        (b'{"a":}', RejectRule.NOT_JSON),
        (b"[1]", RejectRule.NOT_AN_OBJECT),
        (rb'{"a":"\udead"}', RejectRule.LONE_SURROGATE),
    ],
)
def test_what_is_no_object_is_refused(record: bytes, rule: RejectRule) -> None:
    found = parse_object(record)
    assert isinstance(found, Refusal)
    assert found.rule == rule


def test_numbers_keep_their_digits_in_compact_json() -> None:
    assert compact('{"a" : [ 1.10, -0, 123456789012345678901234567890 ]}') == (
        '{"a":[1.10,-0,123456789012345678901234567890]}'
    )
