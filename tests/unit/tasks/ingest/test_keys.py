import pytest

from schemas.errors import HeaderError
from schemas.policies import Drift
from tasks.ingest import keys as module
from tasks.ingest.blocks import RecordFlag
from tasks.ingest.keys import Keys

DECLARED = ("id", "text")


def keys(**drift: object) -> Keys:
    return Keys(DECLARED, Drift(**drift), "a.jsonl")  # type: ignore[arg-type]


def brief(found: Keys, records: int) -> list[tuple[str, str | None, str | None, int | None]]:
    return [(each.kind.value, each.column, each.found, each.records) for each in found.drift(records)]


def test_an_undeclared_key_sets_its_record_aside_by_default_and_an_absent_one_is_null() -> None:
    found = keys()
    assert found.matched({"id": 1, "text": "a", "x": 2})[1] == RecordFlag.EXTRA_COLUMN
    assert found.matched({"id": 1}) == ({"id": 1}, 0)
    assert brief(found, 2) == [("extra", "x", None, 1)]


def test_a_key_that_no_record_has_is_told() -> None:
    found = keys()
    for _ in range(3):
        found.matched({"id": 1})
    assert brief(found, 3) == [("missing", "text", None, 3)]
    assert brief(found, 4) == []  # a fourth record had exactly the declared keys


def test_an_absent_key_sets_its_record_aside_where_that_is_declared() -> None:
    found = keys(missing="quarantine", extra="ignore")
    assert found.matched({"id": 1}) == ({"id": 1}, RecordFlag.MISSING_COLUMN)
    assert found.matched({"text": "a", "x": 1})[1] == RecordFlag.MISSING_COLUMN
    assert brief(found, 9) == [("missing", "text", None, 1), ("missing", "id", None, 1), ("extra", "x", None, 1)]


def test_both_flags_may_be_set() -> None:
    _, flags = keys(missing="quarantine").matched({"id": 1, "txet": "a"})
    assert flags == RecordFlag.MISSING_COLUMN | RecordFlag.EXTRA_COLUMN


def test_a_key_stops_the_partition_where_that_is_declared() -> None:
    with pytest.raises(HeaderError, match=r"a\.jsonl.*undeclared keys 'x'"):
        keys(extra="fail").matched({"id": 1, "text": "a", "x": 2})
    with pytest.raises(HeaderError, match=r"without the key 'text'.*Did you mean 'txet'\?"):
        keys(missing="fail").matched({"id": 1, "txet": "a"})
    with pytest.raises(HeaderError, match=r"without the key 'text'; expected[^.]*\. Declare"):
        keys(missing="fail").matched({"id": 1})


def test_other_names_are_read_as_the_declared_one_and_counted() -> None:
    found = keys(renamed={"label": "text", "caption": "text"}, extra="ignore")
    for values in ({"id": 1, "label": "a"}, {"label": "b", "id": 1}, {"id": 1, "caption": "c"}):
        assert found.matched(values)[0].keys() == set(DECLARED)
    assert found.matched({"id": 1, "text": "own", "label": "other"})[0]["text"] == "own"
    assert brief(found, 4) == [
        ("extra", "label", None, 1),
        ("renamed", "text", "label", 2),
        ("renamed", "text", "caption", 1),
    ]


def test_of_hostile_keys_ten_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 5)
    monkeypatch.setattr(module, "_REMEMBERED_CHARACTERS", 150)
    found = keys(extra="ignore")
    for number in range(100):
        found.matched({"id": 1, "text": "a", "x": 1, f"{number:03}" + "y" * 200: 1})
    told = brief(found, 100)
    assert told[0] == ("extra", "x", None, 100)
    assert told[-1] == ("extra", None, None, 91)
    assert len(told) == 11
    assert max(len(column or "") for _, column, _, _ in told) <= 80
