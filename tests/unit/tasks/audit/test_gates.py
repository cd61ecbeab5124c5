"""Gates: what stops a partition, and what it says."""

from __future__ import annotations

import pytest

from schemas import Gates
from schemas.errors import GateError
from schemas.records import Books, DriftFinding, DriftKind, RuleCount, Severity
from schemas.rules import Rule
from tasks.audit.gates import findings, stop

BOOKS = Books(records=100, kept=90, quarantined=6, rejected=4)


def rule(severity: Severity) -> Rule:
    return Rule(id="balanced", column=None, check="balanced", kind="table", severity=severity, reason="must balance")


@pytest.mark.parametrize(
    ("gates", "books", "gate"),
    [
        (Gates(max_quarantined=0.05), BOOKS, "max_quarantined"),
        (Gates(max_rejected=0.03), BOOKS, "max_rejected"),
        (Gates(min_records=101), BOOKS, "min_records"),
        (Gates(), Books(records=3, rejected=3), "allow_empty"),
        (Gates(), Books(), "allow_empty"),
    ],
)
def test_a_limit_that_is_passed_is_a_finding(gates: Gates, books: Books, gate: str) -> None:
    assert [finding.gate for finding in findings(gates, books, ())] == [gate]


@pytest.mark.parametrize(
    ("gates", "books"),
    [
        (Gates(), BOOKS),
        (Gates(max_quarantined=0.06, max_rejected=0.04, min_records=100), BOOKS),
        (Gates(allow_empty=True, max_rejected=0.0), Books()),
    ],
)
def test_a_limit_that_is_just_reached_is_none(gates: Gates, books: Books) -> None:
    assert findings(gates, books, ()) == ()


def test_only_rules_of_severity_fail_stop_the_run() -> None:
    counts = [RuleCount(f"c.{severity}", severity, 1) for severity in Severity] + [RuleCount("z", Severity.FAIL, 0)]
    assert [finding.gate for finding in findings(Gates(), BOOKS, counts)] == ["c.fail"]


def test_a_table_rule_stops_the_run_unless_it_warns() -> None:
    verdicts = [(rule(severity), False) for severity in Severity] + [(rule(Severity.FAIL), True)]
    assert len(findings(Gates(), BOOKS, (), verdicts)) == 2


def test_the_error_names_every_gate() -> None:
    found = findings(Gates(max_quarantined=0.05, max_rejected=0.0), BOOKS, ())
    with pytest.raises(GateError, match=r"t p: gate max_quarantined: 6 of 100 .* also max_rejected"):
        stop("t", "p", found)
    stop("t", "p", ())


USUAL = [Books(records=100, kept=99, quarantined=1)] * 4


@pytest.mark.parametrize(
    ("gates", "books", "gate"),
    [
        (Gates(max_quarantined_rise=0.04), BOOKS, "max_quarantined_rise"),
        (Gates(max_records_change=0.5), Books(records=49, kept=49), "max_records_change"),
        (Gates(max_records_change=0.5), Books(records=151, kept=151), "max_records_change"),
    ],
)
def test_what_is_unusual_is_a_finding_once_something_is_usual(gates: Gates, books: Books, gate: str) -> None:
    assert [each.gate for each in findings(gates, books, (), history=USUAL)] == [gate]
    assert findings(gates, books, (), history=USUAL[:2]) == ()
    assert findings(gates, Books(records=100, kept=95, quarantined=5), (), history=USUAL) == ()


def test_only_the_last_partitions_are_usual() -> None:
    before = [Books(records=10, kept=10)] * 50 + [Books(records=100, kept=100)] * 3
    gates = Gates(max_records_change=0.1, history=5)
    assert findings(gates, Books(records=100, kept=100), (), history=before) == ()
    assert findings(gates, Books(records=10, kept=10), (), history=before)


def test_drift_is_a_finding_where_it_is_not_allowed() -> None:
    drift = {"a.csv": (DriftFinding(DriftKind.EXTRA, "ignore", found="x"),)}
    (found,) = findings(Gates(allow_drift=False), BOOKS, (), drift=drift)
    assert (found.gate, found.found) == ("allow_drift", "columns are extra in 1 of the dump's files")
    reordered = {"a.csv": (DriftFinding(DriftKind.REORDERED, "ignore"),)}
    assert findings(Gates(allow_drift=False), BOOKS, (), drift=reordered) == ()
    assert findings(Gates(), BOOKS, (), drift=drift) == ()


def test_a_gate_does_what_is_declared_for_it() -> None:
    gates = Gates(max_quarantined=0.05, max_rejected=0.0, min_records=101, actions={"max_rejected": "hold"})
    found = findings(gates, BOOKS, (), [(rule(Severity.FAIL), False)])
    assert [each.action for each in found] == ["fail", "hold", "fail", "fail"]
    lenient = Gates(max_quarantined=0.05, actions={"max_quarantined": "warn", "balanced": "hold"})
    found = findings(lenient, BOOKS, (), [(rule(Severity.FAIL), False)])
    assert [each.action for each in found] == ["warn", "hold"]
    stop("t", "p", found)
