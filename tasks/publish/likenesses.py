"""Likenesses: whether near-duplicates are as similar to the records that they name as the ledger says.

Belongs here: counting the shingles of both texts again. Does not belong here: deciding what is similar
(tasks/dedupe/near), or whether named records are there (recount, survivors).

The text of a removed record stands in the ledger as it was compared; that of the record it names stands in the clean
table, or with the rows that another partition took from it. What a person's erasure took is not at hand, and is not
looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.errors import StoreError
from schemas.policies import Near
from schemas.records import COMPARED, DUPLICATE_OF, KIND, SHARED, SHINGLES, Role
from tasks.dedupe.ledger import own_id
from tasks.dedupe.near.likeness import Likeness, likeness, similar
from tasks.publish.written import rows_of
from tasks.store.faults import legible
from tasks.store.paths import file_key
from tasks.store.scan import described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.records import Manifest, PartitionEntry
    from tasks.store.home import Store

#: What the metadata of a file with near-duplicates calls the policy by which they are.
NEAR_METADATA = "winnow.near"
_WHERE = (Role.CLEAN, Role.SUPERSEDED, Role.DISPUTED)


def unlike(store: Store, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """The partitions in which a record is not as similar to the one it names as its row says, and how many are not."""
    for name, entry in sorted(manifest.partitions.items()):
        place = f"{manifest.dataset} {name}"
        try:
            with legible(f"the files of {place}"):
                wrong = _wrong(store, manifest.dataset, entry)
        except StoreError as error:
            yield place, str(error)
            continue
        if wrong:
            yield place, f"{wrong:,} near-duplicates are not as similar to the record they name as they say"


def _wrong(store: Store, dataset: str, entry: PartitionEntry) -> int:
    near = _policy(store, dataset, entry)
    if near is None:
        return 0
    frames = rows_of(store, dataset, entry.files)
    if COMPARED not in (removed := frames[Role.DUPLICATES]).collect_schema():
        return 0
    beside = removed.filter(pl.col(KIND) == "near").join(_texts(frames, near.column), on=DUPLICATE_OF)
    told = beside.select(COMPARED, "_survives", SHARED, SHINGLES).collect(engine="streaming")
    pairs = ((likeness(text, of, near), Likeness(shared, of_all)) for text, of, shared, of_all in told.iter_rows())
    return sum(found != said or not similar(found, near) for found, said in pairs)


def _policy(store: Store, dataset: str, entry: PartitionEntry) -> Near | None:
    """By what texts of the partition are similar; None where they were not compared."""
    files = [file_key(dataset, file.path) for file in entry.files if file.role is Role.DUPLICATES]
    told = described(store, files[0]).get(NEAR_METADATA) if files else None
    return Near(**msgspec.json.decode(told)) if told else None


def _texts(frames: Mapping[Role, pl.LazyFrame], column: str) -> pl.LazyFrame:
    """The text of each record that may be named, by its id."""
    name = own_id().alias(DUPLICATE_OF)
    return pl.concat(frames[role].select(name, pl.col(column).alias("_survives")) for role in _WHERE if role in frames)
