"""Leftovers: what else the store holds of records, beside the files that versions name.

Belongs here: reports that show a record, data files that a killed run left, and what is staged. Does not belong here:
the files of versions (rewrite), or the order in which all of it goes (stage).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from schemas.records import Role
from tasks.erasure.search import belonging, mentioning
from tasks.store.lease import lease
from tasks.store.paths import data_prefix, failure_prefix, lease_prefix, report_prefix, staging_root, unquote
from tasks.store.scan import scan
from tasks.store.staging import staging
from tasks.store.upkeep import UPKEEP
from tasks.store.versions import list_versions, read_manifest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tasks.erasure.marks import Marks
    from tasks.erasure.needles import Needles
    from tasks.normalise.plan import NormalisePlan
    from tasks.store.home import Store

#: A line of a report that shows a record; see tasks/report/templates/summary.md.jinja.
_EXAMPLE = re.compile(r"- `([0-9a-f]+):([0-9]+)` .*")


def reports(
    store: Store, dataset: str, needles: Needles, erased: Collection[tuple[str, int]]
) -> Iterator[tuple[str, bytes]]:
    """Reports that show an erased record or mention the person, each with what it is without that."""
    ids = {f"{file[:16]}:{record}" for file, record in erased}
    for key in store.list(report_prefix(dataset)):
        text = store.read(key).decode("utf-8", "replace")
        lines = [_without(line, ids, needles) for line in text.split("\n")]
        if (cleaned := "\n".join(lines)) != text:
            yield key, cleaned.encode()


def _without(line: str, ids: Collection[str], needles: Needles) -> str:
    found = _EXAMPLE.fullmatch(line)
    if found and f"{found[1][:16]}:{found[2]}" in ids:
        return f"- `{found[1]}:{found[2]}` erased"
    return "(erased)" if needles.in_text(line) else line


def failures(store: Store, dataset: str, needles: Needles) -> Iterator[str]:
    """Records of failed cleanings whose message mentions the person, as one about a dump without a header may."""
    for key in store.list(failure_prefix(dataset)):
        if needles.in_bytes(store.read(key)):
            yield key


def unnamed(
    store: Store, dataset: str, named: Collection[str], marks: Marks, needles: Needles, plan: NormalisePlan
) -> Iterator[str]:
    """Data files of no version that hold the person.

    A killed run left them, or one that will not be let publish, because it did not know of the erasure.
    """
    for role in Role:
        for key in store.list(data_prefix(dataset, role)):
            if key not in named and _holds(role, scan(store, [key]), marks, needles, plan):
                yield key


def _holds(role: Role, rows: pl.LazyFrame, marks: Marks, needles: Needles, plan: NormalisePlan) -> bool:
    if role is Role.AUDIT:  # its rows need not be about single records
        hits = rows.filter(needles.in_everything(rows.collect_schema())).select(pl.len())
        return bool(hits.collect(engine="streaming").item())
    return bool(belonging({role: rows}, marks, plan) or mentioning({role: rows}, needles))


def partitions(store: Store, dataset: str) -> tuple[str, ...]:
    """Every partition that was ever cleaned here, as far as the store can tell."""
    found = {
        name for version in list_versions(store, dataset) for name in read_manifest(store, dataset, version).partitions
    }
    for prefix in (lease_prefix(dataset), staging_root(dataset)):
        parts = (key.removeprefix(prefix).partition("/")[0] for key in store.list(prefix))
        found.update(unquote(part.removesuffix(".lock")) for part in parts)
    return tuple(sorted(found - {UPKEEP}))


def clear_staging(store: Store, dataset: str, partition: str, run_id: str) -> None:
    """Removes what a killed run staged, and what it had not finished writing.

    Raises:
        LeaseHeldError: a run is under way.
    """
    with lease(store, dataset, partition, run_id), staging(store, dataset, partition):
        pass
