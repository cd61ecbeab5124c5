"""Standing: how each partition of a data set stands, and what a backfill would do about it.

Belongs here: from what the dumps, the newest version, the holds and the failures say to one state and a reason in
words, and to a plan. Does not belong here: reading any of them (stage), or cleaning.

A partition is *cleaned* if its newest cleaning is of the raw files that are there now and of today's contract; *stale*
if it is of others; *held* if a gate waits for a person; *failed* if it is neither of these and its last cleaning
published nothing; otherwise *missing*. Raw files are compared by name and size. Their bytes are compared by the run
itself, which skips a partition that is unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from schemas.errors import shown
from tasks.audit.gates import in_words

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schemas.records import PartitionEntry
    from tasks.audit.kept import Failure, Hold

State = Literal["cleaned", "missing", "stale", "held", "failed"]
#: Names and sizes of a partition's raw files, in the order in which they are read.
RawFiles = tuple[tuple[str, int], ...]

#: Files that a reason names.
_NAMED = 3


class Standing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one partition stands."""

    partition: str
    state: State
    reason: str
    """Why, in words."""
    size: int = 0
    """Bytes of its raw files as stored."""
    records: int | None = None
    """Of the newest cleaning; None where there is none."""
    kept: int | None = None
    hold: str | None = None
    """Name of what waits for a decision."""


class Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backfill would do with a partition."""

    partition: str
    act: Literal["clean", "compare", "leave"]
    """`compare` reads the raw files, and cleans only if their bytes are not those that were cleaned."""
    state: State
    reason: str
    size: int = 0


def standings(
    raws: Mapping[str, RawFiles],
    entries: Mapping[str, PartitionEntry],
    failures: Mapping[str, Failure],
    holds: Sequence[Hold],
    contract: str,
) -> tuple[Standing, ...]:
    """How every partition stands of which there is a dump or a cleaning, in the order of their names.

    Args:
        raws: partition -> its raw files.
        entries: what the newest version says of each partition.
        failures: the last failure of each partition that has one.
        holds: what waits for a decision.
        contract: today's fingerprint.
    """
    waiting = {hold.partition: hold for hold in holds}
    return tuple(
        _standing(name, raws.get(name), entries.get(name), failures.get(name), waiting.get(name), contract)
        for name in sorted(raws.keys() | entries.keys())
    )


def _standing(
    name: str,
    raw: RawFiles | None,
    entry: PartitionEntry | None,
    failure: Failure | None,
    hold: Hold | None,
    contract: str,
) -> Standing:
    state, reason = _against(raw, entry, contract)
    before = entry.alone if entry else None
    held = None
    if hold and hold.before == before:
        held, (old, why) = hold, _against(raw, hold.entry, contract)
        if old == "cleaned":
            state, reason = "held", f"{hold.hold} waits since {hold.held_at}: {'; '.join(map(in_words, hold.findings))}"
        else:
            reason = f"{reason}; what is held as {hold.hold} is no longer of this dump and contract: {why}"
    if state in ("missing", "stale") and failure and failure.before == before:
        then = "" if failure.contract == contract else "; the contract is another one since"
        state, reason = "failed", f"{failure.failed_at}: {failure.error}: {failure.message}{then}"
    return Standing(
        partition=name,
        state=state,
        reason=reason,
        size=sum(size for _, size in raw or ()),
        records=entry.total.records if entry else None,
        kept=entry.total.kept if entry else None,
        hold=held.hold if held else None,
    )


def _against(raw: RawFiles | None, entry: PartitionEntry | None, contract: str) -> tuple[State, str]:
    """How a cleaning stands to the raw files that are there and to today's contract."""
    if entry is None:
        return "missing", f"never cleaned; its dump has {len(raw or ()):,} file" + ("s" if len(raw or ()) != 1 else "")
    reasons = [] if raw is None else list(_raw_changes(raw, tuple((each.path, each.size) for each in entry.inputs)))
    if entry.contract != contract:
        replayed = entry.replayed if isinstance(entry.replayed, msgspec.Struct) else None
        told = f" (but for {replayed.records:,} records that were replayed)" if replayed else ""
        reasons.append(f"cleaned under the contract {entry.contract[:12]}{told}; today's is {contract[:12]}")
    if reasons:
        return "stale", "; ".join(reasons)
    return "cleaned", "its dump is gone, and its cleaning is there" if raw is None else "as its dump and contract are"


def _raw_changes(now: RawFiles, then: RawFiles) -> list[str]:
    if now == then:
        return []
    sizes, before = dict(now), dict(then)
    kinds = {
        "new": [path for path in sizes if path not in before],
        "gone": [path for path in before if path not in sizes],
        "of another size": [path for path in sizes if before.get(path, sizes[path]) != sizes[path]],
    }
    return [f"raw files {kind}: {_some(paths)}" for kind, paths in kinds.items() if paths]


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else ""
    return ", ".join(map(shown, paths[:_NAMED])) + more


def plan(found: Sequence[Standing], wanted: Collection[State] = (), *, raws: Collection[str]) -> tuple[Planned, ...]:
    """What a backfill would do with partitions.

    Args:
        found: how they stand.
        wanted: the states that are cleaned; none means all of them but those that are held, and that the bytes are
            compared of what looks as it should.
        raws: partitions of which there is a dump.
    """
    return tuple(_planned(each, wanted, has_raw=each.partition in raws) for each in found)


def _planned(standing: Standing, wanted: Collection[State], *, has_raw: bool) -> Planned:
    act: Literal["clean", "compare", "leave"] = "clean"
    reason = standing.reason
    if not has_raw:
        act, reason = "leave", f"{reason}: there is no dump to clean"
    elif standing.state == "held":
        act, reason = "leave", f"{reason}: winnow release or discard"
    elif wanted and standing.state not in wanted:
        act = "leave"
    elif standing.state == "cleaned":
        act = "compare"
    return Planned(standing.partition, act, standing.state, reason, standing.size)
