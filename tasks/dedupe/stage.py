"""Settling as a stage: every record gets its one fate, and the finished files are written.

Belongs here: reading what the stages before staged, and writing one file for each fate. Does not belong here: the
verdicts (exact, fates), the columns of the files (ledger), or publishing.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.records import FILE, FLAGS, INPUT, LINEAGE, RECORD, Role, RuleCount, Severity
from tasks.dedupe import ledger
from tasks.dedupe.exact import PLACE, decide
from tasks.dedupe.fates import NO_VERDICT, Fates, kept, settle_candidates
from tasks.ingest.again import with_cells
from tasks.ingest.blocks import record_schema
from tasks.ingest.sniffing import pinned
from tasks.job import Job, Settled, Staged, StagedFile
from tasks.normalise.plan import NormalisePlan
from tasks.publish.contract import cleaning_id
from tasks.store.paths import data_key
from tasks.store.sinks import output_file, sink_all
from tasks.validate.reasons import count, decode
from tasks.validate.screening import compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.dataset import Dataset
    from tasks.store.home import Store


def settle(job: Job, store: Store, dataset: Dataset, staged: Staged) -> Settled:
    """Decides every candidate's fate and writes the clean table and the ledger under their final names.

    The files are named by the inputs and the contract, and nothing lists them before a manifest does: a run that is
    killed here leaves nothing that a reader could see.
    """
    partition = _Partition(store, dataset, staged)
    cleaning = cleaning_id(staged.contract, staged.inputs)
    frames = partition.frames()
    keys = {role: data_key(job.dataset, role, job.partition, cleaning) for role in frames}
    # The ledger explains itself: whoever opens one of its files finds the rules in its metadata.
    described = {"winnow.rules": msgspec.json.encode(dataset.rules).decode()}
    metadata = {keys[role]: described for role in frames if role is not Role.CLEAN}
    sink_all(store, {keys[role]: frame for role, frame in frames.items()}, metadata=metadata)
    files = []
    for role, key in keys.items():
        file = output_file(store, job.dataset, role, key)
        if file.rows or role is Role.CLEAN:
            files.append(file)
        else:
            store.delete(key)
    return Settled(
        cleaning=cleaning,
        contract=staged.contract,
        files=tuple(files),
        rules=partition.counts(),
        broken_tables=partition.broken_tables(),
    )


class _Partition:
    """The staged rows of one partition as frames, and the verdict on them, computed once."""

    def __init__(self, store: Store, dataset: Dataset, staged: Staged) -> None:
        self.store, self.dataset, self.staged = store, dataset, staged
        self.plan = NormalisePlan(dataset)
        self.rules = compiled(dataset, self.plan)
        self.names = [column.name for column in dataset.columns]
        self.inputs = staged.inputs

    @property
    def candidates(self) -> pl.LazyFrame:
        return pl.scan_ipc([self.store.path(key) for key in self.staged.candidates], glob=False)

    @property
    def flagged(self) -> pl.LazyFrame:
        return self._scan(self.staged.flagged)

    @functools.cached_property
    def removed(self) -> pl.LazyFrame:
        """The records of the candidates that are not kept, with their bytes and cells.

        They are parsed again block by block, so that memory is bounded however many they are.
        """
        first_deliveries = [file for file in self.staged.files if not file.raw.redelivery_of]
        blocks = [(file, key) for file in first_deliveries for key in file.records]
        keys = [key for file, block in blocks if (key := self._parsed_again(file, block))]
        return self._scan(keys) if keys else pl.LazyFrame(schema={INPUT: pl.UInt32, **record_schema(self.names)})

    def _parsed_again(self, file: StagedFile, block: str) -> str | None:
        places = self.fates.removed
        if places.is_empty():
            return None
        # The numbers can be looked up while Parquet is read, which a join can't: it would decode every record's bytes.
        numbers = places.get_column(RECORD).unique().implode()
        found = self._scan([block]).filter(pl.col(RECORD).is_in(numbers)).collect()
        found = found.join(places, on=PLACE, how="semi", maintain_order="left")
        if found.is_empty():
            return None
        if self.names[0] not in found.columns:
            path, dialect = file.raw.path, file.raw.dialect
            source = pinned(self.dataset.source, dialect) if dialect else self.dataset.source
            found = with_cells(found, path=path, header=file.header, source=source, columns=self.names)
        key = f"{block.removesuffix('.parquet')}-removed.parquet"
        self.store.write_file(key, functools.partial(found.drop(FLAGS, strict=False).write_parquet, compression="lz4"))
        return key

    def _scan(self, keys: Sequence[str]) -> pl.LazyFrame:
        return pl.scan_parquet([self.store.path(key) for key in keys], glob=False)

    @functools.cached_property
    def fates(self) -> Fates:
        dedupe = self.dataset.dedupe
        verdict = decide(self.candidates, dedupe, self.names) if dedupe else NO_VERDICT
        conflict = next((rule for rule in self.dataset.own_rules if rule.check == "conflict"), None)
        stopping = self.rules.broken(Severity.QUARANTINE, Severity.FAIL)
        wide = any(rule.kind == "across_rows" and rule is not conflict for rule in self.dataset.rules)
        return settle_candidates(
            self.candidates, verdict, conflict, self.rules.across, stopping, self.rules.words, wide=wide
        )

    def frames(self) -> dict[Role, pl.LazyFrame]:
        """The rows of each published file; the clean table always has one, the others where there may be rows."""
        frames = {
            Role.CLEAN: self._named(kept(self.candidates, self.fates)).select(*LINEAGE, *self.names),
            Role.QUARANTINE: self._quarantine(),
        }
        if self.fates.duplicates.height or any(raw.redelivery_of for raw in self.inputs):
            frames[Role.DUPLICATES] = self._duplicates()
        if self.staged.rejects:
            keys = [key for file in self.staged.files if not file.raw.redelivery_of for key in file.rejects]
            frames[Role.REJECTS] = ledger.reject_rows(self._named(self._scan(keys)))
        if any(step.changed_value for step in self.staged.steps):
            frames[Role.REPAIRS] = self.plan.repairs(self._named(self._scan(self.staged.touched)), [FILE, RECORD])
        return frames

    def _named(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        return ledger.named(rows, self.inputs)

    def _quarantine(self) -> pl.LazyFrame:
        stopping = self.rules.broken(Severity.QUARANTINE, Severity.FAIL)
        early = self._named(self.flagged.filter(stopping)).with_columns(
            pl.lit(None, pl.String).alias(ledger.CONFLICTS_WITH)
        )
        rows = [early, self._late()] if self.fates.late.height else [early]
        columns = [*ledger.PLACE_OF_RECORD, *self.rules.words, ledger.CONFLICTS_WITH, *self.names]
        decoded = decode(pl.concat([each.select(columns) for each in rows]), self.dataset.rules)
        return ledger.quarantine_rows(decoded, self.names)

    def _late(self) -> pl.LazyFrame:
        """Rows set aside for what other rows hold; the warnings that they broke on their own are reasons too."""
        masks = self.rules.words
        warned = self.flagged.select(*PLACE, *(pl.col(mask).alias(f"{mask}.row") for mask in masks))
        rows = (
            self._named(self.removed)
            .join(self.fates.late.lazy(), on=PLACE, how="inner", maintain_order="left")
            .join(warned, on=PLACE, how="left", maintain_order="left")
            .with_columns(pl.col(mask) | pl.col(f"{mask}.row").fill_null(0) for mask in masks)
        )
        return rows.with_columns(
            ledger.record_id("_other_input", "_other_record", self.inputs).alias(ledger.CONFLICTS_WITH)
        )

    def _duplicates(self) -> pl.LazyFrame:
        own = self.dataset.own_rules
        conflict_warns = all(rule.severity is Severity.WARN for rule in own if rule.check == "conflict")
        parts = [
            ledger.duplicate_rows(
                self._named(self.removed),
                self.fates,
                self.inputs,
                self.dataset.key_name,
                self.names,
                conflicts=conflict_warns,
            )
        ]
        for file in self.staged.files:
            if file.raw.redelivery_of:
                parts.extend(
                    ledger.redelivered_rows(self._named(self._scan(keys)), file.raw.redelivery_of, self.names)
                    for keys in (file.records, file.rejects)
                    if keys
                )
        return pl.concat(parts)

    def counts(self) -> tuple[RuleCount, ...]:
        """How many rows broke each rule about rows, whatever became of them; a count for every rule."""
        rows = count(self.flagged, self.dataset.rules)
        for rule, broken in count(self.fates.across.lazy(), self.dataset.rules).items():
            rows[rule] += broken
        if self.dataset.dedupe:
            # Of the rows in conflict, those that did not survive are not among the rows judged across rows.
            rows[f"{self.dataset.key_name}.conflict"] = self.fates.conflicting
        return tuple(
            RuleCount(rule.id, rule.severity, rows[rule.id]) for rule in self.dataset.rules if rule.kind != "table"
        )

    def broken_tables(self) -> tuple[str, ...]:
        """Rules about the whole table that the rows to be kept break."""
        verdicts = self.rules.table_verdicts(kept(self.candidates, self.fates))
        return tuple(rule.id for rule, broken in verdicts if broken)
