"""Outside: the copies of a person's records that no erasure reaches, since they are not in the store.

Belongs here: which exports hold them, as far as the store can tell. Does not belong here: raw dumps (copies), or making
an export (tasks/export).

The record of an export says which versions went out, with the digests that they had. One that has the digest of today
went out after the erasure. Of a version that was retired nobody can see any more whom it held, so that it is named too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import shown
from tasks.store.exports import read_exports

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tasks.store.home import Store


def exported(store: Store, dataset: str, held: Collection[int], now: Mapping[int, str | None]) -> Iterator[str]:
    """The exports that hold records of a person, or may, in words.

    Args:
        store: where the data set lies.
        dataset: its name.
        held: the versions in which the records stood, or stand.
        now: the versions that are there -> the digest that each has without the records; None where it has them still.

    Raises:
        StoreError: the record of an export can't be read.
    """
    for export in read_exports(store, dataset):
        copies = list(zip(export.versions, export.digests, strict=True))
        holds = [version for version, digest in copies if version in held and now.get(version) != digest]
        may_hold = [version for version, _ in copies if version not in held and version not in now]
        told = [f"version {version} with the records" for version in holds]
        told += [f"version {version}, which was retired, so that nobody can see whom it held" for version in may_hold]
        if told:
            place = f"{shown(export.folder)} on {shown(export.host)}"
            yield f"export {export.export} ({export.role} as {export.format}) in {place}: {'; '.join(told)}"
