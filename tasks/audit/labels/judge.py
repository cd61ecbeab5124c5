"""Judge: the labels of a partition's survivors, judged while the fates of its records are decided.

Belongs here: which columns of the candidates are needed, and holding the verdicts until their tables are written. Does
not belong here: judging (audit), or what becomes of a row (tasks/dedupe).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.records import FILE, INPUT, RECORD
from tasks.audit.labels.audit import audit, check_extra

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
    """

    def __init__(
        self,
        dataset: Dataset,
        policy: Labels,
        decided: Mapping[int, Sequence[int]],
        scratch: Callable[[], str],
        progress: Progress,
    ) -> None:
        """Sees that what it needs is installed, before anything is read.

        Args:
            dataset: the data set.
            policy: its policy on labels.
            decided: number of a raw file -> numbers of its records whose label a reviewer decided on.
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
        self._free = _free(dataset, policy)
        named = dict.fromkeys([*policy.columns, *self._free])
        self.columns: Sequence[str] = (INPUT, RECORD, *named)
        self._identity: pl.DataFrame | None = None
        self._verdicts: LabelVerdicts | None = None

    def judge(self, rows: pl.DataFrame) -> pl.Series:
        """For each row whether its label looks wrong, or wrong enough to be set aside.

        Args:
            rows: all survivors, with `columns`.
        """
        self._identity = rows.select(INPUT, RECORD)
        self._verdicts = audit(rows, self.policy, self._free, scratch=self._scratch, progress=self._progress)
        if self._decided.is_empty():
            return self._verdicts.broken
        # What a person decided no model disputes; its score is told all the same.
        is_decided = self._identity.join(
            self._decided.with_columns(known=True), on=[INPUT, RECORD], how="left", maintain_order="left"
        )
        return self._verdicts.broken & is_decided.get_column("known").is_null()

    def result(self, files: Sequence[str]) -> AuditResult:
        """The verdicts with their tables; after `judge`.

        Args:
            files: sha256 of each raw file, by its number.
        """
        assert self._verdicts is not None and self._identity is not None  # noqa: PT018, S101  # for the type checker
        file = pl.Series(FILE, files, dtype=pl.String).gather(self._identity.get_column(INPUT).cast(pl.UInt32))
        return self._verdicts.result(pl.DataFrame([file.alias(FILE), self._identity.get_column(RECORD)]))


def _free(dataset: Dataset, policy: Labels) -> tuple[str, ...]:
    """The columns that a baseline may choose from, where the policy names none."""
    if policy.text or policy.features or policy.probabilities:
        return ()
    # A key names its row, and teaches nothing that holds for another one.
    taken = {policy.column, policy.groups, policy.split, *(dataset.dedupe.key if dataset.dedupe else ())}
    return tuple(column.name for column in dataset.columns if column.name not in taken)
