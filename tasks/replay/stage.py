"""Replay as a stage: the records of a partition that were set aside, asked again under today's contract.

Belongs here: reading the partition's files, and writing those of the partition that comes of it. Does not belong here:
what becomes of a record that passes (verdicts), or publishing (tasks/publish/stage).

Kept rows are not cleaned again; they are copied as they are, with those that pass now in the places where their records
stand. Where cells are read today as they were then, and every row that is not asked passes today's rules too, that is
what a backfill would come to: the clean table is the same to the byte, and the partition is not stale any more. In all
other cases its kept rows stay under the older contract, and so does the partition.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import polars as pl

from schemas.records import (
    FILE,
    INPUT,
    LENGTH,
    LINE,
    LINEAGE,
    OFFSET,
    RAW,
    RECORD,
    RULES,
    Across,
    PartitionEntry,
    Replayed,
    Role,
    RuleCount,
    Severity,
    StepCount,
)
from tasks.dedupe import ledger
from tasks.dedupe.across import terms_of
from tasks.dedupe.exact import PLACE
from tasks.dedupe.moves import VALUES, given_back
from tasks.erasure.journal import erasure_ids
from tasks.ingest.blocks import record_schema
from tasks.ingest.sniffing import pinned
from tasks.ingest.streams import TextStream
from tasks.publish.balance import check_balance
from tasks.publish.commit import check_known
from tasks.publish.contract import cleaning_id, contract_fingerprint, contract_of
from tasks.publish.originals import original
from tasks.publish.stage import Prepared, ask_gates
from tasks.publish.written import read_back, recounted, rows_of
from tasks.replay.asked import OWN_REASONS, from_ledger, parsed_again, undecidable
from tasks.replay.files import Files
from tasks.replay.report import PartitionReplay
from tasks.replay.verdicts import Settled, settled
from tasks.store.contracts import read_contract
from tasks.store.paths import data_key, verdicts_key
from tasks.store.sinks import published_files, sink_all
from tasks.validate.reasons import counting
from tasks.validate.screening import Screening, compiled_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.dataset import Dataset
    from schemas.errors import StoreError, WinnowError
    from schemas.records import Contract, Manifest, RawFile
    from tasks.job import Job
    from tasks.store.home import Store
    from tasks.validate.screening import Judged

#: Of how files are read, what changes no record's bytes or cells.
_NO_PARSING = ("pattern", "null_tokens", "archive_raw", "erase_raw")


class Asked(NamedTuple):
    """What a replay of a partition came to.

    Attributes:
        report: for a person.
        prepared: what is to be published; None where nothing changes.
    """

    report: PartitionReplay
    prepared: Prepared | None


def replay_partition(
    job: Job, store: Store, dataset: Dataset, manifest: Manifest, *, rule: str | None = None, now: str
) -> Asked:
    """Asks the quarantined and rejected records of a partition again; for the holder of its lease.

    Args:
        job: names the partition; of a dry run nothing is written.
        store: holds the version.
        dataset: the data set as it is declared today.
        manifest: of the newest version.
        rule: ask only records that broke this rule.
        now: the moment, for the record of earlier verdicts.

    Raises:
        ErasedMeanwhileError: a person is being erased.
        BooksError, GateError: it may not be published.
        StoreError: the store can't be read or written.
    """
    return _Replay(job, store, dataset, manifest, rule, now).done()


class _Replay:
    """One partition."""

    def __init__(
        self, job: Job, store: Store, dataset: Dataset, manifest: Manifest, rule: str | None, now: str
    ) -> None:
        self.job, self.store, self.dataset, self.manifest = job, store, dataset, manifest
        self.rule, self.now = rule, now
        published = manifest.partitions[job.partition]
        # What others took from it is asked for by what is published next (tasks/publish/reconcile).
        self.entry, self.rows = given_back(published, rows_of(store, job.dataset, published.files))
        self.inputs = self.entry.inputs
        self.names = [column.name for column in dataset.columns]
        self.contract = contract_fingerprint(job.declaration)
        self.screening = Screening(dataset)
        self.rules = self.screening.rules
        self.files = Files(self.rows, self.inputs, dataset, self.screening)

    def done(self) -> Asked:
        nothing = PartitionReplay(self.job.partition, 0, whole=self.entry.contract == self.contract)
        if self.entry.contract == self.contract:
            return Asked(nothing, None)
        before = read_contract(self.store, self.job.dataset, self.entry.contract)
        today = contract_of(self.dataset, self.job.declaration)
        if trouble := self._unlike():
            return Asked(msgspec.structs.replace(nothing, trouble=trouble, why_not=trouble), None)
        as_then = bool(before.reading) and _meaning(before) == _meaning(today)
        records = self._records(before, today, as_then=as_then)
        judged = self.screening.judge(records.lazy(), small=True)
        verdict = settled(judged.candidates, self.files.kept(), self.dataset, self.rules)
        if terms_of(self.dataset) and verdict.in_conflict:
            trouble = "records that pass are in conflict with each other, between which only a backfill decides"
            return Asked(msgspec.structs.replace(nothing, trouble=trouble, why_not=trouble), None)
        why_not = "" if as_then else "cells may be read otherwise than they were"
        why_not = why_not or self._incomplete(records) or self._disturbed(verdict)
        answered = records.select(PLACE).join(verdict.claims, on=PLACE, how="anti")
        report = PartitionReplay(
            partition=self.job.partition,
            asked=records.height,
            kept=verdict.kept.height,
            duplicate=verdict.duplicates.height,
            still_set_aside=records.height - verdict.kept.height - verdict.duplicates.height,
            claims=verdict.claims.height,
            whole=not why_not,
            why_not=why_not,
        )
        if why_not and not (report.kept or report.duplicate):
            return Asked(report, None)
        if self.job.dry_run:
            return Asked(report, None)
        return Asked(report, self._prepared(records, judged, verdict, answered, whole=not why_not))

    # --- what is asked ------------------------------------------------------------------------------------------------

    def _unlike(self) -> str:
        """Why rows of today can't stand beside those that are kept; nothing where they can."""
        if policy := undecidable(self.dataset):
            return f"what {policy} decides needs all records, not those alone that were set aside"
        found = self.rows[Role.CLEAN].collect_schema()
        columns = {name: dtype for name, dtype in found.items() if name not in LINEAGE}
        if list(columns.items()) != [(column.name, column.dtype) for column in self.dataset.columns]:
            return "its columns or their types are others today"
        if Role.QUARANTINE in self.rows and VALUES in self.rows[Role.QUARANTINE].collect_schema():
            return "it has records in conflict with each other, between which only a backfill decides"
        return ""

    def _wanted(self, role: Role) -> pl.LazyFrame | None:
        if role not in self.rows:
            return None
        rows = self.files.numbered(self.rows[role])
        return rows if self.rule is None else rows.filter(pl.col(RULES).list.contains(self.rule))

    def _records(self, before: Contract, today: Contract, *, as_then: bool) -> pl.DataFrame:
        """The records that are asked, as ingest yields them today, in the order of their places."""
        parts: list[pl.DataFrame] = []
        set_aside, rejected = self._wanted(Role.QUARANTINE), self._wanted(Role.REJECTS)
        columns = [INPUT, RECORD, LINE, OFFSET, LENGTH, RAW]
        if set_aside is not None and _parsing(before) == _parsing(today):
            parts.append(from_ledger(set_aside, self.names).collect())
        elif set_aside is not None:
            parts += self._parsed(set_aside.select(columns).collect())
        # Read as they were then, they would be rejected again.
        if rejected is not None and not as_then:
            own = pl.col(RULES).list.eval(pl.element().is_in(OWN_REASONS)).list.any()
            parts += self._parsed(rejected.filter(own).select(columns).collect())
        empty = pl.DataFrame(schema={INPUT: pl.UInt32, **record_schema(self.names)})
        return pl.concat([empty, *(each.select(empty.columns) for each in parts)]).sort(PLACE)

    def _parsed(self, rows: pl.DataFrame) -> list[pl.DataFrame]:
        found = []
        for (number,), group in rows.sort(PLACE).group_by(INPUT, maintain_order=True):
            raw = self.inputs[number]
            header = self._header(raw)
            if header is None or group.get_column(RAW).null_count():
                continue
            source = pinned(self.dataset.source, raw.dialect) if raw.dialect else self.dataset.source
            again = {"path": raw.path, "header": header, "source": source, "columns": self.names}
            found.append(parsed_again(group, **again))
        return found

    def _header(self, raw: RawFile) -> bytes | None:
        """The bytes before a text file's first record; None where they can't be had."""
        if raw.text_size is None:
            return None
        if not raw.header_size:
            return b""
        with original(self.store, self.job.dataset, self.job.raw_root, raw) as found:
            if found.stream is None:
                return None
            return TextStream(found.stream, raw.path).read(raw.header_size)

    # --- whether a backfill would come to the same --------------------------------------------------------------------

    def _incomplete(self, records: pl.DataFrame) -> str:
        asked = records.height
        all_of_them = sum(file.rows for file in self.entry.files if file.role is Role.QUARANTINE)
        if asked != all_of_them:
            return f"{all_of_them - asked:,} quarantined records were not asked"
        return ""

    def _disturbed(self, verdict: Settled) -> str:
        if verdict.disturbs or verdict.claims.height:
            return f"{verdict.claims.height:,} records that pass claim the place of one that is kept"
        own = {rule.id: rule for rule in self.dataset.own_rules if rule.severity is not Severity.WARN}
        if warned := [rule.id for rule in self.entry.rules if rule.severity is Severity.WARN and rule.id in own]:
            return f"{warned[0]} only warned when the others were cleaned"
        model = compiled_model(self.dataset)
        broken = self.files.kept().with_columns(model.row_words())
        broken = broken.filter(model.broken(Severity.QUARANTINE, Severity.FAIL)).select(pl.len())
        if count := broken.collect(engine="streaming").item():
            return f"{count:,} kept rows break a rule of today"
        if Role.DUPLICATES in self.rows:
            first = ~pl.col(RULES).list.contains(ledger.REDELIVERED)
            rows = from_ledger(self.files.numbered(self.rows[Role.DUPLICATES].filter(first)), self.names)
            flagged = self.screening.judge(rows, small=True).flagged
            if count := flagged.filter(self.files.stopping).height:
                return f"{count:,} duplicates break a rule of today"
        return ""

    # --- what comes of it ---------------------------------------------------------------------------------------------

    def _prepared(
        self, records: pl.DataFrame, judged: Judged, verdict: Settled, answered: pl.DataFrame, *, whole: bool
    ) -> Prepared:
        known = erasure_ids(self.store, self.job.dataset)
        check_known(self.store, self.job.dataset, self.manifest.erasures)
        frames = self.files.frames(records, judged, verdict, answered)
        cleaning = self._cleaning(answered, whole=whole)
        keys = {role: data_key(self.job.dataset, role, self.job.partition, cleaning) for role in frames}
        described = {"winnow.rules": msgspec.json.encode(self.dataset.rules).decode()}
        metadata = {key: described for role, key in keys.items() if role is not Role.CLEAN}
        # Under a backfill's name there may be a backfill's files, which older versions name: they are the same.
        missing = {keys[role]: frame for role, frame in frames.items() if not self.store.exists(keys[role])}
        sink_all(self.store, missing, metadata={key: each for key, each in metadata.items() if key in missing})
        files = published_files(self.store, self.job.dataset, keys)
        files = (*files, *(file for file in self.entry.files if file.role is Role.ERASED))
        self._remember(answered, cleaning)
        before = self.entry.across.terms if self.entry.across else None
        terms = terms_of(self.dataset) if whole else before
        entry = msgspec.structs.replace(
            self.entry,
            contract=self.contract if whole else self.entry.contract,
            cleaning=cleaning,
            books=check_balance(read_back(self.store, self.job.dataset, files, self.inputs)),
            files=files,
            rules=self._counts(judged, verdict, answered, whole=whole),
            replayed=msgspec.UNSET if whole else Replayed(self.contract, answered.height),
            across=Across(cleaning, terms) if terms else None,
        )
        counted = recounted(self.store, self.job.dataset, entry)
        entry = _with_counts(entry, counted, _repaired(rows_of(self.store, self.job.dataset, files)))
        verdicts = self.rules.table_verdicts(frames[Role.CLEAN])
        broken = tuple(rule.id for rule, is_broken in verdicts if is_broken)
        return ask_gates(self.job, self.store, self.dataset, entry, broken, tuple(known))

    def _cleaning(self, answered: pl.DataFrame, *, whole: bool) -> str:
        """Identity of what is written: that of a backfill, where what is written is what a backfill would write.

        Else it depends on what there was, on today's contract, and on who was asked.
        """
        if whole and Role.ERASED not in self.rows:
            return cleaning_id(self.contract, self.inputs, reviews=self.entry.reviews)
        asked = io.BytesIO()
        answered.sort(PLACE).write_ipc(asked, compression="uncompressed")
        parts = [self.entry.cleaning, self.contract, str(whole), hashlib.sha256(asked.getvalue()).hexdigest()]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]

    def _counts(
        self, judged: Judged, verdict: Settled, answered: pl.DataFrame, *, whole: bool
    ) -> tuple[RuleCount, ...]:
        """Every rule that a row may have broken; those that set rows aside are counted again in what was written."""
        then = {rule.id: rule for rule in self.entry.rules}
        flagged = judged.flagged.join(answered, on=PLACE, how="semi")
        now = flagged.select(counting(self.dataset.rules)).row(0, named=True)
        across = verdict.broken.select(counting(self.dataset.rules)).row(0, named=True)
        gone = self._broken_before(answered)
        kept = {}
        if whole:
            model = compiled_model(self.dataset)
            words = self.files.kept().with_columns(model.row_words())
            kept = words.select(counting(model.rules)).collect(engine="streaming").row(0, named=True)
        found = []
        for rule in self.dataset.rules:
            before = then[rule.id].rows if rule.id in then else 0
            left = max(0, before - gone.get(rule.id, 0))
            rows = now[rule.id] + across[rule.id] + (kept[rule.id] if rule.id in kept and rule.kind == "row" else left)
            found.append(RuleCount(rule.id, rule.severity, min(rows, self.entry.total.records)))
        known = {rule.id for rule in found}
        return (*found, *(rule for rule in then.values() if rule.id not in known))

    def _broken_before(self, answered: pl.DataFrame) -> dict[str, int]:
        if Role.QUARANTINE not in self.rows:
            return {}
        asked = self.files.numbered(self.rows[Role.QUARANTINE]).join(answered.lazy(), on=PLACE, how="semi")
        return dict(asked.select(pl.col(RULES).explode()).drop_nulls().group_by(RULES).len().collect().rows())

    def _remember(self, answered: pl.DataFrame, cleaning: str) -> None:
        """Keeps what was said of each record before, beside the versions, which may be retired."""
        parts = [
            self.files.numbered(self.rows[role])
            .join(answered.lazy(), on=PLACE, how="semi", maintain_order="left")
            .select(FILE, RECORD, pl.lit(fate).alias("fate"), RULES)
            for role, fate in ((Role.QUARANTINE, "quarantined"), (Role.REJECTS, "rejected"))
            if role in self.rows
        ]
        if not parts:
            return
        told = {
            "contract": self.entry.contract,
            "version": self.manifest.version,
            "published_at": self.manifest.created_at,
            "replayed_at": self.now,
        }
        rows = pl.concat(parts).with_columns(pl.lit(value).alias(name) for name, value in told.items()).collect()
        data = io.BytesIO()
        rows.write_parquet(data, compression="zstd")
        self.store.create(
            verdicts_key(self.job.dataset, self.job.partition, self.entry.cleaning, cleaning), data.getvalue()
        )


