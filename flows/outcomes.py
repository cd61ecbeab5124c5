"""Outcomes: what a run did, as the command line prints it.

Belongs here: the table and the JSON of outcomes. Does not belong here: anything that computes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.console import emit, say, table
from tasks.report.drift import done, drift_rows, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.job import Outcome

#: Findings of an audit that are shown.
_FINDINGS = 3
_COLUMNS = ("data set", "partition", "records", "kept", "duplicate", "quarantined", "rejected", "repaired")


def print_outcomes(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Prints a line of JSON for each outcome, or one table of their books and what is to be said of each."""
    if as_json:
        for outcome in outcomes:
            emit(outcome)
        return
    # The version stands in the note: with a column for it the table would not fit into 80 characters.
    table("", _COLUMNS, [_row(outcome) for outcome in outcomes], gap=1)
    for outcome in outcomes:
        say(f"{outcome.dataset} {outcome.partition}: {outcome.note}")
        if outcome.books.erased:
            say(f"  {outcome.books.erased:,} more records are erased")
        for row in drift_rows(outcome.drift):
            where = row.files[0] if len(row.files) == 1 else f"{len(row.files):,} files"
            say(f"  {where}: {told(row.finding)}: {done(row.finding)}")
        _say_audits(outcome)


def _say_audits(outcome: Outcome) -> None:
    for audit in outcome.audits:
        for finding in audit.findings[:_FINDINGS]:
            say(f"  {audit.name}, {finding.subject}: {finding.verdict}: {finding.found}")
        if len(audit.findings) > _FINDINGS:
            say(f"  {audit.name}: {len(audit.findings) - _FINDINGS:,} more: winnow audit {outcome.dataset}")


def _row(outcome: Outcome) -> tuple[object, ...]:
    books = outcome.books
    fates = (books.records, books.kept, books.duplicate, books.quarantined, books.rejected, books.repaired)
    return (outcome.dataset, outcome.partition, *fates)
