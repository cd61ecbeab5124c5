"""Finding: which records of a data set are a person's, or mention the person, and what erasing them would do.

Belongs here: from a condition to the records of all versions, each cleaning read once. Does not belong here: what
counts as a match (matching, needles), or changing anything (stage).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import UnknownNameError, UsageError, shown
from tasks.erasure import journal
from tasks.erasure.marks import Subject
from tasks.erasure.matching import canonical_texts
from tasks.erasure.needles import Needles
from tasks.erasure.outside import exported
from tasks.erasure.search import Cleaning, Cleanings, belonging, cleanings, frames_of, mentioning, spellings
from tasks.normalise.plan import NormalisePlan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.dataset import Dataset
    from schemas.records import PartitionEntry
    from tasks.erasure.condition import Condition
    from tasks.erasure.journal import Erasure
    from tasks.store.home import Store


class Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an erasure would do."""

    dataset: str
    column: str
    records: int
    """Different records of the person, and those that mention the person."""
    mentioning: int
    """Of these, how many are not the person's, but hold one of the values in another column."""
    versions: tuple[int, ...]
    partitions: tuple[str, ...]
    raw: tuple[str, ...]
    """Raw dumps that hold some of the records, each with how many."""
    blanks_dumps: bool = False
    """Whether the records are made blank in the dumps, where that can be."""
    exports: tuple[str, ...] = ()
    """Exports that hold some of the records, or may; no erasure reaches them."""
    known: str | None = None
    """`begun` or `done`, if the same was asked for before."""


def subject_of(dataset: Dataset, condition: Condition) -> Subject:
    """The person that a condition means, as the values of the clean table.

    Raises:
        UsageError: the column does not tell a person, or a value means *missing*.
    """
    names = [column.name for column in dataset.columns]
    if condition.column not in names:
        raise UnknownNameError.of("column", condition.column, names)
    if condition.column not in dataset.subjects:
        told = ", ".join(dataset.subjects) or "none is"
        raise UsageError(
            f"{condition.column} is not declared to tell whose a record is",
            expected=f"a column that is ({told})",
            where=dataset.name,
            fix='Declare it: pa.Field(metadata={"subject": True}).',
        )
    found = canonical_texts(NormalisePlan(dataset), condition.column, condition.values)
    if found.null_count():
        raise UsageError("a value means that the cell is missing", where=condition.column)
    return Subject(condition.column, tuple(found.unique().sort()))


class Finding:
    """The records of a person in all versions of a data set.

    Attributes:
        subject: the person.
        plan: what the declaration does to cells.
        needles: the person's values in all spellings that were found.
    """

    def __init__(self, store: Store, dataset: Dataset, condition: Condition) -> None:
        self.store, self.name = store, dataset.name
        self.subject = subject_of(dataset, condition)
        self.plan = NormalisePlan(dataset)
        self._texts = {*condition.values, *self.subject.values}
        self.needles = Needles(self._texts)
        self._own: dict[Cleaning, set[tuple[str, int]]] = {}
        self._mentioned: dict[tuple[Cleaning, tuple[str, ...]], set[tuple[str, int]]] = {}

    def own(self, found: Cleanings) -> set[tuple[str, int]]:
        """The person's records: sha256 of the raw file and number."""
        for key, entry in found.entries.items():
            if key not in self._own:
                frames = frames_of(self.store, self.name, entry)
                self._own[key] = belonging(frames, self.subject, self.plan)
                self._texts |= spellings(frames, self.subject.column, self._own[key])
        self.needles = Needles(self._texts)
        return {each for key in found.entries for each in self._own[key]}

    def mentioning(self, found: Cleanings) -> set[tuple[str, int]]:
        """The records in which a value of the person stands anywhere; after `own`."""
        for key, entry in found.entries.items():
            known = (key, self.needles.texts)
            if known not in self._mentioned:
                self._mentioned[known] = mentioning(frames_of(self.store, self.name, entry), self.needles)
        return {each for key in found.entries for each in self._mentioned[key, self.needles.texts]}


def planned(store: Store, dataset: Dataset, condition: Condition) -> Planned:
    """What erasing would do; changes nothing.

    Raises:
        UsageError: the condition can't be meant.
        StoreError: the store can't be read.
    """
    finding, found = Finding(store, dataset, condition), cleanings(store, dataset.name)
    own = finding.own(found)
    erased = own | finding.mentioning(found)
    touched = {key for key, entry in found.entries.items() if may_hold(entry, erased)}
    versions = {version for key in touched for version in found.versions[key]}
    now = {each.version: None if each.version in versions else each.digest for each in found.manifests}
    known = next((each for each in journal.erasures(store, dataset.name) if _is_same(store, each, finding)), None)
    return Planned(
        dataset=dataset.name,
        column=condition.column,
        records=len(erased),
        mentioning=len(erased - own),
        versions=tuple(sorted(versions)),
        partitions=tuple(sorted({partition for partition, _ in touched})),
        raw=_raw(found, erased),
        blanks_dumps=dataset.source.erase_raw,
        exports=tuple(exported(store, dataset.name, versions, now)),
        known=known.state if known else None,
    )


def _is_same(store: Store, erasure: Erasure, finding: Finding) -> bool:
    subject = finding.subject
    return erasure.id == journal.erasure_id(journal.salt_of(store, finding.name), subject.column, subject.values)


def may_hold(entry: PartitionEntry, erased: Iterable[tuple[str, int]]) -> bool:
    """Whether a cleaning may hold one of these records."""
    files = {file for file, _ in erased}
    return any(raw.sha256 in files for raw in entry.inputs)


def _raw(found: Cleanings, erased: set[tuple[str, int]]) -> tuple[str, ...]:
    counts = Counter(file for file, _ in erased)
    paths = {raw.path: counts[raw.sha256] for entry in found.entries.values() for raw in entry.inputs}
    return tuple(f"{shown(path)}: {records:,}" for path, records in sorted(paths.items()) if records)
