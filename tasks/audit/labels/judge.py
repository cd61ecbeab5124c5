"""Judge: the labels of a partition's survivors, judged while the fates of its records are decided.

Belongs here: which columns of the candidates are needed, which rows the declared split protects, and holding the
verdicts until their tables are written. Does not belong here: judging (audit), or what becomes of a row (tasks/dedupe).

A split by strata or clusters looks at all rows of the partition. Were it assigned when the labels are judged, and rows
set aside, the rows that are left would be cut anew, and one in test would be no longer what was protected. So where
labels are set aside it is assigned once, to all rows that are judged, and the clean table takes it from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.records import FILE, INPUT, RECORD
from tasks.audit.labels.audit import audit, check_extra
from tasks.publish import splits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from schemas.audits import AuditResult
    from schemas.dataset import Dataset
    from schemas.labels import Labels
    from tasks.audit.labels.audit import LabelVerdicts
    from tasks.audit.labels.baselines import Progress


class JudgeOfLabels:
    """Judges once, and remembers.

    Attributes:
        columns: those of the candidates that it reads.
        entities: after `judge` the split of each entity, where it depends on other rows and protects some.
    """

    def __init__(
        self,
        dataset: Dataset,
        policy: Labels,
        decided: Mapping[int, Sequence[int]],
        files: Sequence[str],
        partition: str,
        scratch: Callable[[], str],
        progress: Progress,
    ) -> None:
        """Sees that what it needs is installed, before anything is read.

        Args:
            dataset: the data set.
            policy: its policy on labels.
            decided: number of a raw file -> numbers of its records whose label a reviewer decided on.
            files: sha256 of each raw file, by its number.
            partition: its name.
            scratch: see `audit`.
            progress: see `audit`.

        Raises:
            MissingExtraError: it is not installed.
        """
        if not policy.probabilities:
            check_extra()
        self._decided = pl.DataFrame(
            [(file, record) for file, records in decided.items() for record in records],
            schema={INPUT: pl.UInt32, RECORD: pl.UInt64},
            orient="row",
        )
        self.policy, self._scratch, self._progress = policy, scratch, progress
        self._files, self._partition = pl.Series(FILE, files, dtype=pl.String), partition
        self._split = dataset.split if policy.action == "quarantine" and policy.protect else None
        self._free = _free(dataset, policy)
        known = {column.name for column in dataset.columns}
        named = [*policy.columns, *self._free, *(self._split.columns if self._split else ())]
        # The column of a declared split is not there yet.
        self.columns: Sequence[str] = (INPUT, RECORD, *(name for name in dict.fromkeys(named) if name in known))
        self.entities: pl.DataFrame | None = None
        self._identity: pl.DataFrame | None = None
        self._verdicts: LabelVerdicts | None = None

    def judge(self, rows: pl.DataFrame) -> pl.Series:
        """For each row whether its label looks wrong, or wrong enough to be set aside.

        Args:
            rows: all survivors, with `columns`.
        """
        self._identity = rows.select(INPUT, RECORD)
        self._verdicts = audit(
            rows,
            self.policy,
            self._free,
            protected=self._protected(rows),
            scratch=self._scratch,
            progress=self._progress,
        )
        if self._decided.is_empty():
            return self._verdicts.broken
        # What a person decided no model disputes; its score is told all the same.
        is_decided = self._identity.join(
            self._decided.with_columns(known=True), on=[INPUT, RECORD], how="left", maintain_order="left"
        )
        return self._verdicts.broken & is_decided.get_column("known").is_null()

    def _protected(self, rows: pl.DataFrame) -> pl.Series | None:
        """Which rows the declared split puts where none is ever set aside; None where none is declared."""
        if self._split is None:
            return None
        named = rows.with_columns(self._file_of(rows))
        if self._split.looks_at_partition:
            self.entities = splits.of_partition(self._split, [named], self._partition)
        found = splits.with_split(self._split, named, self.entities)
        return found.get_column(self._split.column).cast(pl.String).is_in(self.policy.protect)

    def result(self) -> AuditResult:
        """The verdicts with their tables; after `judge`."""
        assert self._verdicts is not None and self._identity is not None  # noqa: PT018, S101  # for the type checker
        return self._verdicts.result(pl.DataFrame([self._file_of(self._identity), self._identity.get_column(RECORD)]))

    def _file_of(self, rows: pl.DataFrame) -> pl.Series:
        return self._files.gather(rows.get_column(INPUT).cast(pl.UInt32))


def _free(dataset: Dataset, policy: Labels) -> tuple[str, ...]:
    """The columns that a baseline may choose from, where the policy names none."""
    if policy.text or policy.features or policy.probabilities:
        return ()
    # A key names its row, and teaches nothing that holds for another one.
    taken = {policy.column, policy.groups, policy.split, *(dataset.dedupe.key if dataset.dedupe else ())}
    return tuple(column.name for column in dataset.columns if column.name not in taken)
