"""Events: what happened to a data set, told to Prefect so that automations can act on it and the feed shows it.

Belongs here: names of events and their small payloads: names, numbers and ids, never a value from a record. Does not
belong here: what an automation does about one (deployments/automations), or messages in a run's log (tasks).

An event that can't be sent is lost, and no run fails for it: Prefect's own client sends in a thread of its own.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event

from schemas.errors import GateError, WinnowError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.batch import Told
    from tasks.job import Job, Outcome

PUBLISHED = "winnow.version.published"
"""A version was committed by a cleaning."""
HELD = "winnow.gate.held"
"""A partition waits for a person."""
STOPPED = "winnow.gate.stopped"
"""A gate or a rule kept a partition from being published."""
OVER_LIMIT = "winnow.quarantine.over-limit"
"""More of a partition's records were quarantined than its gates allow."""
FAILED = "winnow.partition.failed"
"""A partition was not published for any other reason."""
ROLLED_BACK = "winnow.version.rolled-back"
"""An older version's data was published again."""
ERASED = "winnow.person.erased"
"""A person's records have left every version."""
MAINTAINED = "winnow.store.maintained"
"""Versions were retired, or files that nothing needs were removed."""

#: Gates that are about the share of quarantined records.
_OF_QUARANTINE = ("max_quarantined",)
#: Characters of a name from somebody's file system that an event has.
_NAME = 255


def tell(event: str, dataset: str, **payload: int | str | None) -> None:
    """Sends an event about a data set, if this is a run of Prefect's; outside one there is no server to tell it to.

    Args:
        event: one of the names above.
        dataset: whom it concerns.
        payload: names, numbers and ids.
    """
    if FlowRunContext.get() is None and TaskRunContext.get() is None:
        return
    resource = {"prefect.resource.id": f"winnow.dataset.{dataset}", "prefect.resource.name": dataset}
    emit_event(event, resource=resource, payload={"dataset": dataset, **payload})


@contextmanager
def failures_told(job: Job) -> Iterator[None]:
    """Tells of a partition that is not published, and lets the error go on."""
    partition = name_of(job.partition)
    try:
        yield
    except GateError as error:
        told = {"partition": partition, "gates": ", ".join(error.gates)}
        tell(STOPPED, job.dataset, **told)
        if any(_is_of_quarantine(gate) for gate in error.gates):
            tell(OVER_LIMIT, job.dataset, **told)
        raise
    except Exception as error:
        # The kind alone: a message may quote a header or a path.
        kind = error.kind if isinstance(error, WinnowError) else type(error).__name__
        tell(FAILED, job.dataset, partition=partition, error=kind)
        raise


def tell_published(outcome: Outcome) -> None:
    """Tells of a version that a cleaning committed."""
    books = outcome.books
    tell(
        PUBLISHED,
        outcome.dataset,
        partition=name_of(outcome.partition),
        version=outcome.version,
        digest=outcome.digest,
        records=books.records,
        kept=books.kept,
        duplicate=books.duplicate,
        quarantined=books.quarantined,
        rejected=books.rejected,
    )


def tell_held(outcome: Outcome) -> None:
    """Tells of a partition that waits for a person."""
    books = outcome.books
    tell(
        HELD,
        outcome.dataset,
        partition=name_of(outcome.partition),
        hold=outcome.hold,
        records=books.records,
        quarantined=books.quarantined,
    )


def tell_told(dataset: str, told: Told) -> None:
    """Tells what became of one partition of a batch, which was cleaned in a process that knows no Prefect."""
    if told.outcome and told.outcome.hold:
        tell_held(told.outcome)
    elif told.outcome and told.outcome.published:
        tell_published(told.outcome)
    elif told.error == GateError.__name__:
        tell(STOPPED, dataset, partition=name_of(told.partition))
        if any(gate in told.message for gate in _OF_QUARANTINE):
            tell(OVER_LIMIT, dataset, partition=name_of(told.partition), gates=_OF_QUARANTINE[0])
    elif told.error:
        tell(FAILED, dataset, partition=name_of(told.partition), error=told.error)


def name_of(partition: str) -> str:
    r"""A partition's name as an event has it: printable and bounded.

    Example:
        >>> name_of("2013-01-22\x1b[31m")
        '2013-01-22\\x1b[31m'
    """
    return ascii(partition)[1:-1][:_NAME]


def _is_of_quarantine(gate: str) -> bool:
    return gate.startswith(_OF_QUARANTINE)
