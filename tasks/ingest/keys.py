"""Keys: the keys of JSON records, held against the declared columns one record at a time.

Belongs here: what `Drift` says of a record that has not exactly the declared keys, and the counts that the manifest has
of it. Does not belong here: parsing JSON (jsonl), or columns that a whole file has (header).
"""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.errors import HeaderError, nearest, shown
from schemas.records import DriftFinding, DriftKind
from tasks.ingest.blocks import RecordFlag
from tasks.ingest.header import LISTED_NAMES, cut, listed, names_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.policies import Drift

#: Sets of keys whose match is remembered; the records of a file have few, unless it is hostile.
_REMEMBERED = 256
#: Characters of such a set at most, so that hostile keys fill no memory.
_REMEMBERED_CHARACTERS = 1 << 16
_FLAGS = {DriftKind.MISSING: RecordFlag.MISSING_COLUMN.value, DriftKind.EXTRA: RecordFlag.EXTRA_COLUMN.value}

#: What is counted: a kind, the column, and what it is called.
_Mark = tuple[DriftKind, str | None, str | None]


@dataclass(slots=True)
class _Match:
    """A set of keys, held against the declared columns, and how many records had it."""

    renamed: Mapping[str, str] | None
    marks: Sequence[_Mark]
    flags: int
    records: int = 0


class Keys:
    """Matches the keys of one file's records, and remembers how they drifted.

    Records whose keys are exactly the declared ones need not be shown to it.

    Example:
        >>> from schemas.policies import Drift
        >>> keys = Keys(("id", "text"), Drift(extra="ignore", renamed={"label": "text"}), "a.jsonl")
        >>> keys.matched({"id": "1", "label": "a", "x": "2"})
        ({'id': '1', 'text': 'a'}, 0)
        >>> [(finding.kind.value, finding.column, finding.records) for finding in keys.drift(1)]
        [('extra', 'x', 1), ('renamed', 'text', 1)]
    """

    def __init__(self, declared: Sequence[str], drift: Drift, path: str) -> None:
        """Prepares to match.

        Args:
            declared: the declared columns.
            drift: what becomes of records that have others.
            path: of their file.
        """
        self._declared, self._renamed, self._path = declared, drift.renamed, path
        # An absent key is how JSON writes a null, and an undeclared one the oddity of one record.
        missing, extra = drift.missing or "null", drift.extra or "quarantine"
        self._policies = {DriftKind.MISSING: missing, DriftKind.EXTRA: extra, DriftKind.RENAMED: "accept"}
        self._named: dict[str, None] = {}
        self._matches: dict[tuple[str, ...], _Match] = {}
        self._others: collections.Counter[_Mark] = collections.Counter()

    def matched(self, values: dict[str, Any], records: int = 1) -> tuple[dict[str, Any], int]:
        """A record's values by declared column, undeclared ones perhaps among them, and its bits of `RecordFlag`.

        Args:
            values: by key, as the record has them.
            records: how many records have these keys.

        Raises:
            HeaderError: its keys stop the partition.
        """
        keys = tuple(values)
        match = self._matches.get(keys) or self._match(keys, records)
        match.records += records
        if match.renamed:
            values = {name: values[called] for name, called in match.renamed.items()}
        return values, match.flags

    def drift(self, records: int) -> tuple[DriftFinding, ...]:
        """How the file's keys drifted.

        Args:
            records: how many were parsed. A key that `Drift(missing="null")` lets be absent is told only when no
                record has it: that some lack it is ordinary.
        """
        counts: collections.Counter[_Mark] = collections.Counter()
        for match in self._matches.values():
            for mark in match.marks:
                counts[mark] += match.records
        counts.update(self._others)
        order = list(self._policies)
        marks = sorted(counts, key=lambda mark: (order.index(mark[0]), mark[1] is None))
        return tuple(
            DriftFinding(kind, self._policies[kind], column, found, records=counts[kind, column, found])
            for kind, column, found in marks
            if (kind, self._policies[kind]) != (DriftKind.MISSING, "null") or counts[kind, column, found] == records
        )

    def _match(self, keys: tuple[str, ...], records: int) -> _Match:
        names = names_in(keys, self._declared, self._renamed)
        used = set(names.values())
        extra = [key for key in keys if key not in used]
        lacking = [name for name in self._declared if name not in names]
        self._refuse(lacking, extra)
        renamed = [(name, called) for name, called in names.items() if name != called]
        marks: list[_Mark] = [
            *((DriftKind.MISSING, name, None) for name in lacking),
            *((DriftKind.EXTRA, self._name(key), None) for key in extra),
            *((DriftKind.RENAMED, name, called) for name, called in renamed),
        ]
        flags = sum(_FLAGS[kind] for kind in {mark[0] for mark in marks} if self._policies[kind] == "quarantine")
        match = _Match(names if renamed else None, marks, flags)
        if len(self._matches) < _REMEMBERED and sum(map(len, keys)) <= _REMEMBERED_CHARACTERS:
            self._matches[keys] = match
        else:
            for mark in marks:
                self._others[mark] += records
        return match

    def _name(self, key: str) -> str | None:
        """An undeclared key as it is counted: hostile records could have a new one each, so only the first ones are."""
        name = cut(key)
        if len(self._named) < LISTED_NAMES:
            self._named[name] = None
        return name if name in self._named else None

    def _refuse(self, lacking: Sequence[str], extra: Sequence[str]) -> None:
        if lacking and self._policies[DriftKind.MISSING] == "fail":
            key = shown(lacking[0])
            near = f"{nearest(key, map(shown, extra[:LISTED_NAMES]))} " if extra else ""
            fix = f"{near}Declare Source(drift=Drift(missing=...)) to go on without it."
            raise self._stopped(f"a record without the key {key}", fix)
        if extra and self._policies[DriftKind.EXTRA] == "fail":
            fix = "Declare them, or declare Source(drift=Drift(extra='quarantine'))."
            raise self._stopped(f"a record with the undeclared keys {listed(extra)}", fix)

    def _stopped(self, found: str, fix: str) -> HeaderError:
        expected = f"the declared columns {listed(self._declared)}"
        return HeaderError(found, expected=expected, where=shown(self._path), fix=fix)
