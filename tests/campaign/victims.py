"""Victims: the commands that the campaign of kills ends at moments that nobody chose.

Belongs here: what each one runs, on what, and what must be there when it was let to its end. Does not belong here: when
and how often they are killed (kills), or what is asked of a store after any of them (aftermath).

To add one, describe it: what is run undisturbed before it (`before`), its arguments (`command`: those of `winnow`, or
`clean` and jobs), and, where the digests of the newest versions are not all that it is about, what must be the same in
the end (`outcome`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tasks.erasure.stage import receipts
from tasks.publish.verify import verify_version
from tasks.store.local import open_store
from tasks.store.versions import head, list_versions, read_manifest

ROOT = Path(__file__).parents[2]
DATASETS = ("sales", "returns")
PARTITIONS = ("2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04")

_DECLARATION = '''"""{title}: for the kills."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Retention, Source, steps


class {title}(pa.DataFrameModel):
    id: int = pa.Field(ge=0, metadata={{"subject": True}})
    shop: str = pa.Field(isin=["north", "south"])


DATASET = Dataset(
    model={title},
    source=Source("{name}/{{partition}}/*"),
    steps=[steps.lowercase("shop")],
    dedupe=Dedupe(key=["id"]),
    retention=Retention(keep_versions=1),
)
'''


@dataclass(frozen=True)
class Place:
    """Where a victim works.

    Attributes:
        raw: the raw root, a folder or a URL.
        store: the store's root, a folder or a URL; of this trial only.
        folder: holds the declarations.
        environment: what the commands are told beside these.
    """

    raw: str
    store: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the commands."""
        told = {"WINNOW_RAW": self.raw, "WINNOW_STORE": self.store, "WINNOW_DATASETS": str(self.folder)}
        told["WINNOW_SIGNING_KEY"] = str(self.folder.parent / "signing-key.pem")
        return self.environment | told


@dataclass(frozen=True)
class Victim:
    """A command that is killed.

    Attributes:
        name: what it is called on the command line of the campaign.
        command: its arguments: those of `winnow`, or `clean` and jobs as `dataset@partition`.
        before: commands that are run to their end before it, each with changes of declarations: old text -> new.
        outcome: what must be the same after it was killed and run again as after an undisturbed run.
        idle: whether files may be there in the end that no version names.
    """

    name: str
    command: tuple[str, ...]
    before: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = ()
    outcome: Callable[[Place], object] = lambda place: digests(place)
    idle: bool = False


def digests(place: Place) -> dict[str, str | None]:
    """The digest of each data set's newest version."""
    store = open_store(place.store)
    found = {dataset: head(store, dataset) for dataset in DATASETS}
    return {dataset: manifest.digest if manifest else None for dataset, manifest in found.items()}


def versions(place: Place) -> dict[str, tuple[int, ...]]:
    """The versions that are left, each of which is whole."""
    store = open_store(place.store)
    found = {dataset: list_versions(store, dataset) for dataset in DATASETS}
    for dataset, numbers in found.items():
        for number in numbers:
            report = verify_version(store, dataset, number)
            if report.findings or report.notes:
                raise RuntimeError(f"{dataset}@{number}: {(*report.findings, *report.notes)[0]}")
    return found


def erased(place: Place) -> dict[str, tuple[str, int, bool]]:
    """Each different content of versions that records were to leave: how many did, and whether there is a receipt."""
    store = open_store(place.store)
    # An erasure that is asked for again may publish a version more, with the partitions of the first.
    manifests = [read_manifest(store, "sales", number) for number in list_versions(store, "sales")]
    receipted = bool(receipts(store, "sales"))
    partitions = [(each.digest, each.partitions.values()) for each in manifests]
    return {digest: (digest, sum(entry.total.erased for entry in found), receipted) for digest, found in partitions}


def cleaning(dataset: str, *partitions: str) -> tuple[str, ...]:
    """Jobs: these partitions, one after another."""
    return tuple(f"{dataset}@{partition}" for partition in partitions)


_FIRST_TWO = ("clean", *cleaning("sales", *PARTITIONS[:2]))
_EDITED = {'steps=[steps.lowercase("shop")],': ""}

VICTIMS = {
    victim.name: victim
    for victim in (
        Victim("nightly", ("clean", *(job for name in DATASETS for job in cleaning(name, PARTITIONS[-1])))),
        Victim("backfill", ("clean", *cleaning("sales", *PARTITIONS))),
        # Partitions that were published, under a declaration that is edited afterwards.
        Victim("again", _FIRST_TWO, before=((_FIRST_TWO, _EDITED),)),
        # Four versions, of which the newest is kept.
        Victim("gc", ("gc", "sales"), before=((_FIRST_TWO, _EDITED), (_FIRST_TWO, {})), outcome=versions),
        # Records that two versions and every fate hold.
        Victim("erase", ("erase", "sales", "--where", "id = 4"), before=((_FIRST_TWO, {}),), outcome=erased),
    )
}


def furnish(folder: Path) -> None:
    """Writes declarations below `declared` and dumps with records of every fate below `raw`."""
    (folder / "declared").mkdir(parents=True)
    for dataset in DATASETS:
        text = _DECLARATION.format(title=dataset.capitalize(), name=dataset)
        (folder / "declared" / f"{dataset}.py").write_text(text, encoding="utf-8")
        for number, partition in enumerate(PARTITIONS):
            dump = folder / "raw" / dataset / partition
            dump.mkdir(parents=True)
            odd = b"id,shop\n1,north\n2,SOUTH\n3,east\nbroken\n"
            rows = (b"%d,%s\n" % (n, (b"north", b"South", b"moon")[n * 7 % 10 % 3]) for n in range(20_000 + number))
            (dump / "one.csv").write_bytes(odd + b"".join(rows))
            for name in ("two.csv", "two_again.csv"):
                (dump / name).write_bytes(b"id,shop\n1,north\n4,south\n")
