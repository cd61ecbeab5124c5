"""Erase: a person's records leave every version, as a flow.

Belongs here: the run, and what it shows. Does not belong here: finding or erasing anything (tasks/erasure).

Whose records are meant is a secret: it stands in a block of Prefect's, which is encrypted, and neither in a parameter
nor in a log, an artifact or an event.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, cast

from prefect import flow, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.blocks.system import Secret

from flows import events
from flows.cli_erasure import signing_key
from flows.fields import BlockName, DatasetName
from flows.settings import load_settings
from schemas import registry
from schemas.errors import UsageError
from tasks.erasure.condition import Condition
from tasks.erasure.finding import planned
from tasks.erasure.receipt import load_key
from tasks.erasure.stage import erase as erase_subject
from tasks.report.escape import as_markdown
from tasks.store.local import open_store

if TYPE_CHECKING:
    from tasks.erasure.finding import Planned
    from tasks.erasure.receipt import Receipt


@flow(name="erase", flow_run_name="erase from {dataset}")
def erase(dataset: DatasetName, whose: BlockName, asked_by: str, dry_run: bool = True) -> None:  # noqa: FBT001  # a flow's parameters are its form in the UI
    """Erases a person's records from every version, for good; a run that broke off is finished by starting it again.

    Args:
        dataset: The data set.
        whose: Name of a Secret block (Blocks, +, Secret) that holds the condition, like email = 'ada@home.example'.
            Don't write the condition here: parameters are kept and shown. The block is deleted when all is erased.
        asked_by: Who asks for it, for the receipt. Not the person who is to be forgotten.
        dry_run: Only count what would be erased. Switch it off to erase.

    Raises:
        UsageError: there is no such block.
    """
    settings = load_settings()
    store, declared = open_store(settings.store_root), registry.load(dataset, settings.folders)
    condition = Condition.parse(_secret(whose))
    key = f"{dataset.replace('_', '-')}-erasure"
    if dry_run:
        create_markdown_artifact(_plan(planned(store, declared, condition)), key=key)
        return
    pem, place = signing_key()
    receipt = erase_subject(
        store,
        declared,
        condition,
        asked_by=asked_by,
        run_id=str(runtime.flow_run.id or uuid.uuid4()),
        key=load_key(pem, place),
        raw_root=settings.raw_root,
    )
    Secret.delete(whose, _sync=True)  # type: ignore[call-arg]  # Prefect's decorator takes it
    create_markdown_artifact(_text(receipt), key=key)
    events.tell(events.ERASED, dataset, erasure=receipt.erasure, version=receipt.version, records=receipt.records)


def _secret(name: str) -> str:
    try:
        block = cast("Secret[str]", Secret.load(name, _sync=True))  # type: ignore[call-arg]  # as above
    except ValueError:
        # Not repeated: somebody may have written the condition itself.
        raise UsageError(
            "there is no Secret block of that name",
            expected="the name of a block that holds the condition",
            where="whose",
            fix="Make one under Blocks.",
        ) from None
    return str(block.get())


def _plan(plan: Planned) -> str:
    versions = ", ".join(map(str, plan.versions)) or "none"
    lines = [
        f"# {plan.dataset}: what an erasure would do",
        "",
        "Dry run: nothing was changed.",
        "",
        f"- {plan.records:,} records would be erased, {plan.mentioning:,} of them another's that mention the person",
        f"- versions that would change: {versions}",
        f"- partitions that would be rewritten: {len(plan.partitions):,}",
    ]
    lines += [f"- not in the store, and left as it is: {as_markdown(each, limit=400)}" for each in plan.exports]
    return "\n".join(lines)


def _text(receipt: Receipt) -> str:
    fates = ", ".join(f"{records:,} {fate}" for fate, records in receipt.fates.items()) or "none"
    versions = ", ".join(map(str, receipt.versions_changed)) or "none"
    lines = [
        f"# {receipt.dataset}: erasure {receipt.erasure}",
        "",
        f"- {receipt.records:,} records were erased ({fates})",
        f"- versions changed: {versions}; all versions up to {receipt.version} are free of the person",
        f"- {receipt.swept.objects:,} objects were searched, and nothing was found",
        f"- signed under the public key `{receipt.public_key}`; `winnow receipts {receipt.dataset}` checks it",
    ]
    lines += [
        f"- not erased, because it is not in the store: {as_markdown(each, limit=400)}" for each in receipt.outside
    ]
    return "\n".join(lines)
