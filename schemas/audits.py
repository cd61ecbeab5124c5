"""Audits: what is found of a whole table, after every row has its fate.

Belongs here: the shape in which every audit tells what it found. Does not belong here: finding it (tasks/audit, one
module for each audit), or the policies that ask for it.

An audit is a function from frames and a policy to an `AuditResult`. It sets no row aside by itself and touches no
store; `tasks/audit/stage.py` calls it, keeps its tables beside the data and asks the gates about its findings.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

#: The audits there are, as the declaration names their policies; each is a gate.
AUDITS = ("annotators", "coverage", "labels", "leakage", "shift")
#: What stands for one thing that an audit counted or estimated.
Fact = str | int | float | bool | None


class Verdict(enum.StrEnum):
    """What an audit amounts to: nothing to see, to be looked at, or a gate that stops the run."""

    OK = "ok"
    WARN = "warn"
    STOP = "stop"


class AuditFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that an audit found."""

    subject: str
    """What it is about: a column, a group, a class, a worker, two splits. May hold values of the data."""
    verdict: str
    """In the audit's own words, such as `short by 12`."""
    found: str
    expected: str = ""
    fix: str = ""
    level: Verdict = Verdict.WARN


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an audit found, without its tables: as it is kept in the store, shown and printed."""

    name: str
    """labels, annotators, coverage, leakage, drift ...; the stem of the names of its files."""
    scope: str
    """partition: of the rows of one partition, and part of its entry; version: of all rows of the candidate."""
    verdict: Verdict
    facts: dict[str, Fact] = {}
    """Numbers and choices, by name, in the order in which they are shown."""
    findings: tuple[AuditFinding, ...] = ()
    tables: tuple[str, ...] = ()
    """Names of the tables that it brought."""


class AuditResult(msgspec.Struct, frozen=True):
    """What an audit gives: its verdict and findings, and tables, each a polars frame in a stable order.

    A table whose rows are about single records has the columns `_file` and `_record`, so that an erasure reaches them.
    """

    name: str
    findings: tuple[AuditFinding, ...] = ()
    facts: dict[str, Fact] = {}
    tables: dict[str, Any] = {}

    @property
    def verdict(self) -> Verdict:
        """The gravest of the findings' levels.

        Example:
            >>> AuditResult("coverage").verdict
            <Verdict.OK: 'ok'>
        """
        levels = {finding.level for finding in self.findings}
        return next((level for level in (Verdict.STOP, Verdict.WARN) if level in levels), Verdict.OK)

    def audit(self, scope: str) -> Audit:
        """The result without the frames."""
        return Audit(self.name, scope, self.verdict, self.facts, self.findings, tuple(self.tables))
