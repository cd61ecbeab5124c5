"""Fitness: the audits of a table as training data, as the stage calls them.

Belongs here: which rows and which declared facts each of them gets. Does not belong here: the audits (coverage,
leakage, shift), or keeping what they found (stage).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.audits import AuditResult
from tasks.audit.clusters import near_clusters
from tasks.audit.column_leaks import features_of
from tasks.audit.coverage import coverage
from tasks.audit.leakage import leakage
from tasks.audit.shift import shift, sides

if TYPE_CHECKING:
    from schemas.dataset import Dataset
    from tasks.audit.stage import Candidate

#: Column of a candidate's rows that says from which partition each is.
_PARTITION = "_partition"


def audit_coverage(candidate: Candidate) -> AuditResult:
    """Which groups the candidate holds."""
    dataset = candidate.dataset
    assert dataset.coverage is not None  # noqa: S101  # for the type checker: called where it is declared
    return coverage(candidate.rows, dataset.coverage, dataset.categories, dataset.split)


def audit_leakage(candidate: Candidate) -> AuditResult:
    """What the candidate's splits share, and which of its columns tell too much."""
    dataset = candidate.dataset
    assert dataset.leakage is not None  # noqa: S101  # as above
    split = dataset.split
    near = dataset.leakage.near or (split.near if split else None)
    clusters = near_clusters(candidate.rows, near) if near and split else None
    keys = _keys(dataset)
    return leakage(candidate.rows, dataset.leakage, split, keys=keys, personal=dataset.personal, clusters=clusters)


def audit_shift(candidate: Candidate) -> AuditResult:
    """Whether the values of the changed partition are spread as they were."""
    dataset, policy = candidate.dataset, candidate.dataset.shift
    assert policy is not None  # noqa: S101  # as above
    label = policy.label or (dataset.leakage.label if dataset.leakage else None)
    names = policy.columns or [
        name for name in features_of(candidate.rows.collect_schema(), None) if name not in _keys(dataset)
    ]
    if policy.against == "test":
        split = dataset.split.column if dataset.split else ""
        now, then = sides(candidate.rows, split)
        return shift(now, then, policy, [name for name in names if name != split], personal=dataset.personal)
    now = candidate.rows.filter(pl.col(_PARTITION) == candidate.partition)
    before = candidate.before if policy.against == "previous" else candidate.version(policy.against)
    if before is None:
        return AuditResult("shift", facts={"action": policy.action, "nothing to compare with": True})
    if policy.against == "previous":
        before = before.filter(pl.col(_PARTITION) != candidate.partition)
    skipped = {dataset.split.column} if dataset.split else set()
    wanted = [name for name in dict.fromkeys([*names, *([label] if label else [])]) if name not in skipped]
    return shift(now, before, policy, wanted, personal=dataset.personal)


def _keys(dataset: Dataset) -> set[str]:
    """Columns that are declared to tell rows, entities or people apart."""
    split = set(dataset.split.keys) if dataset.split else set()
    return {*(dataset.dedupe.key if dataset.dedupe else ()), *dataset.subjects, *split}
