"""Ledger: reads how the partitions of a data set stand, and keeps what is to be remembered of failures.

Belongs here: reading dumps' names, the newest version, holds and failures. Does not belong here: what follows from them
(standing).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from schemas.errors import EXIT_ENVIRONMENT, LeaseHeldError, WinnowError, shown
from schemas.moments import as_text
from tasks.audit.kept import Failure
from tasks.audit.standing import RawFiles, Standing, standings
from tasks.ingest.listing import list_all_raw
from tasks.publish.contract import contract_fingerprint
from tasks.store.failures import keep_failure, read_failures
from tasks.store.holds import read_holds
from tasks.store.versions import head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.job import Job
    from tasks.store.home import Store


class Ledger(NamedTuple):
    """How the partitions of a data set stand.

    Attributes:
        standings: in the order of their names.
        raws: partition -> names and sizes of its raw files.
        version: the newest one; None when nothing was published yet.
        contract: today's fingerprint.
    """

    standings: tuple[Standing, ...]
    raws: Mapping[str, RawFiles]
    version: int | None
    contract: str


def ledger(store: Store, dataset: str, *, declaration: str, pattern: str, raw_root: str) -> Ledger:
    """How every partition of a data set stands.

    Args:
        store: where the data set lies.
        dataset: its name.
        declaration: path of the declaring file.
        pattern: of its dumps, as `Source.pattern`.
        raw_root: where they lie.

    Raises:
        DeclarationError: the declaration can't be read.
        DumpMissingError, DumpUnreadableError: the raw root is not there, or can't be listed.
        StoreError: the store can't be read.
    """
    contract, raws = contract_fingerprint(declaration), list_all_raw(raw_root, pattern)
    newest = head(store, dataset)
    holds = read_holds(store, dataset, now=dt.datetime.now(dt.UTC))
    entries = newest.partitions if newest else {}
    found = standings(raws, entries, read_failures(store, dataset), holds, contract)
    return Ledger(found, raws, newest.version if newest else None, contract)


def remember_failure(job: Job, store: Store, error: BaseException) -> None:
    """Writes down that a cleaning failed, for `winnow status`; does nothing where that can't be done.

    Another run that is at the partition already is no failure of it. Of a defect only the name is kept: its message may
    hold anything.
    """
    if job.dry_run or isinstance(error, LeaseHeldError):
        return
    ours = isinstance(error, WinnowError)
    now = dt.datetime.now(dt.UTC)
    # What went wrong before is what a person has to know.
    with contextlib.suppress(WinnowError):
        newest = head(store, job.dataset)
        entry = newest.partitions.get(job.partition) if newest else None
        contract = None
        with contextlib.suppress(WinnowError):
            contract = contract_fingerprint(job.declaration)
        failure = Failure(
            partition=job.partition,
            run_id=job.run_id,
            failed_at=as_text(now),
            error=error.kind if isinstance(error, WinnowError) else type(error).__name__,
            message=str(error) if ours else f"a defect; the log of run {shown(job.run_id)} has its lines",
            exit_code=error.exit_code if isinstance(error, WinnowError) else EXIT_ENVIRONMENT,
            contract=contract,
            before=entry.alone if entry else None,
        )
        keep_failure(store, job.dataset, failure, now)
