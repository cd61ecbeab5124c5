"""References: what a person types to name a version, `flights` or `flights@12`.

Belongs here: from the text to the manifest. Does not belong here: what is done with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import UsageError, shown
from tasks.store.versions import open_version

if TYPE_CHECKING:
    from schemas.records import Manifest
    from tasks.store.home import Store


def parsed(reference: str) -> tuple[str, int | None]:
    """The data set, and the version if one is named.

    Raises:
        UsageError: N is no number.

    Example:
        >>> parsed("flights@12"), parsed("flights")
        (('flights', 12), ('flights', None))
    """
    dataset, at, number = reference.partition("@")
    if not at:
        return dataset, None
    if not (number.isascii() and number.isdigit()):
        raise UsageError(f"{shown(number)} is no version", expected="DATASET or DATASET@N", where=shown(reference))
    return dataset, int(number)


def manifest_of(store: Store, reference: str) -> Manifest:
    """The manifest that `DATASET` (its newest version) or `DATASET@N` names.

    Raises:
        UsageError: N is no number.
        VersionNotFoundError: the data set has no version, or not that one.
    """
    return open_version(store, *parsed(reference)).manifest
