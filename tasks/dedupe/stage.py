"""Settling as a stage: every record gets its one fate, and the finished files are written.

Belongs here: reading what the stages before staged, and writing one file for each fate. Does not belong here: the
verdicts (exact, fates), the columns of the files (ledger), or publishing.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.records import FILE, INPUT, LINEAGE, RECORD, Role, RuleCount, Severity
from tasks.dedupe import ledger
from tasks.dedupe.exact import PLACE, decide
from tasks.dedupe.fates import NO_VERDICT, Fates, kept, settle_candidates
from tasks.job import CONFLICT, Job, Screened, Settled, Staged
from tasks.normalise.plan import NormalisePlan
from tasks.publish.contract import cleaning_id, contract_fingerprint
from tasks.store.paths import data_key
from tasks.store.sinks import output_file, sink_all
from tasks.validate.reasons import count, decode
from tasks.validate.stage import compiled, records_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.dataset import Dataset
    from tasks.store.home import Store


def settle(job: Job, store: Store, dataset: Dataset, staged: Staged, screened: Screened) -> Settled:
    """Decides every candidate's fate and writes the clean table and the ledger under their final names.

    The files are named by the inputs and the contract, and nothing lists them before a manifest does: a run that is
    killed here leaves nothing that a reader could see.
    """
    partition = _Partition(store, dataset, staged, screened)
    contract = contract_fingerprint(job.declaration)
    cleaning = cleaning_id(contract, staged.inputs)
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
        contract=contract,
        files=tuple(files),
        rules=partition.counts(),
        broken_tables=partition.broken_tables(),
    )


class _Partition:
    """The staged rows of one partition as frames, and the verdict on them, computed once."""

    def __init__(self, store: Store, dataset: Dataset, staged: Staged, screened: Screened) -> None:
        self.store, self.dataset, self.staged, self.screened = store, dataset, staged, screened
        self.plan = NormalisePlan(dataset)
        self.rules = compiled(dataset, self.plan)
        self.names = [column.name for column in dataset.columns]
        self.inputs = staged.inputs

    @property
    def candidates(self) -> pl.LazyFrame:
        numbers = {raw.sha256: number for number, raw in reversed(list(enumerate(self.inputs)))}
        number = pl.col(FILE).replace_strict(list(numbers), list(numbers.values()), return_dtype=pl.UInt32)
        return pl.scan_parquet(self.store.path(self.screened.candidates), glob=False).with_columns(number.alias(INPUT))

    @property
    def flagged(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.store.path(self.screened.flagged), glob=False)

    def records_at(self, places: pl.DataFrame) -> pl.LazyFrame:
        """Staged records at these places, or at the same number of another file: whoever asks joins by place."""
        records = ledger.named(records_of(self.store, self.dataset, self.staged), self.inputs)
        # The numbers alone can be looked up while Parquet is read, which a join can't: it would decode every raw cell.
        return records.filter(pl.col(RECORD).is_in(places.get_column(RECORD).unique().implode()))

    @functools.cached_property
    def fates(self) -> Fates:
        dedupe = self.dataset.dedupe
        verdict = decide(self.candidates, dedupe, self.names) if dedupe else NO_VERDICT
        conflict = next((rule for rule in self.dataset.own_rules if rule.check == "conflict"), None)
        stopping = self.rules.broken(Severity.QUARANTINE, Severity.FAIL)
        wide = not set(self.rules.across_columns) <= {CONFLICT}
        return settle_candidates(
            self.candidates, verdict, conflict, self.rules.across, stopping, self.rules.words, wide=wide
        )

    def frames(self) -> dict[Role, pl.LazyFrame]:
        """The rows of each published file; the clean table always has one, the others where there may be rows."""
        frames = {
            Role.CLEAN: kept(self.candidates, self.fates).select(*LINEAGE, *self.names),
            Role.QUARANTINE: self._quarantine(),
        }
        if self.fates.duplicates.height or any(raw.redelivery_of for raw in self.inputs):
            frames[Role.DUPLICATES] = self._duplicates()
        if self.staged.rejects:
            frames[Role.REJECTS] = ledger.reject_rows(self._scan([key for f in self.staged.files for key in f.rejects]))
        if self.screened.touched and any(step.changed_value for step in self.screened.steps):
            touched = pl.scan_parquet(self.store.path(self.screened.touched), glob=False)
            frames[Role.REPAIRS] = self.plan.repairs(touched, [FILE, RECORD])
        return frames

    def _quarantine(self) -> pl.LazyFrame:
        stopping = self.rules.broken(Severity.QUARANTINE, Severity.FAIL)
        early = ledger.named(self.flagged.filter(stopping), self.inputs).with_columns(
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
            self.records_at(self.fates.late)
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
        records = self.records_at(self.fates.duplicates)
        parts = [
            ledger.duplicate_rows(
                records, self.fates, self.inputs, self.dataset.key_name, self.names, conflicts=conflict_warns
            )
        ]
        files = {file.raw.path: file for file in self.staged.files}
        for raw in self.inputs:
            first = files[raw.redelivery_of or raw.path]
            parts.extend(
                ledger.redelivered_rows(self._scan(keys), raw.path, first.raw.path, self.names)
                for keys in (first.blocks, first.rejects)
                if raw.redelivery_of and keys
            )
        return pl.concat(parts)

    def _scan(self, keys: Sequence[str]) -> pl.LazyFrame:
        return ledger.named(pl.scan_parquet([self.store.path(key) for key in keys], glob=False), self.inputs)

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
