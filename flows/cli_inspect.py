"""Commands that read: what is declared, what was published, and the story of a record.

Belongs here: their arguments and what they print. Does not belong here: anything that changes the store (cli_run).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.console import emit, progress, say, table, told, visible
from flows.settings import load_settings
from schemas.errors import EXIT_STOPPED, EXIT_USAGE, DeclarationError
from schemas.records import RecordId, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.publish.verify import VerifyReport
    from tasks.report.card import Card, ColumnCard, RuleCard
    from tasks.report.explain import Explanation
    from tasks.store.home import Store

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
DatasetName = Annotated[str, typer.Argument(metavar="DATASET", help="Name of a data set.")]
Reference = Annotated[
    str,
    typer.Argument(
        metavar="DATASET[@N]", help="The newest version, or version N, @TAG, or @2026-10-01 as of that day."
    ),
]

#: Notes that are printed.
_NOTES = 20


def _store() -> Store:
    from tasks.store.local import open_store

    return open_store(load_settings().store_root)


def list_datasets(*, as_json: AsJson = False) -> None:
    """Lists the declared data sets and the newest version of each; exits with 2 if a declaration is wrong."""
    from flows.cards import cards
    from tasks.store.versions import newest_version

    with told(as_json=as_json):
        store, found = _store(), cards(load_settings().folders)
        listed = [_listed(card, name, newest_version(store, name)) for name, card in found.items()]
        if as_json:
            for each in listed:
                emit(each)
        else:
            names = ("dataset", "version", "rules", "title")
            table("", [*names[:3], "what it is"], [[each[name] for name in names] for each in listed])
        if any(isinstance(card, DeclarationError) for card in found.values()):
            raise SystemExit(EXIT_USAGE)


def _listed(card: Card | DeclarationError, name: str, version: int | None) -> dict[str, object]:
    known: dict[str, object] = {"dataset": name, "version": version}
    if isinstance(card, DeclarationError):
        return known | {"rules": None, "title": f"{card.kind}: {card}", "error": card.kind}
    return known | {"rules": len(card.rules), "title": card.title, "declared_in": card.declaration}


def show(dataset: DatasetName, *, as_json: AsJson = False) -> None:
    """Shows a declaration: source, columns, steps, and every rule with its severity and reason."""
    from flows.cards import card_of

    with told(as_json=as_json):
        card = card_of(dataset, load_settings().folders)
        if as_json:
            emit(card)
            return
        say(f"{card.name}: {card.title}")
        say(f"source   {card.source}")
        for label, lines in _policies(card):
            for line in lines:
                say(f"{label:<8} {line}")
        say()
        table("Columns", ["column", "type", "what it holds"], [_column(column) for column in card.columns])
        say()
        table("Rules", ["rule", "severity", "reason"], [_rule(rule) for rule in card.rules])


def _policies(card: Card) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (
        ("steps", card.steps),
        ("dedupe", card.dedupe),
        ("gates", card.gates),
        ("keeps", card.retention),
        ("nightly", card.schedule),
        ("fit", card.fitness),
    )


def _column(column: ColumnCard) -> tuple[str, str, str]:
    kind = f"{column.dtype} or missing" if column.nullable else column.dtype
    return column.name, kind, " ".join([column.description, *([f"({column.notes})"] if column.notes else [])]).strip()


def _rule(rule: RuleCard) -> tuple[str, str, str]:
    return rule.id, rule.severity, rule.reason if rule.how == "native" else f"{rule.reason} ({rule.how})"


def versions(
    dataset: DatasetName,
    *,
    last: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists a data set's published versions, the newest first."""
    from flows.references import check_dataset
    from tasks.store.tags import read_tags
    from tasks.store.versions import newest_versions, read_manifests

    with told(as_json=as_json):
        store = _store()
        check_dataset(store, dataset)
        numbers, more = newest_versions(store, dataset, last)
        tags = read_tags(store, dataset)
        found: list[dict[str, Any]] = [
            {
                "version": manifest.version,
                "created_at": manifest.created_at,
                "reason": manifest.reason,
                "partitions": len(manifest.partitions),
                "rows": sum(entry.total.kept for entry in manifest.partitions.values()),
                "digest": manifest.digest,
                "run_id": manifest.run_id,
                "tags": [tag.name for tag in tags if tag.version == manifest.version],
            }
            for manifest in read_manifests(store, dataset, numbers)
        ]
        if as_json:
            for each in found:
                emit(each)
            return
        _say_versions(found)
        if more:
            say(f"Older ones from version {more:,} on: --last shows more.")
        if not numbers:
            say(f"Nothing was published yet: winnow run {dataset} --partition P")


def _say_versions(found: list[dict[str, Any]]) -> None:
    columns = ["version", "created (UTC)", "reason", "partitions", "rows", "digest"]
    rows = [[*list(each.values())[:5], each["digest"][:16]] for each in found]
    if any(each["tags"] for each in found):
        columns.append("tags")
        rows = [[*row, ", ".join(each["tags"])] for row, each in zip(rows, found, strict=True)]
    table("", columns, rows)


def files(
    reference: Reference,
    *,
    role: Annotated[Role, typer.Option(help="Which files.")] = Role.CLEAN,
    as_json: AsJson = False,
) -> None:
    """Prints the paths of a version's files, which any Parquet reader takes."""
    from flows.references import manifest_of

    with told(as_json=as_json):
        store = _store()
        manifest = manifest_of(store, reference)
        entries = [manifest.partitions[name] for name in sorted(manifest.partitions)]
        found = [
            {
                "path": store.path(f"{manifest.dataset}/{file.path}"),
                "partition": entry.partition,
                "rows": file.rows,
                "size": file.size,
                "sha256": file.sha256,
            }
            for entry in entries
            for file in entry.files
            if file.role is role
        ]
        for each in found:
            emit(each) if as_json else say(str(each["path"]))


