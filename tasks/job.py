"""Job: one cleaning of one partition, and the small facts that its stages hand on.

Belongs here: the frozen records that travel between stages (and between Prefect tasks): names of objects in the store
and counts, never frames. Does not belong here: records that a manifest keeps (schemas/records).

Names of staged objects depend on the partition alone: one run at a time cleans a partition (its lease sees to that),
and a run that starts again begins by clearing what a killed one left.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from schemas.audits import Audit
from schemas.records import Across, Books, DriftFinding, OutputFile, RawFile, RejectCount, Removal, RuleCount, StepCount
from schemas.registry import load_file
from tasks.store.local import open_store

if TYPE_CHECKING:
    from schemas.dataset import Dataset
    from tasks.store.home import Store

#: Column of the candidates that the conflict rule looks at: whether another record has the same key and other content.
CONFLICT = "_conflict"
#: The same of the label rule: whether the row's label looks wrong.
MISLABELLED = "_mislabelled"
#: As `_conflict`, for the rule that looks at doubtful pairs of entities.
REVIEW = "_review"


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to clean, from where, to where, and why."""

    dataset: str
    partition: str
    declaration: str
    """Path of the declaring file."""
    raw_root: str
    store_root: str
    run_id: str
    reason: str = "run"
    dry_run: bool = False
    beside_root: str | None = None
    """Root of the store whose partitions this one is held against; None is the store itself."""
    hold_seconds: float = 30 * 86_400.0
    """How long what a gate holds can be released."""

    def load(self) -> Dataset:
        """The declared data set."""
        return load_file(Path(self.declaration))

    def open_store(self) -> Store:
        """The store."""
        return open_store(self.store_root)

    @property
    def artifact_stem(self) -> str:
        """The data set's name as Prefect's artifact keys have it: with dashes."""
        return self.dataset.replace("_", "-")


class StagedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One raw file, read to its end."""

    raw: RawFile
    header: bytes
    """Its bytes before the first record; none for a columnar file."""
    records: tuple[str, ...]
    """Keys of its parsed records with their cells, where the file can't be read at any place again: of a columnar one,
    and of a redelivery, all of whose records go to the ledger."""
    rejects: tuple[str, ...]
    """Keys of its rejected records."""
    text: str | None = None
    """Key of its decompressed text, if it is compressed; else the raw file itself is read again."""
    stamp: str | None = None
    """What changes when the raw file does, as it was when it was opened."""


class Staged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A partition's raw files, read and judged row by row; see `Judged` for what the staged objects hold."""

    files: tuple[StagedFile, ...]
    rejects: tuple[RejectCount, ...]
    candidates: tuple[str, ...]
    flagged: tuple[str, ...]
    touched: tuple[str, ...]
    steps: tuple[StepCount, ...]
    contract: str
    """Fingerprint of the declaration and the code under which it was read."""
    reviews: tuple[str, ...] = ()
    """Ids of the reviews that decide about its records."""

    @property
    def inputs(self) -> tuple[RawFile, ...]:
        """The raw files in the order in which their records stand."""
        return tuple(file.raw for file in self.files)


class Settled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The finished files, not yet published."""

    cleaning: str
    contract: str
    files: tuple[OutputFile, ...]
    rules: tuple[RuleCount, ...]
    """Every rule about rows, those that no row broke too."""
    broken_tables: tuple[str, ...]
    """Ids of the rules about the whole table that the clean table breaks."""
    erasures: tuple[str, ...] = ()
    """Ids of the erasures of whose records the files are free."""
    audits: tuple[Audit, ...] = ()
    """What the audits of the partition found."""
    across: Across | None = None
    """How the partition is held against the others."""
    removals: tuple[Removal, ...] = ()
    """How many records are removed as duplicates from each group that a gate is about."""
    largest: int = 0
    """Records of the partition that have one key, of the key with most; 0 where no gate asks."""


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run did, as `winnow run --json` prints it."""

    dataset: str
    partition: str
    version: int | None
    digest: str | None
    published: bool
    """False when nothing changed since the version, or for a dry run."""
    note: str
    books: Books
    rules: tuple[RuleCount, ...]
    rejects: tuple[RejectCount, ...]
    hold: str | None = None
    """Name of what a gate holds instead of publishing it; None where nothing is held."""
    drift: dict[str, tuple[DriftFinding, ...]] = {}
    """Path of a raw file -> in which ways its columns are not the declared ones; files without any are left out."""
    audits: tuple[Audit, ...] = ()
    """What the declared audits found, of the partition and of the whole version."""
