"""The command that copies versions out of the store.

Belongs here: its arguments and what it prints. Does not belong here: the copying (tasks/export).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli_inspect import AsJson, Reference
from flows.cli_moves import open_home
from flows.console import emit, say, told
from schemas.errors import UsageError
from schemas.records import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.records import Manifest
    from tasks.export.report import ExportReport
    from tasks.store.home import Store

Format = Literal["parquet", "delta"]
Form = Literal["sklearn", "torch", "hf"]


def export(
    reference: Reference,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder that is not there yet, or an empty one.")],
    *,
    role: Annotated[list[Role] | None, typer.Option(help="Which files; may be given again. Default: clean.")] = None,
    form: Annotated[Format, typer.Option("--format", help="delta: a Delta table whose versions are ours.")] = "parquet",
    since: Annotated[int | None, typer.Option(help="For delta: the first version. Default: the oldest.", min=1)] = None,
    column: Annotated[
        str, typer.Option("--partition-column", help="What readers call the partition's column.")
    ] = "partition",
    library: Annotated[
        Form | None, typer.Option("--for", help="Features and labels that a model of this library is fitted on.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="For --for: the column to be told. Default: as declared.")] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Link files (read-only) instead of copying them, where that is possible.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be copied, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copies a version into a folder by partition, as other tools expect it, at once or not at all."""
    from flows.references import manifest_of

    with told(as_json=as_json):
        store = open_home()
        manifest, now = manifest_of(store, reference), dt.datetime.now(dt.UTC)
        if library is not None:
            found = _fit(store, manifest, folder, library, label, now, dry_run=dry_run)
        elif label is not None:
            raise UsageError("the rows are copied as they are", expected="--label with --for")
        elif form == "delta":
            if role and role != [Role.CLEAN]:
                raise UsageError("a Delta table has the clean rows", expected="--role clean", where="--format delta")
            from tasks.export.delta import export_delta

            manifests = _since(store, manifest, since)
            found = export_delta(store, manifests, folder, now=now, column=column, link=link, dry_run=dry_run)
        else:
            if since is not None:
                raise UsageError("Parquet files are those of one version", expected="--since with --format delta")
            from tasks.export.stage import export_parquet

            roles = tuple(dict.fromkeys(role or [Role.CLEAN]))
            found = export_parquet(
                store, manifest, folder, now=now, roles=roles, column=column, link=link, dry_run=dry_run
            )
        emit(found) if as_json else _say(found, link=link)


def _fit(
    store: Store, manifest: Manifest, folder: str, form: Form, label: str | None, now: dt.datetime, *, dry_run: bool
) -> ExportReport:
    from flows.settings import load_settings
    from schemas import registry
    from tasks.export.fit import export_fit

    dataset = registry.load(manifest.dataset, load_settings().folders)
    return export_fit(store, manifest, folder, dataset, now=now, form=form, label=label, dry_run=dry_run)


def _since(store: Store, last: Manifest, first: int | None) -> list[Manifest]:
    """The versions that are there, from one to another."""
    from tasks.store.versions import list_versions, read_manifest

    numbers = [number for number in list_versions(store, last.dataset) if (first or 1) <= number < last.version]
    if first is not None and first > last.version:
        raise UsageError(f"version {first} comes after version {last.version}", where="--since")
    return [*(read_manifest(store, last.dataset, number) for number in numbers), last]


def _say(found: ExportReport, *, link: bool) -> None:
    which = f"{found.dataset}@{found.versions[-1]}"
    if len(found.versions) > 1:
        which = f"{len(found.versions):,} versions of {found.dataset}, {found.versions[0]} to {found.versions[-1]},"
    does = "would be" if found.dry_run else "is" if len(found.versions) == 1 else "are"
    say(f"{which} {does} in {found.folder}: {found.files:,} files, {found.size / 1e6:,.1f} MB.")
    _say_fit(found) if found.format in ("sklearn", "torch", "hf") else _say_copied(found, link=link)


def _say_fit(found: ExportReport) -> None:
    if found.format in ("sklearn", "torch"):
        say(f'  from tasks.export.load import load; X, y = load("{found.folder}", "train")')
    if found.format == "hf":
        say(f'  datasets.load_dataset("parquet", data_dir="{found.folder}")')
    if found.left_out:
        say(f"  No features: {', '.join(found.left_out)}.")


def _say_copied(found: ExportReport, *, link: bool) -> None:
    if found.linked:
        say(f"  {found.linked:,} files are links to the store's own, and read-only: whoever changes one changes both.")
    if link and found.copied:
        say(f"  {found.copied:,} files could not be linked there and were copied.")
    if found.rewritten:
        say(f"  {found.rewritten:,} files were written anew: Delta has no type for one of their columns.")
    if found.left_out:
        say(f"  Left out, for want of a type in Delta: {', '.join(found.left_out)}.")


COMMANDS: dict[str, Callable[..., None]] = {"export": export}
