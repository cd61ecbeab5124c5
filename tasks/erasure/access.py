"""Access: everything that the versions hold of a person, as the person may ask for it.

Belongs here: the person's records with their fates and values, each once. Does not belong here: records of others that
mention the person (an erasure takes those too), or printing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from schemas.records import FILE, LINE, OFFSET, RAW, REASONS, RECORD, RULES, SOURCE, Fate, Role
from tasks.erasure.finding import subject_of
from tasks.erasure.search import belonging, cleanings, frames_of
from tasks.erasure.withdrawal import is_one_of
from tasks.normalise.plan import NormalisePlan
from tasks.publish.balance import FATES
from tasks.store.faults import legible

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from schemas.dataset import Dataset
    from schemas.records import PartitionEntry
    from tasks.erasure.condition import Condition
    from tasks.store.home import Store


class SubjectRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record of a person, in the versions in which it has this fate and these values."""

    record: str
    """Its id, as `winnow explain` takes it."""
    partition: str
    fate: Fate
    versions: tuple[int, ...]
    source: str
    """Path of the raw file below the raw root."""
    line: int | None
    offset: int | None
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    values: dict[str, Any]
    """The row of the clean table; of a record that was not kept, its raw cells, as far as it has any."""
    raw: str | None
    """The bytes of a record that was not kept, escaped where they are no printable text."""


def records_of(store: Store, dataset: Dataset, condition: Condition) -> tuple[SubjectRecord, ...]:
    """The records of a person in all versions, by partition, raw file and number.

    Raises:
        UsageError: the condition can't be meant.
        StoreError: the store can't be read.
    """
    subject, plan = subject_of(dataset, condition), NormalisePlan(dataset)
    found = cleanings(store, dataset.name)
    records: dict[bytes, SubjectRecord] = {}
    for key, entry in found.entries.items():
        frames = frames_of(store, dataset.name, entry)
        with legible(f"the files of {dataset.name} {entry.partition}"):
            mine = is_one_of(belonging(frames, subject, plan))
            for each in _records(frames, mine, entry, found.versions[key]):
                same = msgspec.json.encode(msgspec.structs.replace(each, versions=()))
                known = records.get(same)
                versions = sorted({*each.versions, *(known.versions if known else ())})
                records[same] = msgspec.structs.replace(each, versions=tuple(versions))
    return tuple(
        sorted(records.values(), key=lambda each: (each.partition, each.source, each.offset or 0, each.record))
    )


def _records(
    frames: dict[Role, pl.LazyFrame], mine: pl.Expr, entry: PartitionEntry, versions: tuple[int, ...]
) -> Iterator[SubjectRecord]:
    firsts = {raw.sha256: raw.path for raw in entry.inputs if not raw.redelivery_of}
    for role, rows in frames.items():
        if role not in FATES or role is Role.ERASED:
            continue
        for row in rows.filter(mine).collect(engine="streaming").iter_rows(named=True):
            raw = row.get(RAW)
            yield SubjectRecord(
                record=f"{row[FILE][:16]}:{row[RECORD]}",
                partition=entry.partition,
                fate=FATES[role],
                versions=versions,
                source=row.get(SOURCE) or firsts.get(row[FILE], ""),
                line=row.get(LINE),
                offset=row[OFFSET],
                rules=tuple(row.get(RULES) or ()),
                reasons=tuple(row.get(REASONS) or ()),
                values={name: value for name, value in row.items() if not name.startswith("_")},
                raw=None if raw is None else raw.decode("utf-8", "backslashreplace"),
            )
