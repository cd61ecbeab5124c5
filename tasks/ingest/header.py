"""Header: the columns that a raw file has for all of its records, held against the declared ones.

Belongs here: the one comparison of names that delimited and columnar files share. Does not belong here: reading the
names, the keys of JSON records (keys), or stored types (widening).
"""

from __future__ import annotations

import collections
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import HeaderError, nearest, shown
from schemas.records import DriftFinding, DriftKind
from tasks.ingest.blocks import RecordFlag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.policies import Drift

#: Undeclared names that a finding or a message lists; the rest is counted.
LISTED_NAMES = 10
#: Characters of an undeclared name that a manifest keeps.
_NAME_CHARACTERS = 80


@dataclass(frozen=True)
class Columns:
    """Where the declared columns stand in a file.

    Attributes:
        found: the file's columns in their order.
        declared: the declared ones in theirs.
        positions: for each declared column its position among the file's; None is a column that is null throughout.
        flags: bits of `RecordFlag` that every record of the file has.
        drift: in which ways the file's columns are not the declared ones.
    """

    found: tuple[str, ...]
    declared: tuple[str, ...]
    positions: tuple[int | None, ...]
    flags: int
    drift: tuple[DriftFinding, ...]


def match_columns(found: Sequence[str], declared: Sequence[str], drift: Drift, path: str) -> Columns:
    """Finds the declared columns among a file's.

    Raises:
        HeaderError: none is there, a name stands twice, or the columns drifted in a way that stops the partition.

    Example:
        >>> from schemas.policies import Drift
        >>> columns = match_columns(["label", "id"], ["id", "text"], Drift(renamed={"label": "text"}), "a.csv")
        >>> columns.positions, [finding.kind.value for finding in columns.drift]
        ((1, 0), ['renamed', 'reordered'])
    """
    names = names_in(found, declared, drift.renamed)
    if not names:
        # Nothing of such a line is repeated in a message: without a header it is a record, and may be personal.
        fix = "Ask the source whether its first line names the columns."
        raise _mismatch(f"none of the declared columns among {len(found):,} fields", declared, path, fix)
    _refuse_twice(found, declared, path)
    used = set(names.values())
    drifted = _Drifted(
        found=found,
        declared=declared,
        missing=[name for name in declared if name not in names],
        extra=[name for name in found if name not in used],
        path=path,
    )
    findings = [
        *drifted.missing_findings(drift.missing or "fail"),
        *drifted.extra_findings(drift.extra or "fail"),
        *renamed_findings(names),
        *drifted.reordered_findings(names, drift.reordered),
    ]
    places = {name: position for position, name in enumerate(found)}
    positions = tuple(places[names[name]] if name in names else None for name in declared)
    return Columns(tuple(found), tuple(declared), positions, _flags(findings), tuple(findings))


def names_in(found: Sequence[str], declared: Sequence[str], renamed: Mapping[str, str]) -> dict[str, str]:
    """What each declared column is called among these names: by its own, or the first of its other ones that is there.

    Example:
        >>> names_in(["a", "old", "older"], ["a", "b"], {"older": "b", "old": "b"})
        {'a': 'a', 'b': 'older'}
    """
    there = set(found)
    others = {name: other for other, name in reversed(list(renamed.items())) if other in there}
    names = {name: name if name in there else others.get(name) for name in declared}
    return {name: called for name, called in names.items() if called is not None}


def renamed_findings(names: Mapping[str, str]) -> Iterator[DriftFinding]:
    """A finding for each declared column that is called otherwise."""
    for name, called in names.items():
        if called != name:
            yield DriftFinding(DriftKind.RENAMED, "accept", column=name, found=called)


def cut(name: str) -> str:
    """An undeclared name as a manifest keeps it: whole, unless it is long."""
    return name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 1]}…"


def listed(names: Sequence[str]) -> str:
    """Names from data, escaped, the first ten of them.

    Example:
        >>> listed(["a", "b"])
        "'a', 'b'"
    """
    text = ", ".join(shown(name) for name in names[:LISTED_NAMES])
    more = len(names) - LISTED_NAMES
    return f"{text} and {more:,} more" if more > 0 else text


@dataclass(frozen=True)
class _Drifted:
    """A file's names beside the declared ones."""

    found: Sequence[str]
    declared: Sequence[str]
    missing: Sequence[str]
    extra: Sequence[str]
    path: str

    def missing_findings(self, policy: str) -> Iterator[DriftFinding]:
        if self.missing and policy == "fail":
            name = shown(self.missing[0])
            near = nearest(name, (shown(each) for each in (self.extra or self.found)[:LISTED_NAMES]))
            fix = f"{near} Declare Source(drift=Drift(...)) with renamed={{...}} or missing='null' for what is meant."
            raise _mismatch(f"no column {name} among {listed(self.found)}", self.declared, self.path, fix)
        for column in self.missing:
            likely = difflib.get_close_matches(column, [cut(each) for each in self.extra[:LISTED_NAMES]], n=1)
            yield DriftFinding(DriftKind.MISSING, policy, column=column, found=next(iter(likely), None))

    def extra_findings(self, policy: str) -> Iterator[DriftFinding]:
        if self.extra and policy == "fail":
            near = nearest(shown(self.extra[0]), map(shown, self.missing)) if self.missing else "Declare them."
            fix = f"{near} Or declare Source(drift=Drift(extra='ignore'))."
            raise _mismatch(f"undeclared columns {listed(self.extra)}", self.declared, self.path, fix)
        for name in self.extra[:LISTED_NAMES]:
            yield DriftFinding(DriftKind.EXTRA, policy, column=cut(name))
        more = len(self.extra) - LISTED_NAMES
        if more > 0:
            yield DriftFinding(DriftKind.EXTRA, policy, columns=more)

    def reordered_findings(self, names: Mapping[str, str], policy: str) -> Iterator[DriftFinding]:
        used = set(names.values())
        stand = [name for name in self.found if name in used]
        moved = sum(one != other for one, other in zip(stand, names.values(), strict=True))
        if moved and policy == "fail":
            fix = "Ask the source why, or declare Source(drift=Drift(reordered='ignore'))."
            raise _mismatch(f"columns in the order {listed(stand)}", self.declared, self.path, fix)
        if moved:
            yield DriftFinding(DriftKind.REORDERED, policy, columns=moved)


def _flags(findings: Sequence[DriftFinding]) -> int:
    bits = {DriftKind.MISSING: RecordFlag.MISSING_COLUMN.value, DriftKind.EXTRA: RecordFlag.EXTRA_COLUMN.value}
    set_aside = {finding.kind for finding in findings if finding.policy == "quarantine"}
    return sum(bits[kind] for kind in set_aside)


def _refuse_twice(found: Sequence[str], declared: Sequence[str], path: str) -> None:
    twice = [name for name, times in collections.Counter(found).items() if times > 1]
    if twice:
        fix = "Ask the source for distinct names: which of them counts can't be told."
        raise _mismatch(f"columns named more than once: {listed(twice)}", declared, path, fix)


def _mismatch(found: str, declared: Sequence[str], path: str, fix: str) -> HeaderError:
    return HeaderError(found, expected=f"the declared columns {listed(declared)}", where=shown(path), fix=fix)
