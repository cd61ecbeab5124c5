"""Partition: the staged rows of one partition as the rows of its published files.

Belongs here: reading what the stages before staged, in the light of the verdicts. Does not belong here: the verdicts
(exact, verdicts), the columns of the files (ledger), reading records again (removed), or writing the files (stage).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import DumpChangedError, shown
from schemas.records import (
    CLUSTER,
    CONFLICTS_WITH,
    FILE,
    INPUT,
    LINEAGE,
    RAW,
    RECORD,
    Role,
    RuleCount,
    Severity,
)
from tasks.audit.review.decisions import Decided, holding
from tasks.audit.stage import audit_partition, keep
from tasks.dedupe import ledger
from tasks.dedupe.across import terms_of
from tasks.dedupe.candidates import Candidates
from tasks.dedupe.canonical import with_canonical
from tasks.dedupe.exact import PLACE
from tasks.dedupe.moves import VALUES
from tasks.dedupe.removals import Tally
from tasks.dedupe.removed import Removed
from tasks.dedupe.repeated import ROW
from tasks.dedupe.verdicts import Limits, Verdicts
from tasks.erasure.blanking import is_blank
from tasks.erasure.journal import tombstones
from tasks.erasure.matching import in_bytes, in_cells, in_typed
from tasks.erasure.withdrawal import is_one_of, placed, withdrawn
from tasks.ingest.listing import open_raw, stamp_of
from tasks.normalise.plan import NormalisePlan
from tasks.publish import splits
from tasks.store.faults import translated
from tasks.store.paths import file_key, staging_key
from tasks.store.reviews import read_reviews
from tasks.store.scan import scan
from tasks.store.spill import Spill, mapped
from tasks.validate.reasons import counting, decode
from tasks.validate.screening import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

    from schemas.dataset import Dataset
    from schemas.records import OutputFile, Removal
    from tasks.audit.labels.judge import JudgeOfLabels
    from tasks.audit.stage import Kept
    from tasks.dedupe.candidates import Block
    from tasks.dedupe.verdicts import Found
    from tasks.job import Job, Staged, StagedFile
    from tasks.store.home import Store

#: Told what is done, and the share of it from 0 to 1.
Progress = Callable[[str, float], None]

#: Rows in a row group of what is staged here: polars reads several ahead.
_STAGED_ROWS = 16_384


class Partition:
    """The staged rows of one partition as frames, and the verdict on them."""

    def __init__(
        self, job: Job, store: Store, dataset: Dataset, staged: Staged, limits: Limits | None, progress: Progress
    ) -> None:
        self._open, self._progress = contextlib.ExitStack(), progress
        self.job, self.store, self.dataset, self.staged = job, store, dataset, staged
        self.reviews = read_reviews(store, job.dataset) if dataset.reviewed else ()
        # Erased people are found by what the declaration does to cells; reviewers' decisions are about labels.
        self.plan = NormalisePlan(dataset)
        self.reviewed_plan = NormalisePlan(dataset, reviewed=True) if self.reviews else self.plan
        self.rules = compiled(dataset, self.plan)
        self.names = [column.name for column in dataset.columns]
        self.inputs = staged.inputs
        self.tombstones = tombstones(store, job.dataset)
        self.candidates = Candidates([functools.partial(self._candidates, key) for key in staged.candidates])

        def spills(name: str, *, by: str, numbers: int, at_once: int) -> Spill:
            key = staging_key(job.dataset, job.partition, f"spill-{name}")
            return Spill(store, key, by=by, numbers=numbers, at_once=at_once)

        self.labels = self._judge_of_labels()
        self.verdicts = Verdicts(self.candidates, dataset, self.rules, spills, limits or Limits(), self.labels)
        self.removed = Removed(
            staged,
            dataset.source,
            self.names,
            scan=lambda key: self._scan([key]),
            text=lambda file: _text(job, store, file),
        )

    def _judge_of_labels(self) -> JudgeOfLabels | None:
        if not self.dataset.labels:
            return None
        from tasks.audit.labels.judge import JudgeOfLabels

        key = staging_key(self.job.dataset, self.job.partition, "probabilities")

        def scratch() -> str:
            return self._open.enter_context(self.store.writing(key))

        decided = Decided(holding(self.reviews, self.dataset.labels.column))
        records = {number: decided.records_of(raw.sha256) for number, raw in enumerate(self.inputs)}
        files = [raw.sha256 for raw in self.inputs]
        return JudgeOfLabels(
            self.dataset, self.dataset.labels, records, files, self.job.partition, scratch, self._progress
        )

    def _candidates(self, key: str) -> pl.DataFrame:
        """The rows of a block; where a key has canonical forms, with these."""
        dedupe = self.dataset.dedupe
        return with_canonical(mapped(self.store.path(key)), dedupe.canonical.items() if dedupe else ())

    def close(self) -> None:
        """Ends whatever still reads."""
        self.candidates.close()
        self._open.close()

    def frames(self) -> tuple[Mapping[Role, pl.LazyFrame], tuple[str, ...]]:
        """The rows of each published file, and the ids of the records that were taken out of them."""
        frames, erased = self._frames(), sorted(self._erased()) if self.tombstones.ids else []
        if not erased:
            return frames, ()
        withdrawal = withdrawn(frames, erased, self.inputs)
        return withdrawal.frames, withdrawal.ids

    def _erased(self) -> set[tuple[str, int]]:
        """The records of people who were erased."""
        marks = self.tombstones
        found = set(marks.places_in(self.inputs))
        typed = in_typed(marks, self.candidates.schema)
        parts = [block.frame.filter(typed).select(PLACE) for block in self.candidates.blocks()]
        parts += [in_cells(marks, self.plan, self._scan([key]), PLACE).collect() for key in self.staged.flagged]
        rejects = [key for file in self.staged.files for key in file.rejects]
        parts += [self._scan([key]).filter(in_bytes(marks, self.plan)).select(PLACE).collect() for key in rejects]
        parts += [self._scan([key]).filter(self._is_blank()).select(PLACE).collect() for key in rejects]
        for number, record in pl.concat(parts).rows():
            found.add((self.inputs[number].sha256, record))
        return found

    def _is_blank(self) -> pl.Expr:
        """Whether an unparsed record is all that is left of an erased one in its raw file."""
        blanked = {number: raw for number, raw in enumerate(self.inputs) if raw.blanked}

        def told(rows: pl.Series) -> pl.Series:
            pairs = zip(rows.struct.field(INPUT), rows.struct.field(RAW), strict=True)
            found = [number in blanked and raw is not None and is_blank(raw, blanked[number]) for number, raw in pairs]
            return pl.Series(found, dtype=pl.Boolean)

        return pl.struct(INPUT, RAW).map_batches(told, return_dtype=pl.Boolean, is_elementwise=True)

    def _frames(self) -> dict[Role, pl.LazyFrame]:
        """The rows of each published file; the clean table always has one, the others where there may be rows."""
        frames = {Role.CLEAN: self._clean(), Role.QUARANTINE: self._quarantine()}
        if duplicates := list(self._duplicates()):
            frames[Role.DUPLICATES] = pl.concat(duplicates)
        if self.staged.rejects:
            keys = [key for file in self.staged.files if not file.raw.redelivery_of for key in file.rejects]
            frames[Role.REJECTS] = ledger.reject_rows(self._named(self._scan(keys)))
        if any(step.changed_value for step in self.staged.steps):
            frames[Role.REPAIRS] = self.reviewed_plan.repairs(
                self._named(self._scan(self.staged.touched)), [FILE, RECORD]
            )
        return frames

    def _scan(self, keys: Sequence[str]) -> pl.LazyFrame:
        return scan(self.store, keys)

    def _named(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        return ledger.named(rows, self.inputs)

    def _clean(self) -> pl.LazyFrame:
        split = self.dataset.split
        wanted = [*LINEAGE, *self.names, *([split.column] if split else ())]
        entities = self._entities if split and split.looks_at_partition else None

        def blocks() -> Iterator[pl.DataFrame]:
            for rows in self._kept_of_files():
                yield (splits.with_split(split, rows, entities) if split else rows).select(wanted)

        schema = {FILE: pl.String(), **self.candidates.schema}
        if split:
            schema[split.column] = splits.SPLIT_TYPE
        return self.candidates.lazily(blocks, pl.Schema({name: schema[name] for name in wanted}))

    @functools.cached_property
    def _entities(self) -> pl.DataFrame:
        """The split of each entity, where it depends on others: it takes a pass over all blocks."""
        assert self.dataset.split is not None  # noqa: S101  # for the type checker: asked of such data sets only
        if self.labels and self.labels.entities is not None:
            return self.labels.entities
        return splits.of_partition(self.dataset.split, self._kept_of_files(), self.job.partition)

    def _kept_of_files(self) -> Iterator[pl.DataFrame]:
        """As `_kept`, with the sha256 of the file."""
        for rows in self._kept():
            # All rows of a block are of one file.
            number = rows.item(0, INPUT) if rows.height else 0
            yield rows.with_columns(pl.lit(self.inputs[number].sha256).alias(FILE))

    def _kept(self) -> Iterator[pl.DataFrame]:
        """The candidates that are kept, in their order."""
        for block, found in self.verdicts.blocks():
            yield block.without(found.duplicates, self._late_of(found)).kept()

    def _late_of(self, found: Found) -> pl.DataFrame | None:
        """Those of a block's rows that are set aside for what other rows hold."""
        late = None if found.across is None else found.across.filter(self._stopping)
        return late if late is not None and late.height else None

    @functools.cached_property
    def _stopping(self) -> pl.Expr:
        return self.rules.broken(Severity.QUARANTINE, Severity.FAIL)

    def _quarantine(self) -> pl.LazyFrame:
        valued = [VALUES] if self._values else []
        early = self._named(self._scan(self.staged.flagged).filter(self._stopping)).with_columns(
            pl.lit(None, pl.String).alias(CONFLICTS_WITH),
            *(pl.lit(None, self._values).alias(name) for name in valued if self._values),
        )
        columns = [*ledger.PLACE_OF_RECORD, *self.rules.words, CONFLICTS_WITH, *self.names, *valued]
        decoded = decode(pl.concat([each.select(columns) for each in (early, *self._late())]), self.dataset.rules)
        return ledger.quarantine_rows(decoded, [*self.names, *valued])

    @functools.cached_property
    def _values(self) -> pl.Struct | None:
        """Type of the cells of a row that is in conflict, where other partitions are to be held against them."""
        conflict = next((rule for rule in self.dataset.own_rules if rule.check == "conflict"), None)
        if not conflict or not terms_of(self.dataset) or conflict.severity is Severity.WARN:
            return None
        schema = self.candidates.schema
        return pl.Struct({name: schema[name] for name in self.names}) if self.verdicts.broken[conflict.id] else None

    def _valued(self, block: Block, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with their cells, where they are in conflict."""
        if self._values is None:
            return rows
        cells = block.frame[rows.get_column(ROW) - block.start].select(pl.struct(self.names)).to_series()
        return rows.with_columns(pl.when(pl.col("_other_input").is_not_null()).then(cells).alias(VALUES))

    def _late(self) -> Iterator[pl.LazyFrame]:
        """Rows set aside for what other rows hold; the warnings that they broke on their own are reasons too."""
        warned = any(rule.severity is Severity.WARN for rule in self.dataset.rules)

        def late() -> Iterator[tuple[Block, pl.DataFrame]]:
            for block, each in self.verdicts.named():
                if (rows := self._late_of(each)) is not None:
                    found = self._valued(block, rows)
                    yield block, self.removed.with_warnings(block, found, self.rules.words) if warned else found

        if keys := self._read_again("late", late()):
            conflicting = ledger.record_id("_other_input", "_other_record", self.inputs)
            yield self._named(self._scan(keys)).with_columns(conflicting.alias(CONFLICTS_WITH))

    def _read_again(self, kind: str, found: Iterator[tuple[Block, pl.DataFrame]]) -> list[str]:
        """Stages the records that something was found of, as objects of a bounded size."""
        keys = []
        for number, rows in enumerate(self.removed.read(found)):
            keys.append(staging_key(self.job.dataset, self.job.partition, f"{kind}-{number:05d}.parquet"))
            write = functools.partial(
                rows.write_parquet, compression="lz4", statistics=False, row_group_size=_STAGED_ROWS
            )
            self.store.write_file(keys[-1], write)
        return keys

    def _duplicates(self) -> Iterator[pl.LazyFrame]:
        dedupe = self.dataset.dedupe
        wider = dedupe if dedupe and (dedupe.near or dedupe.entities) else None
        named = self.verdicts.named()
        found = ((block, each.duplicates) for block, each in named if each.duplicates is not None)
        if again := self._read_again("duplicates", found):
            rows = self._named(self._scan(again))
            warns = all(rule.severity is Severity.WARN for rule in self.dataset.own_rules if rule.check == "conflict")
            yield ledger.duplicate_rows(
                rows, self.inputs, self.dataset.key_name, self.names, conflicts=warns, dedupe=wider
            )
        for file in self.staged.files:
            if first := file.raw.redelivery_of:
                for keys in filter(None, (file.records, file.rejects)):
                    yield ledger.redelivered_rows(
                        self._named(self._scan(keys)), first, self.names, evidence=wider is not None
                    )

    def counted(self) -> pl.LazyFrame:
        """One row: how many rows broke each rule about themselves, whatever became of them."""
        return self._scan(self.staged.flagged).select(pl.len().alias(""), *counting(self.dataset.rules))

    def counts(self, counted: pl.DataFrame) -> tuple[RuleCount, ...]:
        """How many rows broke each rule about rows, whatever became of them; a count for every rule."""
        alone, broken = counted.row(0, named=True), self.verdicts.broken
        return tuple(
            RuleCount(rule.id, rule.severity, alone[rule.id] + broken[rule.id])
            for rule in self.dataset.rules
            if rule.kind != "table"
        )

    def audited(self, cleaning: str, erased: Sequence[str]) -> Kept:
        """What the declared audits find of the rows to be kept, and their tables."""
        results = audit_partition(self.dataset, self._clean())
        if self.labels:
            results.append(self.labels.result())
        gone = is_one_of(placed(erased)) if erased else None
        return keep(self.store, self.job.dataset, self.job.partition, cleaning, results, scope="partition", gone=gone)

    def removals(self, superseded: pl.LazyFrame | None) -> Iterator[Removal]:
        """What is removed as duplicates, of each group that the gates are about.

        Args:
            superseded: rows that other partitions take.
        """
        gates = self.dataset.gates
        if gates.max_removed is None:
            return
        tally = Tally(self.job.partition, gates.removed_by)
        for block, found in self.verdicts.blocks():
            tally.enter(block.frame)
            if found.duplicates is not None:
                tally.remove(block.frame[found.duplicates.get_column(ROW) - block.start])
        if superseded is not None:
            tally.remove(superseded.collect(engine="streaming"))
        yield from tally.removals()

    def largest(self, files: Sequence[OutputFile]) -> int:
        """How many records have the key that most have, where a gate asks."""
        keys = [file_key(self.job.dataset, file.path) for file in files if file.role is Role.DUPLICATES]
        if self.dataset.gates.max_cluster is None or not keys:
            return 0
        sizes = self._scan(keys).select(CLUSTER).drop_nulls().group_by(CLUSTER).len()
        # One more survives.
        return int(sizes.select(pl.col("len").max().fill_null(0)).collect(engine="streaming").item()) + 1

    def broken_tables(self) -> tuple[str, ...]:
        """Rules about the whole table that the rows to be kept break."""
        verdicts = self.rules.table_verdicts(self.candidates.lazily(self._kept, self.candidates.schema))
        return tuple(rule.id for rule, broken in verdicts if broken)


@contextlib.contextmanager
def _text(job: Job, store: Store, file: StagedFile) -> Iterator[BinaryIO]:
    """The decompressed text of a raw file.

    Raises:
        DumpChangedError: it is not the raw file any more that was read before.
    """
    if file.text:
        with translated("read", file.text), store.reading(file.text) as text:
            yield text
        return
    with open_raw(f"{job.raw_root}/{file.raw.path}") as raw:
        yield raw
        # Asked for afterwards, so that what was read is of the unchanged file.
        if file.stamp and stamp_of(raw) != file.stamp:
            raise DumpChangedError("it changed while it was read", where=shown(file.raw.path), fix="Run it again.")
