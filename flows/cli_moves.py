"""Commands that move between versions: back to an older one, and names for those that matter.

Belongs here: their arguments and what they print. Does not belong here: what they do (tasks/publish/rollback,
tasks/store/tags), or how a version is named (references).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_inspect import AsJson, DatasetName, Reference
from flows.console import emit, say, table, told
from flows.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.diff.partitions import PartitionChange
    from tasks.publish.rollback import RolledBack
    from tasks.store.home import Store


def open_home() -> Store:
    """The store of the settings."""
    from tasks.store.local import open_store

    return open_store(load_settings().store_root)


def rollback(
    dataset: DatasetName,
    *,
    to: Annotated[str, typer.Option(help="The version whose data is wanted: N, a tag, or a date.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and publish nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publishes an older version's data as a new version; those in between stay as they are."""
    from flows.references import named
    from tasks.publish.rollback import rollback as roll_back

    with told(as_json=as_json):
        store = open_home()
        _, version = named(store, f"{dataset}@{to}")
        now, run_id = dt.datetime.now(dt.UTC), str(uuid.uuid4())
        done = roll_back(store, dataset, version or 0, run_id=run_id, now=now, dry_run=dry_run)
        emit(done) if as_json else _say_rolled_back(done, dry_run=dry_run)


def _say_rolled_back(done: RolledBack, *, dry_run: bool) -> None:
    if not done.changes:
        say(f"{done.dataset}@{done.version} has the data of {done.dataset}@{done.to} already: nothing was published.")
        return
    table("", ["partition", "change", "rows before", "rows after"], [partition_row(each) for each in done.changes])
    if dry_run:
        say(f"Dry run: nothing was published. The new version would have the data of {done.dataset}@{done.to}.")
    else:
        say(f"Published {done.dataset}@{done.version}, with the data of {done.dataset}@{done.to}.")


def partition_row(change: PartitionChange) -> Sequence[object]:
    """A partition's change as a row of a table."""
    return change.partition, change.change.value, change.rows_before, change.rows_after


def tag(
    reference: Reference,
    name: Annotated[str | None, typer.Argument(help="The tag; without it all tags are listed.")] = None,
    *,
    move: Annotated[bool, typer.Option("--move", help="Take the name from the version that has it.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Remove the tag; the version stays.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Names a version, lists the names, or removes one; DATASET@NAME then means that version everywhere."""
    from flows.references import check_dataset

    with told(as_json=as_json):
        store, dataset = open_home(), reference.partition("@")[0]
        check_dataset(store, dataset)
        if name is None:
            _list_tags(store, dataset, as_json=as_json)
        elif delete:
            _delete_tag(store, dataset, name, dry_run=dry_run, as_json=as_json)
        else:
            _set_tag(store, reference, name, move=move, dry_run=dry_run, as_json=as_json)


def _list_tags(store: Store, dataset: str, *, as_json: bool) -> None:
    from tasks.store.tags import read_tags

    tags = read_tags(store, dataset)
    if as_json:
        for each in tags:
            emit(each)
    elif tags:
        rows = [(each.name, each.version, each.created_at, each.digest[:16]) for each in tags]
        table("", ["tag", "version", "tagged (UTC)", "digest"], rows)
    else:
        say(f"{dataset} has no tags: winnow tag {dataset}@N NAME")


def _set_tag(store: Store, reference: str, name: str, *, move: bool, dry_run: bool, as_json: bool) -> None:
    from flows.references import manifest_of
    from tasks.store.tags import set_tag
    from tasks.store.upkeep import upkeep

    manifest, now = manifest_of(store, reference), dt.datetime.now(dt.UTC)
    held = contextlib.nullcontext() if dry_run else upkeep(store, manifest.dataset, str(uuid.uuid4()))
    with held:
        found = set_tag(store, manifest.dataset, name, manifest.version, now=now, move=move, dry_run=dry_run)
    if as_json:
        emit(found)
    else:
        does = "would be" if dry_run else "is"
        say(f"{manifest.dataset}@{found.name} {does} {manifest.dataset}@{found.version}.")


def _delete_tag(store: Store, dataset: str, name: str, *, dry_run: bool, as_json: bool) -> None:
    from tasks.store.tags import delete_tag

    found = delete_tag(store, dataset, name, dry_run=dry_run)
    if as_json:
        emit(found)
    else:
        does = "would be removed" if dry_run else "is removed"
        say(f"{dataset}@{found.name} {does}; it is {dataset}@{found.version}, which stays.")


COMMANDS: dict[str, Callable[..., None]] = {"rollback": rollback, "tag": tag}
