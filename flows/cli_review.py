"""Commands about audits: what they found, and the way of doubtful labels to reviewers and back.

Belongs here: their arguments, the files that they write and read, and what they print. Does not belong here: what an
audit or a review is (tasks/audit).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli_inspect import AsJson, DatasetName, Reference
from flows.cli_moves import open_home
from flows.console import emit, say, table, told, visible
from flows.settings import load_settings
from schemas.errors import EXIT_STOPPED, StoreError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.audits import Audit
    from tasks.audit.review.intake import Refused
    from tasks.audit.review.stage import Imported

Format = Literal["csv", "parquet", "label-studio"]
_ENDINGS = {"csv": ".csv", "parquet": ".parquet", "label-studio": ".jsonl"}
#: Rows of a file of decisions that are shown with what is wrong with them.
_SHOWN = 20


def audit(
    reference: Reference,
    *,
    table_name: Annotated[
        str | None, typer.Option("--table", metavar="AUDIT.TABLE", help="Show a table, as `labels.matrix`.")
    ] = None,
    partition: Annotated[str | None, typer.Option(help="Only of this partition.")] = None,
    limit: Annotated[int, typer.Option(help="Rows of a table at most.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Shows what the audits of a version found, or a table of one of them."""
    from flows.references import manifest_of
    from tasks.audit.stage import audits_of, table_of

    with told(as_json=as_json):
        store = open_home()
        manifest = manifest_of(store, reference)
        found = audits_of(store, manifest, partition=partition)
        if table_name is not None:
            rows = table_of(store, manifest, table_name, partition=partition)
            if rows is None:
                known = {f"{each.name}.{name}" for _, each in found for name in (*each.tables, "findings")}
                raise UnknownNameError.of("table", table_name, known)
            shown = rows.head(limit).collect()
            if as_json:
                for row in shown.iter_rows(named=True):
                    emit(row)
            else:
                table("", shown.columns, shown.rows())
            return
        for name, each in found:
            if as_json:
                emit({"partition": name, "audit": each})
            else:
                _say_audit(name, each)
        if not found and not as_json:
            say("The version has no audits: its declaration asks for none.")


def _say_audit(partition: str | None, audit: Audit) -> None:
    of = "the whole version" if partition is None else f"partition {partition}"
    say(f"{audit.name} of {of}: {audit.verdict}")
    for name, value in audit.facts.items():
        say(f"  {name}: {'-' if value is None else f'{value:,}' if isinstance(value, int) else value}")
    for finding in audit.findings:
        expected = f", expected {finding.expected}" if finding.expected else ""
        say(f"  {visible(finding.subject)}: {visible(finding.verdict)}: {visible(finding.found)}{visible(expected)}")
    if audit.tables:
        say(f"  tables: {', '.join(f'{audit.name}.{name}' for name in audit.tables)}")


def export_queue(
    reference: Reference,
    *,
    form: Annotated[Format, typer.Option("--format", help="Of the file.")] = "csv",
    out: Annotated[Path | None, typer.Option(help="The file; default: DATASET-review and the format's ending.")] = None,
    limit: Annotated[int | None, typer.Option(help="How many rows at most, the most doubtful first.", min=1)] = None,
    personal: Annotated[bool, typer.Option("--personal", help="With the personal columns, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Writes the rows whose label looks wrong to a file for reviewers, with their context."""
    from flows.references import manifest_of
    from schemas import registry
    from tasks.audit.review.formats import written
    from tasks.audit.review.stage import queue

    with told(as_json=as_json):
        store = open_home()
        manifest = manifest_of(store, reference)
        dataset = registry.load(manifest.dataset, load_settings().folders)
        rows = queue(store, manifest, dataset, limit=limit, personal=personal)
        place = out or Path(f"{manifest.dataset}-review{_ENDINGS[form]}")
        data = written(rows, form)
        try:
            # An earlier one may hold decisions that were not imported yet.
            with place.open("xb") as file:
                file.write(data)
        except FileExistsError:
            raise UsageError(
                "the file is there already", where=str(place), fix="Name another one with --out."
            ) from None
        except OSError as error:
            raise StoreError(f"it can't be written: {error.strerror}", where=str(place)) from None
        made = {"dataset": manifest.dataset, "version": manifest.version, "file": str(place), "rows": rows.height}
        if as_json:
            emit(made)
        else:
            say(f"{rows.height:,} rows of {manifest.dataset}@{manifest.version} are in {place}.")
            say(f"Fill in value or action (relabel, keep, exclude), then: winnow review import {manifest.dataset} FILE")


def import_decisions(
    dataset: DatasetName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Decisions: .csv, .parquet, .json or .jsonl.")],
    *,
    reviewer: Annotated[str | None, typer.Option(help="Who decided, where the file does not say it.")] = None,
    supersede: Annotated[
        bool, typer.Option("--supersede", help="Let these take the place of other reviewers' decisions.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be taken, and take nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Takes reviewers' decisions; the next cleaning applies them. Exits with 1 if some contradict or are wrong."""
    from flows.references import manifest_of
    from schemas import registry
    from schemas.moments import as_text
    from tasks.audit.review import stage
    from tasks.audit.review.formats import read

    with told(as_json=as_json):
        store = open_home()
        manifest = manifest_of(store, dataset)
        declared = registry.load(manifest.dataset, load_settings().folders)
        try:
            data = file.read_bytes()
        except OSError as error:
            raise UsageError(f"it can't be read: {error.strerror}", where=str(file)) from None
        now = as_text(dt.datetime.now(dt.UTC))
        found = stage.import_decisions(
            store, manifest, declared, read(data, file.name), reviewer=reviewer, now=now, supersede=supersede,
            dry_run=dry_run,
        )  # fmt: skip
        emit(found) if as_json else _say_imported(found)
        if found.intake.conflicts or found.intake.refused:
            raise SystemExit(EXIT_STOPPED)


def _say_imported(found: Imported) -> None:
    intake, does = found.intake, "would be taken" if found.dry_run else "are taken"
    say(f"{len(intake.taken):,} decisions {does}; {intake.known:,} were known, {intake.empty:,} rows are empty.")
    _say_refused("Reviewers contradict each other (--supersede takes the new decisions):", intake.conflicts)
    _say_refused("These rows are wrong, and were not taken:", intake.refused)
    if intake.taken and not found.dry_run:
        say("To apply them, clean again:")
        for partition in found.partitions:
            say(f"  winnow run {found.dataset} --partition {partition}")


def _say_refused(title: str, rows: tuple[Refused, ...]) -> None:
    if not rows:
        return
    say(title)
    for each in rows[:_SHOWN]:
        say(f"  row {each.row:,}, {visible(each.record)[:40]}: {each.why}")
    if len(rows) > _SHOWN:
        say(f"  and {len(rows) - _SHOWN:,} more; --json has them.")


COMMANDS: dict[str, Callable[..., None]] = {"audit": audit}
#: Of `winnow review`.
REVIEW: dict[str, Callable[..., None]] = {"export": export_queue, "import": import_decisions}
