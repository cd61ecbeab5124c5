"""Intake: rows of a file of decisions, held against what is known, as decisions or as what is wrong with them.

Belongs here: which rows become decisions, which contradict each other or come too late. Does not belong here: reading
the file (formats), or keeping what is taken (stage).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from schemas.errors import UsageError, nearest, shown
from schemas.moments import as_text
from schemas.records import RecordId
from schemas.reviews import Decision, ReviewAction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tasks.audit.review.decisions import Place

_ACTIONS = ("relabel", "keep", "exclude")


class Refused(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row that did not become a decision."""

    row: int
    """Its number in the file, from 1."""
    record: str
    why: str


class Intake(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a file's rows."""

    taken: tuple[Decision, ...]
    known: int
    """Rows that say what was decided already."""
    empty: int
    """Rows that nobody filled in."""
    conflicts: tuple[Refused, ...]
    """Rows in which reviewers contradict each other; none of them is taken."""
    refused: tuple[Refused, ...]
    """Rows that are wrong in themselves."""


class Known(NamedTuple):
    """What rows are held against.

    Attributes:
        column: the label's.
        labels: the label that each record has now.
        values: the labels that there are.
        decided: the decisions that hold.
        whole: from an id as a person writes it to the record; None where there is none.
    """

    column: str
    labels: Mapping[tuple[str, int], str | None]
    values: Sequence[str]
    decided: Mapping[tuple[str, int], Decision]
    whole: Callable[[RecordId], Place | None]


def take(
    rows: Sequence[Mapping[str, str]], known: Known, *, reviewer: str | None, now: str, supersede: bool = False
) -> Intake:
    """Takes what can be taken of a file of decisions.

    Args:
        rows: of the file; what is empty is not there.
        known: what they are held against.
        reviewer: who decided, where a row does not say it.
        now: when, where a row does not say it.
        supersede: whether a decision may take the place of another reviewer's.
    """
    made: dict[Place, list[tuple[int, Decision]]] = {}
    refused, empty = [], 0
    for number, row in enumerate(rows, 1):
        if not row.get("action") and not row.get("value"):
            empty += 1
            continue
        try:
            decision = _decision(row, known, reviewer, now)
        except UsageError as error:
            refused.append(Refused(number, row.get("record", ""), str(error)))
            continue
        made.setdefault((decision.file, decision.record), []).append((number, decision))
    taken, conflicts, same = [], [], 0
    for place, several in sorted(made.items()):
        latest = _latest(several)
        if latest is None:
            conflicts += [_conflict(number, each, [other for _, other in several]) for number, each in several]
            continue
        number, decision = latest
        before = known.decided.get(place)
        if before is not None and _says(before) == _says(decision):
            same += len(several)
        elif before is not None and before.reviewer != decision.reviewer and not supersede:
            conflicts.append(_conflict(number, decision, [before]))
        else:
            taken.append(decision)
            same += len(several) - 1
    return Intake(tuple(taken), same, empty, tuple(conflicts), tuple(refused))


def _latest(several: Sequence[tuple[int, Decision]]) -> tuple[int, Decision] | None:
    """The one that holds: all say the same, or one reviewer thought again; None where reviewers contradict."""
    says, who = {_says(each) for _, each in several}, {each.reviewer for _, each in several}
    if len(says) > 1 and len(who) > 1:
        return None
    return max(several, key=lambda each: (each[1].decided_at, each[0]))


def _says(decision: Decision) -> tuple[str, str | None]:
    return decision.action, decision.value if decision.action == "relabel" else None


def _conflict(row: int, decision: Decision, others: Sequence[Decision]) -> Refused:
    told = sorted({_told(each) for each in others} - {_told(decision)})
    why = f"{_told(decision)}, but {' and '.join(told)}"
    return Refused(row, f"{decision.file[:16]}:{decision.record}", why)


def _told(decision: Decision) -> str:
    does = {"keep": "keeps the label", "exclude": "leaves it out"}.get(decision.action)
    return f"{shown(decision.reviewer)} {does or f'says {shown(decision.value)}'}"


def _decision(row: Mapping[str, str], known: Known, reviewer: str | None, now: str) -> Decision:
    place = known.whole(RecordId.parse(row.get("record", "")))
    before = known.decided.get(place) if place else None
    if place is None or (place not in known.labels and before is None):
        raise UsageError("the version has no such record with a label")
    who = row.get("reviewer") or reviewer
    if not who:
        raise UsageError("it names no reviewer", fix="Fill in the column reviewer, or name one with --reviewer.")
    # A decision is about the label that the dump and the declaration give, without any decision.
    seen = before.expect if before else known.labels[place]
    now_there = known.labels.get(place, seen)
    told = row.get("label", now_there)
    if told not in (seen, now_there):
        raise UsageError(f"its label is {shown(now_there)} now", expected=shown(told), fix="Export it again.")
    action, value = _meant(row, told, seen, known.values)
    return Decision(
        file=place[0],
        record=place[1],
        column=known.column,
        action=action,
        expect=seen,
        value=value,
        reviewer=who,
        reason=row.get("reason", ""),
        decided_at=_moment(row.get("decided_at"), now),
    )


def _meant(
    row: Mapping[str, str], told: str | None, seen: str | None, values: Sequence[str]
) -> tuple[ReviewAction, str | None]:
    """What a row means for the label without any decision: to keep what an earlier decision gave is to relabel."""
    value = row.get("value")
    action = row.get("action") or "relabel"
    if action not in _ACTIONS:
        raise UsageError(f"{shown(action)} is no action", fix=nearest(action, _ACTIONS))
    if action == "exclude":
        return "exclude", None
    if action == "keep":
        value = told
    elif value is None or value not in values:
        raise UsageError(f"{shown(value)} is no label", fix=nearest(value or "", values))
    return ("keep", None) if value == seen else ("relabel", value)


def _moment(text: str | None, now: str) -> str:
    if not text:
        return now
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{shown(text)} is no moment", expected="ISO 8601, as 2026-11-30T12:00:00Z") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return as_text(moment)