def _repaired(rows: Mapping[Role, pl.LazyFrame]) -> dict[tuple[str, str], int]:
    """How many cells were repaired, by column and step."""
    if Role.REPAIRS not in rows:
        return {}
    counts = rows[Role.REPAIRS].group_by("column", "step").len().collect(engine="streaming")
    return {(column, step): cells for column, step, cells in counts.rows()}


def _meaning(contract: Contract) -> tuple[object, ...]:
    return contract.reading, contract.code, contract.libraries


def _parsing(contract: Contract) -> dict[str, object]:
    return {name: value for name, value in contract.source.items() if name not in _NO_PARSING}


def _with_counts(
    entry: PartitionEntry, counted: PartitionEntry, repaired: Mapping[tuple[str, str], int]
) -> PartitionEntry:
    """The entry with what was counted anew; cells of which only the writing changed count as they did."""
    left, steps = dict(repaired), []
    for step in entry.steps:
        if step.changed_value:
            step = msgspec.structs.replace(step, cells=left.pop((step.column, step.step), 0))
        steps.append(step)
    steps += [StepCount(column, name, cells, changed_value=True) for (column, name), cells in sorted(left.items())]
    return msgspec.structs.replace(
        entry,
        rules=tuple(rule for rule in counted.rules if rule.rows),
        rejects=counted.rejects,
        steps=tuple(step for step in steps if step.cells),
    )


def troubled(partition: str, error: WinnowError | StoreError) -> PartitionReplay:
    """What is told of a partition that could not be replayed."""
    return PartitionReplay(partition, 0, trouble=f"{error.kind}: {error}")
