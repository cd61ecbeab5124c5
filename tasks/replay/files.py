"""Files of a replay: the rows of each file of the partition that comes of it.

Belongs here: which rows stay, which are new, and in which order they stand; frames in and frames out. Does not belong
here: who is asked and what becomes of it (verdicts), or writing the files (stage).

Rows stand in the order in which a cleaning of the whole dump writes them, so that where nothing else changes the files
are those of a backfill to the byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.records import (
    CONFLICTS_WITH,
    FILE,
    INPUT,
    LINEAGE,
    REASONS,
    RECORD,
    RULES,
    Role,
    Severity,
)
from tasks.dedupe import ledger
from tasks.dedupe.exact import PLACE
from tasks.dedupe.moves import merged, numbered
from tasks.validate.reasons import decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.dataset import Dataset
    from schemas.records import RawFile
    from tasks.replay.verdicts import Settled
    from tasks.validate.screening import Judged, Screening


class Files:
    """The files of a partition, and what becomes of them."""

    def __init__(
        self, rows: Mapping[Role, pl.LazyFrame], inputs: Sequence[RawFile], dataset: Dataset, screening: Screening
    ) -> None:
        """Takes them as they are.

        Args:
            rows: what the partition's files hold, for each role that has any.
            inputs: its raw files.
            dataset: the data set, as it is declared today.
            screening: its rules and steps.
        """
        self.rows, self.inputs, self.dataset, self.screening = rows, inputs, dataset, screening
        self.names = [column.name for column in dataset.columns]
        self.rules = screening.rules
        self.stopping = self.rules.broken(Severity.QUARANTINE, Severity.FAIL)

    def numbered(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Rows with the number of their raw file in `_input`; a redelivery's have the first delivery's."""
        return numbered(rows, self.inputs)

    def kept(self) -> pl.LazyFrame:
        """The rows that are kept already, numbered so."""
        return self.numbered(self.rows[Role.CLEAN])

    def _named(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        return ledger.named(rows, self.inputs)

    def frames(
        self, records: pl.DataFrame, judged: Judged, verdict: Settled, answered: pl.DataFrame
    ) -> Mapping[Role, pl.LazyFrame]:
        """The rows of each file of the partition."""
        wanted = [*LINEAGE, *self.names]
        fresh = judged.candidates.join(verdict.kept, on=PLACE, how="semi", maintain_order="left").lazy()
        clean = merged(self.rows[Role.CLEAN].select(wanted), self._named(fresh).select(wanted).collect(), self.inputs)
        frames = {Role.CLEAN: clean, Role.QUARANTINE: self._quarantine(records, judged, verdict, answered)}
        if Role.DUPLICATES in self.rows or verdict.duplicates.height:
            frames[Role.DUPLICATES] = self._duplicates(records, verdict)
        gone = answered.lazy()
        if Role.REJECTS in self.rows:
            left = self.numbered(self.rows[Role.REJECTS]).join(gone, on=PLACE, how="anti", maintain_order="left")
            frames[Role.REJECTS] = left.drop(INPUT)
        touched = judged.touched.join(answered, on=PLACE, how="semi", maintain_order="left")
        if Role.REPAIRS in self.rows or touched.height:
            parts = [self.screening.plan.repairs(self._named(touched.lazy()), [FILE, RECORD])]
            if Role.REPAIRS in self.rows:
                old = self.numbered(self.rows[Role.REPAIRS]).join(gone, on=PLACE, how="anti", maintain_order="left")
                parts.insert(0, old.drop(INPUT))
            frames[Role.REPAIRS] = pl.concat(parts).sort(FILE, RECORD, maintain_order=True)
        return frames

    def _quarantine(
        self, records: pl.DataFrame, judged: Judged, verdict: Settled, answered: pl.DataFrame
    ) -> pl.LazyFrame:
        columns = [*ledger.PLACE_OF_RECORD, *self.rules.words, CONFLICTS_WITH, *self.names]
        none = pl.lit(None, pl.String).alias(CONFLICTS_WITH)
        early = self._named(judged.flagged.lazy().filter(self.stopping)).with_columns(none)
        late = self._late(records, judged, verdict)
        order = [INPUT, *ledger.PLACE_OF_RECORD, RULES, REASONS, CONFLICTS_WITH, *self.names]
        decoded = [decode(each.select(INPUT, *columns), self.dataset.rules).select(order) for each in (early, late)]
        first = [decoded[0]]
        if Role.QUARANTINE in self.rows:
            old = self.numbered(self.rows[Role.QUARANTINE])
            first.insert(0, old.join(answered.lazy(), on=PLACE, how="anti", maintain_order="left").select(order))
        return pl.concat([pl.concat(first).sort(PLACE), decoded[1]]).drop(INPUT)

    def _late(self, records: pl.DataFrame, judged: Judged, verdict: Settled) -> pl.LazyFrame:
        """Records set aside for what other rows hold; the warnings that they broke on their own are reasons too."""
        words = self.rules.words
        found = verdict.broken.filter(self.stopping).join(verdict.claims, on=PLACE, how="anti", maintain_order="left")
        own = found.select(PLACE).join(
            judged.flagged.select(*PLACE, *words), on=PLACE, how="left", maintain_order="left"
        )
        found = found.with_columns(pl.col(word) | own.get_column(word).fill_null(0) for word in words)
        for name, dtype in (("_other_input", pl.UInt32), ("_other_record", pl.UInt64)):
            if name not in found.columns:
                found = found.with_columns(pl.lit(None, dtype).alias(name))
        rows = records.drop("_flags").join(found, on=PLACE, how="inner", maintain_order="left")
        conflicting = ledger.record_id("_other_input", "_other_record", self.inputs)
        return self._named(rows.lazy()).with_columns(conflicting.alias(CONFLICTS_WITH))

    def _duplicates(self, records: pl.DataFrame, verdict: Settled) -> pl.LazyFrame:
        rows = records.join(verdict.duplicates, on=PLACE, how="inner", maintain_order="left")
        warns = all(rule.severity is Severity.WARN for rule in self.dataset.own_rules if rule.check == "conflict")
        fresh = ledger.duplicate_rows(
            self._named(rows.lazy()), self.inputs, self.dataset.key_name, self.names, conflicts=warns
        )
        if Role.DUPLICATES not in self.rows:
            return fresh
        again = pl.col(RULES).list.contains(ledger.REDELIVERED)
        old, columns = self.rows[Role.DUPLICATES], fresh.collect_schema()
        # A ledger of another release may lack a column of today's.
        have = old.collect_schema()
        old = old.select(pl.col(name) if name in have else pl.lit(None, columns[name]).alias(name) for name in columns)
        first = self.numbered(pl.concat([old.filter(~again), fresh])).sort(PLACE).select(columns.names())
        return pl.concat([first, old.filter(again)])
