"""References: what a person types to name a version, `flights` or `flights@12`.

Belongs here: from the text to the manifest. Does not belong here: what is done with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.settings import load_settings
from schemas import registry
from schemas.errors import UsageError, shown
from tasks.store.versions import newest_version, open_version

if TYPE_CHECKING:
    from schemas.records import Manifest
    from tasks.store.home import Store

#: Digits of a version's number, as in the names of manifests.
_DIGITS = 12


def check_dataset(store: Store, dataset: str) -> None:
    """Sees that there is such a data set; one that is no longer declared counts while the store has versions of it.

    Raises:
        DatasetNotFoundError: there is none; the message has the nearest name.
    """
    folders = load_settings().folders
    if not (dataset in registry.find(folders) or (dataset.isidentifier() and newest_version(store, dataset))):
        registry.locate(dataset, folders)


def named(store: Store, reference: str) -> tuple[str, int | None]:
    """The data set, and the version if one is named.

    Raises:
        UsageError: N is no number.
        DatasetNotFoundError: there is no such data set.
    """
    dataset, at, number = reference.partition("@")
    if at and not (number.isascii() and number.isdigit() and len(number) <= _DIGITS):
        raise UsageError(f"{shown(number)} is no version", expected="DATASET or DATASET@N", where=shown(reference))
    check_dataset(store, dataset)
    return dataset, int(number) if at else None


def manifest_of(store: Store, reference: str) -> Manifest:
    """The manifest that `DATASET` (its newest version) or `DATASET@N` names.

    Raises:
        UsageError: N is no number.
        DatasetNotFoundError: there is no such data set.
        VersionNotFoundError: the data set has no version, or not that one.
    """
    return open_version(store, *named(store, reference)).manifest
