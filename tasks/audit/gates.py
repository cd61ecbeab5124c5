"""Gates: conditions on a whole partition that stop it before it is published.

Belongs here: from counts and table verdicts to findings, each with what was found and what was allowed. Does not belong
here: computing the counts, or what is done about a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from schemas.errors import GateError
from schemas.records import Books, RuleCount, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from schemas.policies import Gates
    from schemas.rules import Rule


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One gate that a partition did not pass."""

    gate: str
    """Name of the setting or id of the rule."""
    found: str
    expected: str
    fix: str


def findings(
    gates: Gates, books: Books, rules: Iterable[RuleCount], verdicts: Sequence[tuple[Rule, bool]] = ()
) -> tuple[Finding, ...]:
    """The gates that a partition does not pass, in a stable order.

    Args:
        gates: the declared limits.
        books: the partition's books.
        rules: counts of broken rules; any row that breaks one of severity `fail` stops the partition.
        verdicts: table-level rules, and whether each holds.
    """
    return (*_limits(gates, books), *_failed_rows(rules), *_failed_tables(verdicts))


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


def _failed_rows(rules: Iterable[RuleCount]) -> Iterator[Finding]:
    for rule in rules:
        if rule.severity is Severity.FAIL and rule.rows:
            fix = "Correct the source, or give the rule the severity quarantine."
            yield Finding(rule.id, f"{rule.rows:,} rows break it", "none", fix)


def _failed_tables(verdicts: Sequence[tuple[Rule, bool]]) -> Iterator[Finding]:
    for rule, holds in verdicts:
        if not holds and rule.severity is not Severity.WARN:
            yield Finding(rule.id, "the whole table breaks it", rule.reason, "Correct the source or the rule.")


def stop(dataset: str, partition: str, found: Sequence[Finding]) -> None:
    """Raises what the findings amount to.

    Raises:
        GateError: there is at least one finding; the message has them all.
    """
    if not found:
        return
    first = found[0]
    others = f"; also {', '.join(f'{each.gate}: {each.found}' for each in found[1:])}" if found[1:] else ""
    error = GateError(
        f"gate {first.gate}: {first.found}{others}",
        expected=first.expected,
        where=f"{dataset} {partition}",
        fix=first.fix,
    )
    error.gates = tuple(each.gate for each in found)
    raise error
