"""Gates: conditions on a whole partition, asked before it is published.

Belongs here: from counts and table verdicts to findings, each with what was found, what was allowed, and what the
declaration says is to be done about it. Does not belong here: computing the counts, or doing it (tasks/publish).
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Literal

import msgspec

from schemas.errors import GateError
from schemas.records import Books, DriftKind, RuleCount, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from schemas.policies import Gates
    from schemas.records import DriftFinding
    from schemas.rules import Rule

#: With fewer partitions before it, nothing is usual.
_FEWEST = 3


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One gate that a partition did not pass."""

    gate: str
    """Name of the setting or id of the rule."""
    found: str
    expected: str
    fix: str
    action: Literal["fail", "hold", "warn"] = "fail"
    """What is done about it."""


#: Rules that ask for a person's look rather than for other data: they hold the run, unless another action is declared.
HELD = frozenset({"entities.review"})


def findings(
    gates: Gates,
    books: Books,
    rules: Iterable[RuleCount],
    verdicts: Sequence[tuple[Rule, bool]] = (),
    *,
    history: Sequence[Books] = (),
    drift: Mapping[str, Sequence[DriftFinding]] | None = None,
) -> tuple[Finding, ...]:
    """The gates that a partition does not pass, in a stable order, each with the action that is declared for it.

    Args:
        gates: the declared limits.
        books: the partition's books.
        rules: counts of broken rules; any row that breaks one of severity `fail` stops the partition.
        verdicts: table-level rules, and whether each holds.
        history: the books of the partitions before this one, in their order.
        drift: path of a raw file -> in which ways its columns are not the declared ones.
    """
    found = (
        *_limits(gates, books),
        *_unusual(gates, books, history[-gates.history :]),
        *_drifted(gates, drift or {}),
        *_failed_rows(rules),
        *_failed_tables(verdicts),
    )
    return tuple(acted(gates, each) for each in found)


def acted(gates: Gates, finding: Finding) -> Finding:
    """A finding with the action that is declared for its gate."""
    return msgspec.structs.replace(finding, action=gates.actions.get(finding.gate, finding.action))


def _limits(gates: Gates, books: Books) -> Iterator[Finding]:
    for name, count in (("max_quarantined", books.quarantined), ("max_rejected", books.rejected)):
        limit = getattr(gates, name)
        share = count / books.records if books.records else 0.0
        if limit is not None and share > limit:
            fix = f"Look at the reasons with `winnow quarantine`; raise {name} only if the data is right."
            yield Finding(name, f"{count:,} of {books.records:,} records ({share:.1%})", f"at most {limit:.1%}", fix)
    if gates.min_records is not None and books.records < gates.min_records:
        fix = "Ask the source whether the dump is whole."
        yield Finding("min_records", f"{books.records:,} records", f"at least {gates.min_records:,}", fix)
    if books.kept + books.erased == 0 and not gates.allow_empty:
        fix = "Declare Gates(allow_empty=True) if a partition may be empty."
        yield Finding("allow_empty", f"none of {books.records:,} records is kept", "at least one", fix)


def _unusual(gates: Gates, books: Books, history: Sequence[Books]) -> Iterator[Finding]:
    if len(history) < _FEWEST:
        return
    rise, change = gates.max_quarantined_rise, gates.max_records_change
    if rise is not None:
        usual, share = statistics.median(map(_quarantined, history)), _quarantined(books)
        if share > usual + rise:
            fix = "Look at the reasons with `winnow quarantine`: something new arrives, or a rule is wrong."
            expected = f"at most {usual + rise:.1%}; usual is {usual:.1%}"
            found = f"{books.quarantined:,} of {books.records:,} records ({share:.1%})"
            yield Finding("max_quarantined_rise", found, expected, fix)
    if change is not None:
        usual = statistics.median(each.records for each in history)
        least, most = max(0.0, usual * (1 - change)), usual * (1 + change)
        if not least <= books.records <= most:
            fix = "Ask the source whether the dump is whole, or came twice."
            expected = f"{least:,.0f} to {most:,.0f}; usual is {usual:,.0f}"
            yield Finding("max_records_change", f"{books.records:,} records", expected, fix)


def _quarantined(books: Books) -> float:
    return books.quarantined / books.records if books.records else 0.0


def _drifted(gates: Gates, drift: Mapping[str, Sequence[DriftFinding]]) -> Iterator[Finding]:
    kinds = sorted({each.kind.value for found in drift.values() for each in found if each.kind != DriftKind.REORDERED})
    if kinds and not gates.allow_drift:
        found = f"columns are {', '.join(kinds)} in {len(drift):,} of the dump's files"
        fix = "`winnow run` and the report say which. Ask the source, then declare what is right in Source(drift=...)."
        yield Finding("allow_drift", found, "the declared columns", fix)


def _failed_rows(rules: Iterable[RuleCount]) -> Iterator[Finding]:
    for rule in rules:
        if rule.severity is Severity.FAIL and rule.rows:
            fix = "Correct the source, or give the rule the severity quarantine."
            action: Literal["fail", "hold"] = "hold" if rule.id in HELD else "fail"
            yield Finding(rule.id, f"{rule.rows:,} rows break it", "none", fix, action)


def _failed_tables(verdicts: Sequence[tuple[Rule, bool]]) -> Iterator[Finding]:
    for rule, holds in verdicts:
        if not holds and rule.severity is not Severity.WARN:
            yield Finding(rule.id, "the whole table breaks it", rule.reason, "Correct the source or the rule.")


def stop(dataset: str, partition: str, found: Sequence[Finding]) -> None:
    """Raises what the findings amount to that say `fail`.

    Raises:
        GateError: there is at least one; the message has them all.
    """
    failed = [finding for finding in found if finding.action == "fail"]
    if not failed:
        return
    first = failed[0]
    others = f"; also {', '.join(f'{each.gate}: {each.found}' for each in failed[1:])}" if failed[1:] else ""
    error = GateError(
        f"gate {first.gate}: {first.found}{others}",
        expected=first.expected,
        where=f"{dataset} {partition}",
        fix=first.fix,
    )
    error.gates = tuple(each.gate for each in failed)
    raise error


def in_words(found: Finding) -> str:
    """A finding as one line.

    Example:
        >>> in_words(Finding("min_records", "3 records", "at least 10", "Ask."))
        'gate min_records: 3 records, expected at least 10'
    """
    return f"gate {found.gate}: {found.found}, expected {found.expected}"
