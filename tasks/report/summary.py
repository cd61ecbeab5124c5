"""Summary: one run's report as markdown and as table rows, the text of its Prefect artifacts.

Belongs here: choosing and wording. Does not belong here: reading the store (stage), or Prefect (task).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import jinja2
import msgspec

from schemas.audits import Audit
from schemas.records import Books, PartitionEntry, RuleCount
from tasks.report.drift import done, drift_rows, is_new, told
from tasks.report.escape import as_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence


#: Characters of a sentence of ours, which may quote a declaration or a path, that are shown.
_WORDS = 400
#: Findings of an audit that are shown.
_FINDINGS = 20


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One quarantined record, to be shown."""

    record: str
    """Its id, as `winnow explain` takes it."""
    reasons: tuple[str, ...]
    """`<rule id>: <reason>` for each rule that it broke."""
    cells: tuple[tuple[str, str | None], ...]
    """Column and raw text, of the columns that the reasons name and that are not personal."""


class RunReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a report shows of one run over one partition."""

    dataset: str
    partition: str
    version: int
    digest: str
    entry: PartitionEntry
    rules: tuple[RuleCount, ...]
    """Every rule of the data set, with its count, zero too."""
    reasons: dict[str, str]
    """Rule id -> reason in words."""
    examples: tuple[Example, ...]
    folder: str
    """Where the data set lies in the store."""
    before: Books | None
    """Books of the same partition in the parent version; None when it was not there."""
    kept_before: int | None
    """Rows of the clean table in the parent version; None for the first version."""
    kept_now: int
    """Rows of the clean table in this version."""
    audits: tuple[Audit, ...] = ()
    """What the declared audits found."""
    partition_before: PartitionEntry | None = None
    """The partition whose name comes before this one's among the version's; None for its first."""


def share(part: int, whole: int) -> str:
    """A share as text for a table: `2.3 %`; a dash when there is no whole.

    Example:
        >>> share(1, 3), share(0, 0)
        ('33.3 %', '-')
    """
    return f"{part / whole * 100:.1f} %" if whole else "-"


def removed_by_rule(report: RunReport) -> list[dict[str, str | int]]:
    """Table rows, one for each rule and each reason of rejection: rule, severity, rows, share of records, reason.

    Rules that removed nothing are there too, so that the table's history in the UI keeps its lines.
    """
    records = report.entry.total.records
    rules: list[dict[str, str | int]] = [
        _row(rule.id, rule.severity.value, report.reasons.get(rule.id, ""), rule.rows, records) for rule in report.rules
    ]
    unparsed = "could not be parsed"
    rejects = [_row(each.reason, "reject", unparsed, each.records, records) for each in report.entry.rejects]
    return sorted(rules + rejects, key=lambda row: (-int(row["rows"]), str(row["rule"])))


def drifted(report: RunReport) -> list[dict[str, str | int]]:
    """Table rows, one for each way in which columns drifted: what, what was done, in which files, and since when."""
    earlier = report.partition_before
    before = [finding for findings in earlier.drift.values() for finding in findings] if earlier else []
    return [
        {
            "drift": told(row.finding),
            "done": done(row.finding),
            "file": row.files[0],
            "files": len(row.files),
            "since": _since(earlier, new=is_new(row.finding, before)),
        }
        for row in drift_rows(report.entry.drift)
    ]


def _since(earlier: PartitionEntry | None, *, new: bool) -> str:
    if earlier is None:
        return "there is no partition before"
    return f"new: not so in {earlier.partition}" if new else f"as in {earlier.partition}"


def _row(rule: str, severity: str, reason: str, rows: int, records: int) -> dict[str, str | int]:
    return {"rule": rule, "severity": severity, "rows": rows, "share": share(rows, records), "reason": reason}


def summary(report: RunReport) -> str:
    """The run in markdown: what came in, what became of it, why, examples, where to look, what is new."""
    table: Sequence[dict[str, str | int]] = removed_by_rule(report)
    return _template("summary.md.jinja").render(
        report=report,
        total=report.entry.total,
        drifted=drifted(report),
        audits=[(audit, audit.findings[:_FINDINGS]) for audit in report.audits],
        broken=[row for row in table if row["rows"]],
        unbroken=sum(1 for row in table if not row["rows"]),
        redeliveries=[raw for raw in report.entry.inputs if raw.redelivery_of],
        rows_by_file=list(zip(report.entry.inputs, report.entry.books, strict=True)),
    )


@functools.cache
def _template(name: str) -> jinja2.Template:
    # Autoescape is for HTML; markdown has an escape of its own, applied by name to every value from outside.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tasks.report"),
        autoescape=False,  # noqa: S701
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = as_markdown
    environment.filters["words"] = functools.partial(as_markdown, limit=_WORDS)
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.globals["share"] = share
    return environment.get_template(name)
