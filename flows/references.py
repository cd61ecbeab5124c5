"""References: what a person types to name a version: `flights`, `flights@12`, `flights@paper`, `flights@2026-10-01`.

Belongs here: from the text to the version and its manifest. Does not belong here: what is done with it.

What follows the `@` is a number, a moment or a tag, and can be only one of them: a number has digits alone, a moment
begins with a year and a dash, and a tag with a letter.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from flows.settings import load_settings
from schemas import registry
from schemas.errors import UsageError, shown
from tasks.store.tags import read_tag
from tasks.store.versions import newest_version, open_version, version_as_of

if TYPE_CHECKING:
    from schemas.records import Manifest
    from tasks.store.home import Store

#: As many digits as the names of manifests have.
_NUMBER = re.compile(r"[0-9]{1,12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-.*")
_TAG = re.compile(r"[A-Za-z].*")
_EXPECTED = "DATASET, DATASET@12, DATASET@TAG, DATASET@2026-10-01 or DATASET@2026-10-01T03:15:00Z"


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
        UsageError: what follows the `@` is neither a number nor a moment nor a tag.
        DatasetNotFoundError: there is no such data set.
        VersionNotFoundError: there is no such tag, or there was no version at that moment.
    """
    dataset, at, which = reference.partition("@")
    if at and not (_NUMBER.fullmatch(which) or _TAG.fullmatch(which) or moment_in(which)):
        raise UsageError(f"{shown(which)} is no version", expected=_EXPECTED, where=shown(reference))
    check_dataset(store, dataset)
    return dataset, _version(store, dataset, which) if at else None


def moment_in(text: str) -> dt.datetime | None:
    """The moment that a date or an ISO timestamp means, in UTC unless it says otherwise; None when it is none.

    A date alone means its last moment: what was the newest version when that day was over.

    Example:
        >>> moment_in("2026-10-01T03:15:00+02:00").isoformat(), moment_in("2026-10-01").isoformat()
        ('2026-10-01T01:15:00+00:00', '2026-10-01T23:59:59.999999+00:00')
        >>> moment_in("2026-13-01") is None, moment_in("paper") is None
        (True, True)
    """
    if not _MOMENT.fullmatch(text):
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
        if _DATE.fullmatch(text):
            moment = dt.datetime.combine(moment.date(), dt.time.max)
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):  # the year 1 in the far east is before the year 1 in UTC
        return None


def manifest_of(store: Store, reference: str) -> Manifest:
    """The manifest that a reference names; of `DATASET` alone its newest version's.

    Raises:
        UsageError: what follows the `@` is neither a number nor a moment nor a tag.
        DatasetNotFoundError: there is no such data set.
        VersionNotFoundError: the data set has no version, or not that one.
    """
    return open_version(store, *named(store, reference)).manifest


def _version(store: Store, dataset: str, which: str) -> int:
    if _NUMBER.fullmatch(which):
        return int(which)
    if moment := moment_in(which):
        return version_as_of(store, dataset, moment)
    return read_tag(store, dataset, which).version
