from __future__ import annotations

import msgspec
import pytest

from schemas.records import RecordId
from schemas.reviews import Decision
from tasks.audit.review.intake import Intake, Known, take

FILE, NOW = "9f86d081" * 8, "2026-11-30T12:00:00Z"
BEFORE = Decision(FILE, 3, "intent", "relabel", "bug", "billing", "ada", "", "2026-11-01T00:00:00Z")


def taken(*rows: dict[str, str], supersede: bool = False, decided: tuple[Decision, ...] = (BEFORE,)) -> Intake:
    known = Known(
        column="intent",
        labels={(FILE, 1): "bug", (FILE, 2): "other", (FILE, 3): "billing"},
        values=("billing", "bug", "other"),
        decided={(each.file, each.record): each for each in decided},
        whole=lambda record: (FILE, record.record) if FILE.startswith(record.file) else None,
    )
    return take(rows, known, reviewer=None, now=NOW, supersede=supersede)


def row(record: int, /, **filled: str) -> dict[str, str]:
    return {"record": str(RecordId(FILE, record)), "reviewer": "ada", **filled}


def test_rows_become_decisions() -> None:
    found = taken(
        row(1, label="bug", value="billing", reason="money", decided_at="2026-11-30T13:00:00+02:00"),
        row(2, action="exclude"),
        row(3, label="billing"),
    )
    one, two = found.taken
    assert (one.action, one.expect, one.value, one.decided_at) == ("relabel", "bug", "billing", "2026-11-30T11:00:00Z")
    assert (two.action, two.expect, two.value, two.decided_at) == ("exclude", "other", None, NOW)
    assert (found.empty, found.known) == (1, 0)


@pytest.mark.parametrize(
    "filled", [{"value": "billing"}, {"label": "billing", "action": "keep"}, {"label": "bug", "value": "billing"}]
)
def test_what_was_decided_already_changes_nothing(filled: dict[str, str]) -> None:
    found = taken(row(3, **filled))
    assert (found.taken, found.known) == ((), 1)


def test_a_reviewer_may_think_again_and_the_guard_stays_the_first_label() -> None:
    (found,) = taken(row(3, label="billing", value="other")).taken
    assert (found.expect, found.value) == ("bug", "other")
    (back,) = taken(row(3, label="billing", value="bug")).taken
    assert (back.action, back.expect, back.value) == ("keep", "bug", None)


def test_reviewers_who_contradict_each_other_are_told() -> None:
    both = taken(row(1, value="billing"), row(1, value="other", reviewer="bob"))
    assert both.taken == ()
    assert [each.row for each in both.conflicts] == [1, 2]
    assert both.conflicts[0].why == "'ada' says 'billing', but 'bob' says 'other'"
    before = taken(row(3, value="other", reviewer="bob"))
    assert (before.taken, len(before.conflicts)) == ((), 1)
    assert taken(row(3, value="other", reviewer="bob"), supersede=True).taken[0].reviewer == "bob"
    agreed = taken(row(1, value="billing"), row(1, value="billing", reviewer="bob"))
    assert (len(agreed.taken), agreed.known) == (1, 1)


@pytest.mark.parametrize(
    ("filled", "why"),
    [
        ({"value": "bilingual"}, "'bilingual' is no label. Did you mean billing?"),
        ({"action": "drop"}, "'drop' is no action"),
        ({"action": "relabel"}, "'None' is no label"),
        ({"label": "other", "value": "billing"}, "its label is 'bug' now"),
        ({"value": "billing", "reviewer": ""}, "it names no reviewer"),
        ({"value": "billing", "record": "x"}, "is no record id"),
        ({"value": "billing", "record": f"{FILE}:9"}, "no such record"),
        ({"value": "billing", "decided_at": "yesterday"}, "'yesterday' is no moment"),
    ],
)
def test_a_wrong_row_is_refused_and_says_why(filled: dict[str, str], why: str) -> None:
    given = {key: value for key, value in row(1, **filled).items() if value}
    found = taken(given, row(2, value="bug"))
    assert why in found.refused[0].why
    assert len(found.taken) == 1
    assert msgspec.json.encode(found)
