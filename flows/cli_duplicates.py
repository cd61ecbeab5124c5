"""Command `duplicates`: the clusters of a version, their records side by side.

Belongs here: its options and how a cluster is printed. Does not belong here: reading them (tasks/report/duplicates).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_inspect import AsJson, Reference
from flows.console import emit, say, table, told, visible
from flows.settings import load_settings
from schemas.errors import DatasetNotFoundError, DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.records import Manifest
    from tasks.report.duplicates import Cluster, Member

#: Records that stand beside each other, and characters of a cell that are shown.
_BESIDE, _SHOWN = 3, 32


def duplicates(
    reference: Reference,
    *,
    cluster: Annotated[str | None, typer.Option(help="Only this cluster.")] = None,
    partition: Annotated[str | None, typer.Option(help="Only clusters with a duplicate in it.")] = None,
    limit: Annotated[int, typer.Option(help="How many clusters at most.", min=1)] = 10,
    members: Annotated[int, typer.Option(help="How many duplicates of each at most.", min=1)] = 10,
    personal: Annotated[bool, typer.Option("--personal", help="Show the values of personal columns, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Shows which records are the same one: the survivor, and beside it those that gave way to it."""
    from flows.references import manifest_of
    from tasks.report.duplicates import clusters
    from tasks.store.local import open_store

    with told(as_json=as_json):
        store = open_store(load_settings().store_root)
        manifest = manifest_of(store, reference)
        hidden: frozenset[str] | None = frozenset() if personal else _personal(manifest)
        found = clusters(
            store, manifest, cluster=cluster, partition=partition, limit=limit, members=members, hidden=hidden
        )
        for each in found.clusters:
            emit(each) if as_json else _say_cluster(each)
        if not as_json:
            say(f"{len(found.clusters):,} of {found.total:,} clusters; --limit and --members show more.")


def _personal(manifest: Manifest) -> frozenset[str] | None:
    """Columns that are declared to be personal; None, which is all of them, where no declaration tells."""
    from flows.cards import card_of

    with contextlib.suppress(DatasetNotFoundError, DeclarationError):
        return frozenset(card_of(manifest.dataset, load_settings().folders).personal)
    return None


def _say_cluster(cluster: Cluster) -> None:
    say(f"cluster {cluster.cluster}, {cluster.records:,} records")
    first, others = cluster.members[0], cluster.members[1:]
    for start in range(0, max(1, len(others)), _BESIDE):
        beside = [first, *others[start : start + _BESIDE]]
        names = list(dict.fromkeys(name for each in beside for name in each.cells))
        rows = [
            ["partition", *(each.partition for each in beside)],
            ["fate", *(_fate(each) for each in beside)],
            *([name, *(_cell(each, name) for each in beside)] for name in names),
        ]
        table("", ["record", *(each.record for each in beside)], rows)
    say()


def _fate(member: Member) -> str:
    return f"{member.fate} ({', '.join(member.rules)})" if member.rules else member.fate


def _cell(member: Member, name: str) -> str:
    value = member.cells.get(name)
    text = visible("missing" if value is None else value)
    text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return f"* {text}" if name in member.differing else text


COMMANDS: dict[str, Callable[..., None]] = {"duplicates": duplicates}