def verify(
    reference: Reference,
    *,
    raw: Annotated[
        bool | None,
        typer.Option(
            "--raw/--no-raw",
            help="Read the dumps again, record by record; or leave them alone. "
            "Neither: only see that they are the ones that were cleaned.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Proves from the files alone that a version is whole and that its books balance; exits with 1 if not."""
    from flows.references import named
    from tasks.publish.verify import verify_version

    with told(as_json=as_json):
        # A manifest that can't be read is a finding, so it is not opened before.
        store = _store()
        dataset, version = named(store, reference)
        raw_root = None if raw is False else load_settings().raw_root
        with progress() as show:
            report = verify_version(store, dataset, version, raw_root=raw_root, deep=bool(raw), progress=show)
        emit(report) if as_json else _say_verified(report)
        if not report.ok:
            raise SystemExit(EXIT_STOPPED)


def _say_verified(report: VerifyReport) -> None:
    if report.findings:
        rows = [(finding.kind, finding.path, finding.what) for finding in report.findings]
        table(f"{report.dataset}@{report.version} is NOT what its manifest says", ["finding", "where", "what"], rows)
    else:
        say(f"{report.dataset}@{report.version}: every file, count and record is as its manifest says.")
        if report.reread:
            say(f"{report.reread:,} records were read again, and stand in the raw files where it says.")
        say(f"sha256 of its manifest, which binds all versions before it: {report.manifest_sha256}")
    for note in report.notes[:_NOTES]:
        say(f"note: {note.path}: {note.what}")
    if len(report.notes) > _NOTES:
        say(f"{len(report.notes) - _NOTES:,} more notes; --json has them.")


def explain(
    dataset: Reference,
    record: Annotated[str, typer.Argument(metavar="RECORD_ID", help="sha256 of the file (8 characters do):number.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tells one record's story: its raw bytes, every repair, every reason, its fate, its file and line."""
    from flows.references import manifest_of
    from tasks.report.explain import explain as explained

    with told(as_json=as_json):
        store = _store()
        manifest = manifest_of(store, dataset)
        found = explained(store, manifest, RecordId.parse(record), load_settings().raw_root)
        emit(found) if as_json else _say_explained(found)


def _say_explained(found: Explanation) -> None:
    say(f"{found.dataset}@{found.version}, partition {found.partition}, record {found.record}")
    say(f"sha256 of its file: {found.sha256}")
    say(f"raw ({found.raw_from}):")
    say(f"  {visible(found.raw)}")
    for each in found.deliveries:
        place = f"{visible(each.source)}" + (f", line {each.line}" if each.line is not None else "")
        span = f", bytes {each.offset} to {(each.offset or 0) + (each.length or 0)}" if each.offset is not None else ""
        of = f" of {each.duplicate_of}" if each.duplicate_of else ""
        of += f", in conflict with {each.conflicts_with}" if each.conflicts_with else ""
        of += f" of partition {visible(each.of_partition)}" if each.of_partition else ""
        say(f"{each.fate}{of}: {place}{span}; in {each.file}")
        if each.differing:
            say(f"  differs in {', '.join(each.differing)}")
        for rule, reason in zip(each.rules, each.reasons, strict=True):
            say(f"  {rule}: {visible(reason)}")
        for name, value in (each.values or {}).items():
            say(f"  {name} = {visible('missing' if value is None else value)}")
    for repair in found.repairs:
        why = f" ({repair.reason})" if repair.reason else ""
        before, after = visible(repair.before), visible("missing" if repair.after is None else repair.after)
        say(f"repair: {repair.column} by {repair.step}{why}: {before} -> {after}")
    _say_verdicts(found)


def _say_verdicts(found: Explanation) -> None:
    for each in found.verdicts:
        say(
            f"before the replay of {each.replayed_at}: {each.fate} for {', '.join(each.rules)}, "
            f"under the contract {each.contract[:12]}, in version {each.version} of {each.published_at}"
        )


def quarantine(
    reference: Reference,
    *,
    rule: Annotated[str | None, typer.Option(help="Only records that broke this rule.")] = None,
    partition: Annotated[str | None, typer.Option(help="Only of this partition.")] = None,
    limit: Annotated[int, typer.Option(help="How many records at most.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists quarantined and rejected records with every reason and their raw text."""
    from flows.references import manifest_of
    from tasks.report.quarantine import set_aside

    with told(as_json=as_json):
        store = _store()
        found = set_aside(store, manifest_of(store, reference), rule=rule, partition=partition, limit=limit)
        for each in found.records:
            if as_json:
                emit(each)
                continue
            say(f"{each.record}  {each.partition}  {visible(each.source)}, line {each.line}")
            for name, reason in zip(each.rules, each.reasons, strict=True):
                say(f"    {name}: {visible(reason)}")
            say(f"    {visible(each.raw)[:200]}")
        if not as_json:
            say(f"{min(limit, found.total):,} of {found.total:,} records; --limit shows more.")


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_datasets,
    "show": show,
    "versions": versions,
    "files": files,
    "verify": verify,
    "explain": explain,
    "quarantine": quarantine,
}
