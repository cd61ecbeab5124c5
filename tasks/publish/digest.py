"""Digest: one hash that says what a version holds.

Belongs here: what counts as content, and its canonical form. Does not belong here: hashing files (tasks/store).

Who committed a version, when, and after which other one is not content: two stores that cleaned the same dumps under
the same contract have the same digest, in whatever order they did it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.records import PartitionEntry


def version_digest(dataset: str, partitions: Mapping[str, PartitionEntry]) -> str:
    """sha256, in hexadecimal, over the canonical JSON of a data set's name and its partitions.

    Canonical means: UTF-8, all keys sorted, no spaces. Any JSON tool can compute it from a manifest, as
    `jq -cjS '{dataset, partitions}' MANIFEST | sha256sum` does.

    Example:
        >>> version_digest("trips", {})[:16]
        'b22d8929638c8c6b'
    """
    content = {"dataset": dataset, "partitions": dict(partitions)}
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
