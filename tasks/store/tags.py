"""Tags: names that people give to versions, such as the one that a paper or a model was made from.

Belongs here: reading, setting, moving and removing them. Does not belong here: what a person types to name a version
(flows/references), or which versions a tag keeps (tasks/retain).

A tag is a small object of its own, so that none of them touches a manifest. It is created if absent; only who says so
moves it to another version.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import TagExistsError, UsageError, VersionNotFoundError, nearest, shown
from schemas.moments import as_text
from tasks.store.documents import decoded, encoded
from tasks.store.paths import tag_key, tag_name, tag_prefix
from tasks.store.versions import read_manifest

if TYPE_CHECKING:
    import datetime as dt

    from tasks.store.home import Store

#: Begins with a letter, so that it is neither a number nor a date.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")


class Tag(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name for a version."""

    name: str
    version: int
    digest: str
    """Of that version's content when it was tagged."""
    created_at: str
    """UTC, ISO 8601; of the tag, not of the version."""


def check_name(name: str) -> str:
    """The name, if a tag may be called so.

    Raises:
        UsageError: it may not.

    Example:
        >>> check_name("paper-2026")
        'paper-2026'
    """
    if not _NAME.fullmatch(name):
        expected = "a letter, then letters, digits and . _ - (64 characters at most)"
        raise UsageError(f"{shown(name)} is no name for a tag", expected=expected)
    return name


def read_tags(store: Store, dataset: str) -> tuple[Tag, ...]:
    """All tags of a data set, by name.

    Raises:
        StoreError: the store can't be read, or a tag is broken.
    """
    keys = store.list(tag_prefix(dataset))
    return tuple(_decoded(store.read(key), key) for key in keys if _NAME.fullmatch(tag_name(key) or ""))


def read_tag(store: Store, dataset: str, name: str) -> Tag:
    """One tag.

    Raises:
        UsageError: no tag may be called so.
        VersionNotFoundError: there is none of that name; the message has the nearest.
        StoreError: the store can't be read, or the tag is broken.
    """
    key = tag_key(dataset, check_name(name))
    if not store.exists(key):
        known = [found for found in map(tag_name, store.list(tag_prefix(dataset))) if found]
        fix = nearest(name, known) if known else f"It has no tags yet: winnow tag {dataset}@N {name}"
        raise VersionNotFoundError(f"{dataset} has no tag {shown(name)}", fix=fix)
    return _decoded(store.read(key), key)


def set_tag(
    store: Store,
    dataset: str,
    name: str,
    version: int,
    *,
    now: dt.datetime,
    move: bool = False,
    dry_run: bool = False,
) -> Tag:
    """Gives a version a name; the same name for the same version again changes nothing.

    For the holder of the data set's upkeep: otherwise the version may be retired meanwhile.

    Args:
        store: where the data set lies.
        dataset: its name.
        name: the tag's.
        version: the version's number.
        now: with a time zone.
        move: take the name from the version that has it.
        dry_run: only see whether it could be done.

    Raises:
        UsageError: no tag may be called so.
        TagExistsError: another version has the name, and it is not to be moved.
        VersionNotFoundError: there is no such version.
        StoreError: the store can't be read or written.
    """
    check_name(name)
    manifest = read_manifest(store, dataset, version)
    tag = Tag(name, version, manifest.digest, as_text(now))
    key = tag_key(dataset, name)
    if not store.exists(key) and (dry_run or store.create(key, encoded(tag))):
        return tag
    present = _decoded(store.read(key), key)
    if present.version == version:  # an erasure may have changed its digest since
        return present
    if not move:
        found = f"the tag {name} of {dataset} is version {present.version}"
        raise TagExistsError(found, fix=f"Give version {version} another name, or take this one from it with --move.")
    if not dry_run:
        store.replace(key, encoded(tag))
    return tag


def delete_tag(store: Store, dataset: str, name: str, *, dry_run: bool = False) -> Tag:
    """Removes a tag, and says what it was; the version stays. A dry run only says it.

    Raises:
        UsageError, VersionNotFoundError: there is no such tag.
        StoreError: the store can't be written.
    """
    tag = read_tag(store, dataset, name)
    if not dry_run:
        store.delete(tag_key(dataset, name))
    return tag


def _decoded(data: bytes, key: str) -> Tag:
    return decoded(data, Tag, what="the tag", key=key, fix="Set it anew: delete this file, then winnow tag.")
