"""Erasure as a stage: a person's records leave every version, whenever the program is killed.

Belongs here: the order of the steps. Does not belong here: how any of them is done.

1. The journal says, as hashes, who is erased: from now on no cleaning that begins lets the person in.
2. Files without the person are written beside the old ones, and the journal lists both.
3. A version of its own is published, with the newest one's partitions. A run that was cleaning meanwhile, and did not
   know of the erasure, is refused when it wants to publish after that (tasks/publish/commit).
4. The manifests of the older versions are replaced one by one; each is whole before and after.
5. When another look at all versions finds nothing, the old files are deleted, and what reports and killed runs hold.
6. Every object is searched. Only if nothing is found there is a receipt.

All of it is found out anew by one who asks again; what a killed run did is found done. Meanwhile no version is retired,
tagged or rolled back to, and no file swept (tasks/store/upkeep).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.errors import ErasureIncompleteError, LeaseHeldError, shown
from schemas.moments import as_text
from tasks.erasure import journal, leftovers
from tasks.erasure.copies import blank_dump, erased_spans
from tasks.erasure.finding import Finding, may_hold, subject_of
from tasks.erasure.journal import Erasure, Replacement, StoredObject
from tasks.erasure.marks import hashed, probes, quick_hashes
from tasks.erasure.outside import exported
from tasks.erasure.receipt import Receipt, Swept, signed
from tasks.erasure.rewrite import rewritten
from tasks.erasure.search import Cleaning, Cleanings, cleanings
from tasks.erasure.sweep import left_over
from tasks.publish.commit import commit
from tasks.publish.digest import version_digest
from tasks.store.documents import decoded, encoded
from tasks.store.paths import (
    archive_prefix,
    erasure_key,
    file_key,
    index_prefix,
    receipt_key,
    receipt_prefix,
    version_key,
)
from tasks.store.upkeep import check_upkeep, upkeep
from tasks.store.versions import head, list_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from schemas.dataset import Dataset
    from schemas.records import Manifest, PartitionEntry
    from tasks.erasure.condition import Condition
    from tasks.store.home import Store

_AN_HOUR = dt.timedelta(hours=1)
#: Objects that an error names.
_NAMED = 5


def erase(
    store: Store,
    dataset: Dataset,
    condition: Condition,
    *,
    asked_by: str,
    run_id: str,
    key: Ed25519PrivateKey,
    raw_root: str | None = None,
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> Receipt:
    """Erases a person from a data set; run again after a kill, it finishes.

    Args:
        store: where the data set lies.
        dataset: the data set.
        condition: whose records.
        asked_by: for the receipt.
        run_id: of this run.
        key: signs the receipt.
        raw_root: where its dumps lie.
        clock: tells the time.

    Raises:
        UsageError: the condition can't be meant.
        ErasureIncompleteError: something of the person is left in an object that is no record.
        LeaseHeldError: versions are being retired, tagged or rolled back to, or another erasure is under way.
        LeaseLostError: the run slept too long, and another one may be at it.
        StoreError: the store can't be read or written.
    """
    subject_of(dataset, condition)  # what can't be meant does not even take a lease
    with upkeep(store, dataset.name, run_id):
        erasing = _Erasing(store, dataset, condition, asked_by, run_id, raw_root, clock)
        while erasing.advance():
            pass
        erasing.clean_up()
        erasing.blank_dumps()
        return erasing.finish(key)


class _Erasing:
    """One erasure, under way."""

    def __init__(
        self,
        store: Store,
        dataset: Dataset,
        condition: Condition,
        asked_by: str,
        run_id: str,
        raw_root: str | None,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self.store, self.name, self.run_id, self.clock = store, dataset.name, run_id, clock
        self.raw_root, self.dumps = raw_root, dataset.source.erase_raw
        #: Path of each dump that was to be blanked -> why it was not, if it was not.
        self.left_dumps: dict[str, str] = {}
        self.finding = Finding(store, dataset, condition)
        column, values = self.finding.subject.column, self.finding.subject.values
        salt = journal.salt_of(store, self.name)
        erasure = journal.erasure_id(salt, column, values)
        self.journal = journal.read_erasure(store, self.name, erasure) or Erasure(
            id=erasure,
            column=column,
            hashes=tuple(sorted(hashed(salt, column, value) for value in values)),
            quick=tuple(quick_hashes(salt, pl.Series(values, dtype=pl.String))),
            probes=probes(salt),
            state="begun",
            asked_at=as_text(clock()),
            asked_by=asked_by,
        )

    def advance(self) -> bool:
        """Looks at all versions and rewrites those that hold the person; says whether it must look once more."""
        found = cleanings(self.store, self.name)
        own = self.finding.own(found)
        erased = own | self.finding.mentioning(found) | _placed(self.journal.places)
        self._note(places=_places(erased), state="begun")
        made = {key: self._rewritten(key, found, erased) for key in found.entries}
        new = {key: entry for key, entry in made.items() if entry is not None}
        newest = head(self.store, self.name)
        published = newest is not None and self.journal.id in newest.erasures
        if not new and (published or newest is None):
            return False
        manifests = [each for each in (self._replaced(manifest, new) for manifest in found.manifests) if each]
        changed = {version_key(self.name, each.version): encoded(each) for each in manifests}
        self._note_changed(changed)
        replaced = {self.store.sha256(key): hashlib.sha256(data).hexdigest() for key, data in changed.items()}
        known = {pair for manifest in found.manifests for pair in manifest.replaced.items()}
        # The newest version is never only replaced: a commit that read it before would bring back what was in it.
        if newest and (not published or not replaced.items() <= known):
            self._publish(newest, new, replaced)
        for key, data in changed.items():
            # What comes back in the place of a version that was retired meanwhile would be no version's.
            check_upkeep(self.store, self.name, self.run_id)
            self.store.replace(key, data)
        return True

    def _rewritten(self, key: Cleaning, found: Cleanings, erased: set[tuple[str, int]]) -> PartitionEntry | None:
        entry = found.entries[key]
        if not may_hold(entry, erased):
            return None
        versions = found.versions[key]
        made = rewritten(self.store, self.name, entry, erased, versions, self.raw_root, dumps=self.dumps)
        if made is None:
            return None
        others = [each for each in self.journal.replacements if (each.partition, each.cleaning) != key]
        same = next((each for each in self.journal.replacements if (each.partition, each.cleaning) == key), made[1])
        versions = tuple(sorted({*same.versions, *made[1].versions}))
        self._note(replacements=(*others, msgspec.structs.replace(made[1], versions=versions)))
        return made[0]

    def _replaced(self, manifest: Manifest, new: dict[Cleaning, PartitionEntry]) -> Manifest | None:
        partitions = _mapped(manifest.partitions, new)
        if partitions == manifest.partitions:
            return None
        return msgspec.structs.replace(
            manifest,
            partitions=partitions,
            digest=version_digest(self.name, partitions),
            # They were computed from the person's records, too.
            audits=(),
            erasures=tuple(sorted({*manifest.erasures, self.journal.id})),
        )

    def _publish(self, newest: Manifest, new: dict[Cleaning, PartitionEntry], replaced: dict[str, str]) -> None:
        commit(
            self.store,
            self.name,
            # What the person's records took from other partitions is given back with it.
            change=lambda partitions: _mapped(partitions, new),
            keeps_up=True,
            reason="erasure",
            run_id=self.run_id,
            contract=newest.contract,
            now=self.clock(),
            erased=[self.journal.id],
            replaced=replaced,
        )

    def clean_up(self) -> None:
        """Removes what no version needs any more, and what reports and killed runs hold of the person."""
        found = cleanings(self.store, self.name)
        entries = found.entries.values()
        needed = {file_key(self.name, file.path) for entry in entries for file in entry.files}
        needed |= {file_key(self.name, file.path) for manifest in found.manifests for file in manifest.audits}
        needed |= {file_key(self.name, raw.archive) for entry in entries for raw in entry.inputs if raw.archive}
        copies = set(self.store.list(archive_prefix(self.name))) - needed
        held = {raw.sha256 for entry in entries for raw in entry.inputs if raw.sha256 in self.journal.places}
        copies = {key for key in copies if key.rpartition("/")[2].partition(".")[0] in held}
        finding = self.finding
        reports = dict(leftovers.reports(self.store, self.name, finding.needles, _placed(self.journal.places)))
        unnamed = list(leftovers.unnamed(self.store, self.name, needed, finding.subject, finding.needles, finding.plan))
        self._note_changed({**reports, **dict.fromkeys([*unnamed, *sorted(copies)])})
        for key, data in reports.items():
            self.store.replace(key, data)
        # It holds hashes of keys, and is made anew by the next run that needs it.
        for key in self.store.list(index_prefix(self.name)):
            self.store.delete(key)
        old = {file_key(self.name, file.path) for each in self.journal.replacements for file in each.before}
        check_upkeep(self.store, self.name, self.run_id)
        for key in sorted((old | set(unnamed) | copies) - needed):
            self.store.delete(key)
        for key in leftovers.failures(self.store, self.name, finding.needles):
            self.store.delete(key)
        for partition in leftovers.partitions(self.store, self.name):
            with contextlib.suppress(LeaseHeldError):  # a run that is under way clears its own
                leftovers.clear_staging(self.store, self.name, partition, self.run_id)
        # No lease tells who is writing a copy of a raw file, but none is written for so long.
        self.store.clear_unfinished(f"{self.name}/", older_than=_AN_HOUR)

    def blank_dumps(self) -> None:
        """Blanks the records in the dumps, where the declaration says so."""
        if not self.dumps or self.raw_root is None:
            return
        for entry in cleanings(self.store, self.name).entries.values():
            spans = erased_spans(self.store, self.name, entry.files)
            for raw in entry.inputs:
                if raw.path in spans and raw.path not in self.left_dumps:
                    told = blank_dump(self.raw_root, raw, spans[raw.path])
                    self.left_dumps[raw.path] = told

    def finish(self, key: Ed25519PrivateKey) -> Receipt:
        """Searches every object, and signs that nothing was found."""
        finding, keys = self.finding, self.store.list(f"{self.name}/")
        left = list(left_over(self.store, self.name, finding.subject, finding.needles, finding.plan))
        if left:
            more = f" and {len(left) - _NAMED:,} more" if len(left) > _NAMED else ""
            raise ErasureIncompleteError(
                f"something of the person is left in {', '.join(map(shown, left[:_NAMED]))}{more}",
                where=self.name,
                fix="The records are erased. If a run is under way, wait for its end; see to these objects, then run "
                "the same command again for the receipt.",
            )
        receipt = signed(self._receipt(Swept(len(keys), bool(finding.needles))), key)
        data = encoded(receipt)
        self.store.replace(receipt_key(self.name, self.journal.id, receipt.version), data)
        self._note(state="done")
        return receipt

    def _receipt(self, swept: Swept) -> Receipt:
        told, found = self.journal, cleanings(self.store, self.name)
        fates = sum((Counter(each.fates) for each in told.replacements), Counter[str]())
        files = {side: _files(self.name, told.replacements, side) for side in ("before", "after")}
        replaced = {int(each.key.rpartition("/")[2][:12]) for each in told.after if "/_versions/" in each.key}
        return Receipt(
            dataset=self.name,
            erasure=told.id,
            column=told.column,
            hashes=told.hashes,
            asked_at=told.asked_at,
            asked_by=told.asked_by,
            finished_at=as_text(self.clock()),
            version=max(list_versions(self.store, self.name), default=0),
            versions_changed=tuple(sorted(replaced)),
            records=len(_placed(told.places)),
            fates=dict(sorted(fates.items())),
            before=(*files["before"], *told.before),
            after=(*files["after"], *told.after),
            swept=swept,
            outside=tuple(self._outside(found)),
        )

    def _outside(self, found: Cleanings) -> Iterator[str]:
        """What is not in the store."""
        counts = Counter(file for file, _ in _placed(self.journal.places))
        paths = {raw.path: counts[raw.sha256] for entry in found.entries.values() for raw in entry.inputs}
        for path, records in sorted(paths.items()):
            why = self.left_dumps.get(path, "the declaration does not say that dumps are erased")
            if records and why:
                yield f"raw dump {shown(path)}, {records:,} records: {why}"
        held = {version for each in self.journal.replacements for version in each.versions}
        now = {manifest.version: manifest.digest for manifest in found.manifests}
        yield from exported(self.store, self.name, held, now)
        yield "artifacts of past runs in Prefect's database, which may show cells of quarantined records"

    def _note(self, **said: object) -> None:
        """Writes down how far it is, if that is new."""
        told = msgspec.structs.replace(self.journal, **said)
        if told != self.journal or not self.store.exists(erasure_key(self.name, told.id)):
            journal.write_erasure(self.store, self.name, told)
            self.journal = told

    def _note_changed(self, changed: Mapping[str, bytes | None]) -> None:
        """Writes down which objects are about to be replaced or deleted; what was there first stays written."""
        before = {each.key: each for each in self.journal.before}
        after = {each.key: each for each in self.journal.after}
        for key, data in changed.items():
            before.setdefault(key, StoredObject(key, self.store.sha256(key)))
            if data is not None:
                after[key] = StoredObject(key, hashlib.sha256(data).hexdigest())
        self._note(before=tuple(before.values()), after=tuple(after.values()))


def receipts(store: Store, dataset: str) -> tuple[Receipt, ...]:
    """All receipts of a data set, by erasure and version.

    Raises:
        StoreError: they can't be read.
    """
    keys = store.list(receipt_prefix(dataset))
    return tuple(decoded(store.read(key), Receipt, what="the receipt of an erasure", key=key) for key in keys)


def _mapped(partitions: dict[str, PartitionEntry], new: dict[Cleaning, PartitionEntry]) -> dict[str, PartitionEntry]:
    return {name: new.get((name, entry.cleaning), entry) for name, entry in partitions.items()}


def _places(erased: set[tuple[str, int]]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for file, record in sorted(erased):
        found[file] = (*found.get(file, ()), record)
    return found


def _placed(places: dict[str, tuple[int, ...]]) -> set[tuple[str, int]]:
    return {(file, record) for file, records in places.items() for record in records}


def _files(dataset: str, replacements: Iterable[Replacement], side: str) -> tuple[StoredObject, ...]:
    found = {
        file.path: StoredObject(file_key(dataset, file.path), file.sha256)
        for each in replacements
        for file in getattr(each, side)
    }
    return tuple(found[path] for path in sorted(found))
