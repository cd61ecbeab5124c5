"""Rebuild: a published version cleaned again, to show that its digest follows from the dumps and the contract.

Belongs here: laying out the raw files as they were, and the order of the stages. Does not belong here: what a stage
does (tasks), what a difference means (tasks/publish/rebuilt), or publishing: nothing of the store changes.

A partition at a time is cleaned in a folder for temporary files, from links to the dump's files where they are as they
were, or from copies out of the archive or a bucket. Gates are not asked: they say whether to publish, not what.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from schemas import registry
from schemas.errors import DeclarationError, DumpChangedError, StoreError, WinnowError, shown
from schemas.records import PartitionEntry
from tasks.dedupe.stage import settle
from tasks.erasure.journal import take_along
from tasks.ingest.listing import is_url
from tasks.ingest.stage import stage_partition
from tasks.job import Job
from tasks.publish.contract import as_installed, contract_fingerprint, contract_of, fingerprint_of
from tasks.publish.digest import version_digest
from tasks.publish.originals import original
from tasks.publish.rebuilt import ContractChange, Rebuilt, RebuiltPartition, compared, contract_change
from tasks.publish.reconcile import Held
from tasks.publish.stage import entry_of
from tasks.store.contracts import read_contract
from tasks.store.faults import translated
from tasks.store.reviews import take_reviews

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from schemas.records import Manifest
    from tasks.publish.originals import Original
    from tasks.store.home import Store

    #: Called with what is worked on and the share of it that is done, from 0 to 1.
    Progress = Callable[[str, float], None]


def rebuild(
    store: Store,
    manifest: Manifest,
    *,
    declaration: Path | None,
    raw_root: str,
    partitions: Sequence[str] | None = None,
    progress: Progress = lambda _what, _share: None,
) -> Rebuilt:
    """Cleans the partitions of a version again.

    Args:
        store: holds the version, and the archive.
        manifest: of the version.
        declaration: the file that declares the data set today. None takes, for each partition, the one under which it
            was published, as the store kept it: its code runs, if it has the fingerprint that the manifest names.
        raw_root: where its dumps lie.
        partitions: which of them; None is all. The others count as they were published.
        progress: shown to whoever waits.

    Raises:
        DeclarationError: the declaration is wrong.
    """
    if declaration:
        registry.load_file(declaration)
    wanted = sorted(manifest.partitions if partitions is None else partitions)
    verdicts: list[RebuiltPartition] = []
    again = dict(manifest.partitions)
    for name in wanted:
        published = manifest.partitions[name]
        try:
            again[name] = _cleaned(store, manifest, published, declaration, raw_root, progress)
            verdicts.append(compared(published, again[name]))
        except WinnowError as error:
            verdicts.append(
                RebuiltPartition(name, published.contract, same=False, same_files=False, trouble=str(error))
            )
    whole = all(verdict.trouble is None for verdict in verdicts)
    return Rebuilt(
        dataset=manifest.dataset,
        version=manifest.version,
        digest=manifest.digest,
        rebuilt_digest=version_digest(manifest.dataset, dict(sorted(again.items()))) if whole else None,
        partitions=tuple(verdicts),
        of=len(manifest.partitions),
        changes=tuple(_changes(store, manifest.dataset, verdicts, declaration)),
    )


def _cleaned(
    store: Store,
    manifest: Manifest,
    published: PartitionEntry,
    declaration: Path | None,
    raw_root: str,
    progress: Progress,
) -> PartitionEntry:
    """The entry of a partition, cleaned again in a store of its own, held against the others as they were published."""
    dataset = manifest.dataset
    with tempfile.TemporaryDirectory(prefix="winnow-rebuild-") as folder:
        if declaration is None:
            declaration = _kept_declaration(store, dataset, published.contract, Path(folder))
        job = Job(
            dataset=dataset,
            partition=published.partition,
            declaration=str(declaration),
            raw_root=f"{folder}/raw",
            store_root=f"{folder}/store",
            run_id="rebuild",
            reason="rebuild",
        )
        for raw in published.inputs:
            with original(store, dataset, raw_root, raw) as found:
                if found.stream is None:
                    raise DumpChangedError(found.trouble, where=shown(raw.path))
                dump = None if is_url(raw_root) else Path(raw_root, raw.path)
                _lay_out(found, _place(job.raw_root, raw.path), dump)
        scratch, declared = job.open_store(), job.load()
        take_along(store, scratch, dataset)
        take_reviews(store, scratch, dataset, published.reviews)
        name = f"{dataset} {published.partition}"
        staged = stage_partition(job, scratch, declared, progress=lambda share: progress(name, share))
        held = Held(store, dataset, manifest.partitions, writes=False)
        return entry_of(job, scratch, staged, settle(job, scratch, declared, staged, held=held))


def _kept_declaration(store: Store, dataset: str, contract: str, folder: Path) -> Path:
    """The declaration under which something was published, as a file.

    Raises:
        DeclarationError: with the code and the libraries that are installed it means something else, or it was changed.
    """
    place = folder / f"{dataset}.py"
    place.write_text(read_contract(store, dataset, contract).declaration, encoding="utf-8")
    if (found := contract_fingerprint(place)) != contract:
        raise DeclarationError(
            f"with what is installed, its declaration has the contract fingerprint {found}",
            expected=contract,
            where=dataset,
            fix="Install the version of Winnow, polars and pandera that it was published with.",
        )
    return place


def _place(root: str, path: str) -> Path:
    parts = PurePosixPath(path)
    # A manifest that was changed by hand may name any place of this machine.
    if parts.is_absolute() or ".." in parts.parts or "\0" in path:
        raise StoreError(f"{shown(path)} is no path of a raw file", expected="one below the raw root")
    return Path(root, path)


def _lay_out(found: Original, place: Path, dump: Path | None) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if found.place == "dump" and dump:
        place.symlink_to(dump)
    elif found.stream:
        with translated("write", str(place)), place.open("wb") as copy:
            shutil.copyfileobj(found.stream, copy, 1 << 20)


def _changes(
    store: Store, dataset: str, verdicts: Sequence[RebuiltPartition], declaration: Path | None
) -> Iterator[ContractChange]:
    """What changed since each contract that is not today's."""
    now = contract_of(registry.load_file(declaration), declaration) if declaration else None
    contracts: dict[str, list[str]] = {}
    for verdict in verdicts:
        contracts.setdefault(verdict.contract, []).append(verdict.partition)
    for contract, names in contracts.items():
        if now and fingerprint_of(now) == contract:
            continue
        try:
            before = read_contract(store, dataset, contract)
        except StoreError as error:
            yield ContractChange(contract, tuple(names), trouble=str(error))
            continue
        today = now or as_installed(before)
        if fingerprint_of(today) != contract:
            yield contract_change(contract, tuple(names), before, today)
