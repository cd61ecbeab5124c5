"""Asking: a person decides on what a gate holds, in the Prefect UI while the run waits, or later.

Belongs here: the question, the form, and what an answer leads to. Does not belong here: holding (tasks/publish/stage),
or publishing what was held (tasks/publish/release).

What is held is in the store before anyone is asked: a run that is killed while it waits loses nothing, and
`winnow release` can answer it from elsewhere meanwhile.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Literal

import msgspec
from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field

from flows import events
from flows.settings import load_settings
from schemas.errors import HeldError, shown
from tasks.audit.gates import in_words
from tasks.publish.release import Released, discard, release
from tasks.report.escape import as_markdown
from tasks.store.holds import decision_on, read_hold
from tasks.store.local import open_store

if TYPE_CHECKING:
    from tasks.audit.kept import Hold
    from tasks.job import Outcome
    from tasks.store.home import Store

logger = logging.getLogger(__name__)

#: Seconds between two looks at whether somebody has answered.
_EVERY = 5
_WORDS = 400


class Answer(RunInput):
    """Whether what a gate holds is published all the same."""

    publish_anyway: bool = Field(
        default=False, description="Publish what the run made, exactly as it is. Without it, it is discarded."
    )
    reason: str = Field(default="", description="Why. It stands in the manifest of the version.")
    by: str = Field(default="", description="Who decides, for the manifest.")


def answered(outcome: Outcome, how: Literal["auto", "wait", "leave"]) -> Outcome:
    """Asks what becomes of what is held, if the run is to wait for that, and does it.

    Args:
        outcome: of the cleaning, with the name of the hold.
        how: as in `clean_partition`.

    Returns:
        The outcome, with the version that was released.

    Raises:
        HeldError: nobody has answered, or it was discarded.
    """
    store, name = open_store(load_settings().store_root), outcome.hold or ""
    hold = read_hold(store, outcome.dataset, name)
    seconds = load_settings().hold_wait_seconds
    waits = how == "wait" or (how == "auto" and runtime.deployment.id is not None)
    question = _question(hold, outcome)
    if runtime.flow_run.id:
        # The page of a paused run does not show the question; its artifacts do.
        create_markdown_artifact(
            question,
            key=f"{outcome.dataset.replace('_', '-')}-held",
            description=f"A gate holds {outcome.dataset} {as_markdown(outcome.partition, limit=255)}: publish it?",
        )
    events.tell_held(outcome)
    answer = _asked(hold, question, seconds) if waits and seconds else None
    if answer is None:
        raise _held(store, hold)
    done = _decided(store, hold, answer)
    if done.act == "discard":
        raise HeldError(
            f"what was held as {hold.hold} was discarded by {shown(done.by)}: {shown(done.reason)}",
            where=f"{hold.dataset} {hold.partition}",
        )
    note = f"version {done.version}, released by {done.by}: {done.reason}"
    return msgspec.structs.replace(
        outcome, version=done.version, digest=done.digest, published=True, note=note, hold=None
    )


def _asked(hold: Hold, question: str, seconds: float) -> Answer | None:
    """The answer, or None when nobody gave one in time."""
    logger.info("%s %s: held as %s; the run waits for an answer", hold.dataset, shown(hold.partition), hold.hold)
    form = Answer.with_initial_data(description=question)
    try:
        return pause_flow_run(wait_for_input=form, timeout=int(seconds), poll_interval=_EVERY)
    except FlowPauseTimeout:
        return None


def _decided(store: Store, hold: Hold, answer: Answer) -> Released:
    act = release if answer.publish_anyway else discard
    now, run_id = dt.datetime.now(dt.UTC), runtime.flow_run.id or hold.run_id
    by = answer.by.strip() or "somebody in the Prefect UI"
    reason = answer.reason.strip() or "no reason was given"
    return act(store, hold.dataset, hold.hold, by=by, reason=reason, run_id=run_id, now=now)


def _held(store: Store, hold: Hold) -> HeldError:
    made = decision_on(store, hold)
    if made:
        done = "released" if made.act == "release" else "discarded"
        return HeldError(f"{hold.hold} was {done} by {shown(made.by)} meanwhile", where=f"{hold.dataset}")
    return HeldError(
        "; ".join(map(in_words, hold.findings)),
        where=f"{hold.dataset} {hold.partition}",
        fix=f"Nothing was published. What was made is kept until {hold.expires_at}: look at it, then\n"
        f"  winnow release {hold.dataset} {hold.hold} --reason ...   publishes exactly that,\n"
        f"  winnow discard {hold.dataset} {hold.hold} --reason ...   gives it up.",
    )


def _question(hold: Hold, outcome: Outcome) -> str:
    """What a person has to know to decide, in markdown."""
    books = outcome.books
    lines = [
        f"# Publish {as_markdown(hold.dataset)} {as_markdown(hold.partition, 255)} all the same?",
        "",
        *(
            f"- {as_markdown(in_words(finding), _WORDS)}. {as_markdown(finding.fix, _WORDS)}"
            for finding in hold.findings
        ),
        "",
        f"{books.records:,} records: {books.kept:,} kept, {books.duplicate:,} duplicate, "
        f"{books.quarantined:,} quarantined, {books.rejected:,} rejected.",
        "",
        "| rule | rows |",
        "| --- | ---: |",
        *(f"| {as_markdown(rule.id)} | {rule.rows:,} |" for rule in outcome.rules if rule.rows),
        "",
        f"Resume this run and answer the form, or use the command line: `winnow release {hold.dataset} {hold.hold}` "
        f"publishes exactly what was made, `winnow discard {hold.dataset} {hold.hold}` gives it up. "
        f"It can be released until {hold.expires_at}.",
    ]
    return "\n".join(lines)
