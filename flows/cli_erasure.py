"""Commands about a person: what is held of the person, erasing it, and the receipts.

Belongs here: their arguments, the question before an erasure, where the signing key lies, and what they print. Does not
belong here: finding or erasing anything (tasks/erasure).
"""

from __future__ import annotations

import getpass
import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_inspect import AsJson, DatasetName
from flows.console import emit, say, table, visible
from flows.console import told as telling
from flows.settings import load_settings
from schemas import registry
from schemas.errors import EXIT_STOPPED, SettingsError, UsageError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.dataset import Dataset
    from tasks.erasure.access import SubjectRecord
    from tasks.erasure.finding import Planned
    from tasks.erasure.receipt import Receipt
    from tasks.store.home import Store

Where = Annotated[
    str, typer.Option(metavar="CONDITION", help="Whose: \"column = 'value'\" or \"column in ('value', 'value')\".")
]


def _opened(name: str) -> tuple[Store, Dataset]:
    from tasks.store.local import open_store

    settings = load_settings()
    return open_store(str(settings.store_root)), registry.load(name, settings.folders)


def subject(
    dataset: DatasetName,
    *,
    where: Where,
    export: Annotated[Path | None, typer.Option(help="Write the records to this new file, as lines of JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Lists a person's records in all versions, with their fates and values."""
    with telling(as_json=as_json):
        from tasks.erasure.access import records_of
        from tasks.erasure.condition import Condition

        store, declared = _opened(dataset)
        found = records_of(store, declared, Condition.parse(where))
        if export is not None:
            _export(found, export)
            say(f"{len(found):,} records in {export}")
        elif as_json:
            for each in found:
                emit(each)
        else:
            _say_records(found)


def _export(records: Sequence[SubjectRecord], path: Path) -> None:
    import msgspec

    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in records)
    try:
        # Nobody else may read a person's data, and no other export is lost.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(
            f"{shown(path)} can't be made: {error.strerror}", expected="a file that is not there yet"
        ) from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(lines)


def _say_records(records: Sequence[SubjectRecord]) -> None:
    for each in records:
        versions = ", ".join(map(str, each.versions))
        place = f"{visible(each.source)}" + (f", line {each.line}" if each.line is not None else "")
        say(f"{each.record}  {each.fate} in {each.partition}, versions {versions}; {place}")
        for rule, reason in zip(each.rules, each.reasons, strict=True):
            say(f"    {rule}: {visible(reason)}")
        for name, value in each.values.items():
            say(f"    {name} = {visible('missing' if value is None else value)}")
        if not each.values and each.raw is not None:
            say(f"    {visible(each.raw)}")
    say(f"{len(records):,} records." if records else "No record of the versions is this person's.")


def erase(
    dataset: DatasetName,
    *,
    where: Where,
    by: Annotated[str | None, typer.Option(help="Who asks for it, for the receipt. Default: you.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be erased; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask on a terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erases a person's records from every version, for good; killed anywhere, the same command finishes it."""
    with telling(as_json=as_json):
        from tasks.erasure.condition import Condition
        from tasks.erasure.finding import planned
        from tasks.erasure.receipt import load_key
        from tasks.erasure.stage import erase as erase_subject

        store, declared = _opened(dataset)
        condition = Condition.parse(where)
        asking = sys.stdin.isatty() and not yes and not as_json
        if dry_run or asking:
            plan = planned(store, declared, condition)
            emit(plan) if as_json else _say_plan(plan)
        if dry_run:
            return
        if asking and not typer.confirm("Erase them? This can't be undone"):
            say("Nothing was changed.")
            raise SystemExit(EXIT_STOPPED)
        pem, place = signing_key()
        key = load_key(pem, place)
        asked_by = by or getpass.getuser()
        receipt = erase_subject(
            store,
            declared,
            condition,
            asked_by=asked_by,
            run_id=str(uuid.uuid4()),
            key=key,
            raw_root=str(load_settings().raw_root),
        )
        emit(receipt) if as_json else _say_receipt(receipt)


def _say_plan(plan: Planned) -> None:
    versions = ", ".join(map(str, plan.versions)) or "none"
    say(f"{plan.dataset}: {plan.records:,} records, in versions {versions}")
    if plan.mentioning:
        say(f"  {plan.mentioning:,} of them are another's, but mention the person")
    for partition in plan.partitions:
        say(f"  partition {partition} is rewritten")
    for each in plan.raw:
        say(f"  raw dump {each} records; {'made blank' if plan.blanks_dumps else 'left as it is'}")
    for each in plan.exports:
        say(f"  left as it is, because it is not in the store: {each}")
    if plan.known == "begun":
        say("  An erasure of the same was begun and is finished by this command.")


def _say_receipt(receipt: Receipt) -> None:
    fates = ", ".join(f"{records:,} {fate}" for fate, records in receipt.fates.items()) or "none"
    say(f"{receipt.dataset}: {receipt.records:,} records were erased ({fates}); erasure {receipt.erasure}")
    versions = ", ".join(map(str, receipt.versions_changed)) or "none"
    say(f"  versions changed: {versions}; all versions up to {receipt.version} are free of the person")
    say(f"  {receipt.swept.objects:,} objects were searched, and nothing was found")
    for each in receipt.outside:
        say(f"  not erased, because it is not in the store: {each}")
    say(f"  signed under the public key {receipt.public_key}")


def receipts(
    dataset: DatasetName,
    *,
    key: Annotated[str | None, typer.Option(help="The public key, in hexadecimal, that must have signed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Lists a data set's erasures and checks the signatures of their receipts; exits with 1 if one is not genuine."""
    with telling(as_json=as_json):
        from flows.references import check_dataset
        from tasks.erasure.journal import erasures
        from tasks.erasure.receipt import is_genuine
        from tasks.erasure.stage import receipts as kept
        from tasks.store.local import open_store

        store = open_store(str(load_settings().store_root))
        check_dataset(store, dataset)
        found = [(receipt, is_genuine(receipt, key)) for receipt in kept(store, dataset)]
        open_ones = [each.id for each in erasures(store, dataset) if each.state == "begun"]
        if as_json:
            for receipt, genuine in found:
                emit({"erasure": receipt.erasure, "genuine": genuine, "receipt": receipt})
            for erasure in open_ones:
                emit({"erasure": erasure, "genuine": None, "receipt": None})
        else:
            columns = ["erasure", "version", "finished (UTC)", "records", "signature"]
            table("", columns, [_receipt_row(receipt, genuine=genuine) for receipt, genuine in found])
            for erasure in open_ones:
                say(f"{erasure} was begun and is not finished: run the same `winnow erase` again.")
        if not all(genuine for _, genuine in found):
            raise SystemExit(EXIT_STOPPED)


def _receipt_row(receipt: Receipt, *, genuine: bool) -> tuple[object, ...]:
    told = "genuine" if genuine else "NOT genuine"
    return receipt.erasure, receipt.version, receipt.finished_at, receipt.records, told


def signing_key() -> tuple[bytes, str]:
    """The private key that signs receipts, and its place; one is made where the settings name none that is there.

    Raises:
        SettingsError: it can't be read or made.
    """
    from tasks.erasure.receipt import new_key

    path = load_settings().signing_key_path
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(new_key())
        return path.read_bytes(), str(path)
    except OSError as error:
        fix = "Let WINNOW_SIGNING_KEY name a file that can be read."
        raise SettingsError(f"the signing key can't be had: {error.strerror}", where=str(path), fix=fix) from error


COMMANDS: dict[str, Callable[..., None]] = {"subject": subject, "erase": erase, "receipts": receipts}
