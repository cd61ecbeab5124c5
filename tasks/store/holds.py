"""Holds: what a gate kept back for a person, and what was decided on it.

Belongs here: the records and their keys. Does not belong here: when something is held (tasks/publish/stage), or what a
decision leads to (tasks/publish/release).

A hold names the files that a run wrote under their final names, and all that the manifest would say of them. No version
names them, so that no reader sees them; `winnow gc` leaves them alone until the hold ends. A decision is an object of
its own that is created if absent: of two people who decide at once, one is told what the other did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from schemas.errors import HoldGoneError, HoldNotFoundError, nearest, shown
from tasks.audit.kept import Decision, Hold
from tasks.store.documents import decoded, encoded
from tasks.store.paths import decision_key, hold_key, hold_name, hold_prefix
from tasks.store.versions import moment_of

if TYPE_CHECKING:
    import datetime as dt

    from tasks.store.home import Store


def keep_hold(store: Store, hold: Hold) -> Hold:
    """Writes a hold under the first name of its cleaning on which nothing was decided; one that waits there stays.

    Raises:
        StoreError: the store can't be written.
    """
    number = 1
    while True:
        named = msgspec.structs.replace(hold, hold=f"{hold.entry.cleaning}-{number}")
        if store.create(hold_key(hold.dataset, named.hold), encoded(named)):
            return named
        present = read_hold(store, hold.dataset, named.hold)
        now = moment_of(hold.held_at, hold.dataset)
        if decision_on(store, present) is None and not present.is_over(now) and present.before == hold.before:
            return present
        number += 1


def read_holds(store: Store, dataset: str, *, now: dt.datetime) -> tuple[Hold, ...]:
    """The holds that wait for a decision, by name.

    Raises:
        StoreError: the store can't be read, or a hold is broken.
    """
    return tuple(hold for hold in all_holds(store, dataset) if waits(store, hold, now=now))


def all_holds(store: Store, dataset: str) -> tuple[Hold, ...]:
    """All holds that the store has a record of, by name.

    Raises:
        StoreError: the store can't be read, or a hold is broken.
    """
    return tuple(_read(store, dataset, name) for name in _names(store, dataset))


def waits(store: Store, hold: Hold, *, now: dt.datetime) -> bool:
    """Whether a hold can still be decided on."""
    return not hold.is_over(now) and decision_on(store, hold) is None


def read_hold(store: Store, dataset: str, name: str) -> Hold:
    """One hold.

    Raises:
        HoldNotFoundError: there is none of that name; the message has the nearest.
        StoreError: the store can't be read, or the hold is broken.
    """
    known = _names(store, dataset)
    if name not in known:
        fix = nearest(name, known) if known else "Nothing is held."
        raise HoldNotFoundError(f"{dataset} has no hold {shown(name)}", fix=fix)
    return _read(store, dataset, name)


def _names(store: Store, dataset: str) -> list[str]:
    return list(filter(None, map(hold_name, store.list(hold_prefix(dataset)))))


def _read(store: Store, dataset: str, name: str) -> Hold:
    key = hold_key(dataset, name)
    return decoded(store.read(key), Hold, what="the hold", key=key)


def decision_on(store: Store, hold: Hold) -> Decision | None:
    """What was decided on a hold; None while it waits.

    Raises:
        StoreError: the store can't be read.
    """
    key = decision_key(hold.dataset, hold.hold)
    if not store.exists(key):
        return None
    return decoded(store.read(key), Decision, what="the decision on a hold", key=key)


def decide(store: Store, hold: Hold, decision: Decision) -> None:
    """Writes down what is decided on a hold, unless something was; the same act again is no error.

    Raises:
        HoldGoneError: the other was decided.
        StoreError: the store can't be written.
    """
    if store.create(decision_key(hold.dataset, hold.hold), encoded(decision)):
        return
    made = decision_on(store, hold)
    if made and made.act != decision.act:
        raise already(hold, made)


def already(hold: Hold, decision: Decision) -> HoldGoneError:
    """The error for a hold on which something was decided."""
    done = "released" if decision.act == "release" else "discarded"
    return HoldGoneError(
        f"the hold {hold.hold} was {done} by {shown(decision.by)} at {decision.decided_at}: {shown(decision.reason)}",
        where=f"{hold.dataset} {hold.partition}",
        fix="Run the partition again if that was wrong." if done == "discarded" else None,
    )


def forget_hold(store: Store, hold: Hold) -> None:
    """Removes the record of a hold that has ended; its decision goes last, so that it is not open meanwhile.

    Raises:
        StoreError: the store can't be written.
    """
    store.delete(hold_key(hold.dataset, hold.hold))
    store.delete(decision_key(hold.dataset, hold.hold))
