"""The command that cleans a published version again, to show that it follows from its dumps and its contract.

Belongs here: its arguments and what it prints. Does not belong here: the cleaning (rebuild), or other proofs
(cli_inspect has `verify`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from flows.cli_inspect import AsJson, Reference
from flows.console import emit, progress, say, table, told
from flows.settings import load_settings
from schemas import registry
from schemas.errors import EXIT_STOPPED, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.publish.rebuilt import ContractChange, Rebuilt, RebuiltPartition


def rebuild(
    reference: Reference,
    *,
    partition: Annotated[list[str] | None, typer.Option(help="Only this partition; may be given again.")] = None,
    as_published: Annotated[
        bool,
        typer.Option(
            "--as-published",
            help="Under the declaration that each partition was published under, as the store kept it, instead of "
            "today's. Its code runs: it must have the fingerprint that the manifest names.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Cleans a version again from its dumps or the archive; exits with 1 if its digest is not the same.

    Nothing of the store changes. What differs is shown, and what changed of the declaration, the code or the libraries
    since.
    """
    from flows.rebuild import rebuild as cleaned_again
    from flows.references import manifest_of
    from tasks.store.local import open_store

    with told(as_json=as_json):
        settings = load_settings()
        store = open_store(settings.store_root)
        manifest = manifest_of(store, reference)
        for name in partition or ():
            if name not in manifest.partitions:
                raise UnknownNameError.of("partition", name, manifest.partitions)
        with progress() as show:
            rebuilt = cleaned_again(
                store,
                manifest,
                declaration=None if as_published else registry.locate(manifest.dataset, settings.folders),
                raw_root=settings.raw_root,
                partitions=partition,
                progress=show,
            )
        emit({**msgspec.structs.asdict(rebuilt), "same": rebuilt.same}) if as_json else _say(rebuilt)
        if not rebuilt.same:
            raise SystemExit(EXIT_STOPPED)


def _say(rebuilt: Rebuilt) -> None:
    table("", ["partition", "cleaned again"], [(each.partition, _verdict(each)) for each in rebuilt.partitions])
    for each in rebuilt.partitions:
        for difference in each.differences:
            say(f"{each.partition}: {difference}")
    for change in rebuilt.changes:
        _say_change(change)
    unexplained = not rebuilt.changes and not rebuilt.same and rebuilt.rebuilt_digest
    if unexplained:
        say("Nothing of the contract changed since: neither declaration nor code nor libraries explain this.")
    say()
    name = f"{rebuilt.dataset}@{rebuilt.version}"
    if rebuilt.same:
        again = f"{len(rebuilt.partitions):,} of {rebuilt.of:,} partitions cleaned again"
        say(f"{name}: {again}, the same digest, {rebuilt.digest}")
    elif rebuilt.rebuilt_digest:
        say(f"{name} is NOT what it becomes today: digest {rebuilt.rebuilt_digest}, published {rebuilt.digest}")
    else:
        say(f"{name} can't be cleaned again as a whole; published with digest {rebuilt.digest}")


def _verdict(each: RebuiltPartition) -> str:
    if each.trouble:
        return f"can't be: {each.trouble}"
    if each.same:
        return "the same"
    return "the same files under another contract" if each.same_files else "NOT the same"


def _say_change(change: ContractChange) -> None:
    say()
    first, last = change.partitions[0], change.partitions[-1]
    say(f"Since the contract {change.contract} of {first}" + (f" to {last}" if last != first else "") + ":")
    if change.trouble:
        say(f"  it is not known: {change.trouble}")
    for name, versions in change.libraries.items():
        say(f"  library {name}: {versions}")
    for path, what in change.modules.items():
        say(f"  code {path}: {what}")
    for line in change.declaration:
        say(f"  {line}")


COMMANDS: dict[str, Callable[..., None]] = {"rebuild": rebuild}
