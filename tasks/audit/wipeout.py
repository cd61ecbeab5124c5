"""Wipe-out: whether a run removes too much as duplicates, which a wrong key or a broken dump would make it do.

Belongs here: from counts of removed records to gate findings. Does not belong here: counting them (tasks/dedupe), or
what is done about a finding (gates).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import shown
from tasks.audit.gates import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from schemas.policies import Gates
    from schemas.records import Removal

_FIX = "See whether the key is too coarse or the dump is broken; raise the limit only if the data is right."


def wiped_out(
    gates: Gates, removals: Iterable[Removal], largest: int, *, hidden: Iterable[str] = ()
) -> Iterator[Finding]:
    """The gates about duplicates that a run does not pass.

    Args:
        gates: the declared limits.
        removals: what it removes from each group.
        largest: records of the largest cluster of the partition.
        hidden: columns whose values are shown to nobody.

    Example:
        >>> from schemas.policies import Gates
        >>> from schemas.records import Removal
        >>> [found.found for found in wiped_out(Gates(max_removed=0.5), [Removal("shop", "north", 3, 4)], 2)]
        ["3 of 4 records with shop 'north' (75.0%)"]
    """
    if gates.max_cluster is not None and largest > gates.max_cluster:
        found = f"{largest:,} records have one key"
        yield Finding("max_cluster", found, f"at most {gates.max_cluster:,}", _FIX)
    if gates.max_removed is None:
        return
    hidden = set(hidden)
    for each in removals:
        if each.removed > gates.max_removed * each.of:
            share = f"{each.removed:,} of {each.of:,} records"
            value = "a personal value" if each.group in hidden else shown(each.value)
            found = f"{share} with {each.group} {value} ({each.removed / each.of:.1%})"
            yield Finding("max_removed", found, f"at most {gates.max_removed:.1%}", _FIX)
