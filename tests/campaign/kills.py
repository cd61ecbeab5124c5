"""Kills: the campaign of commands that are ended by kill -9 at moments that nobody chose, on a folder and on S3.

Started by `make kill`, or with options as `python -m tests.campaign.kills`. Belongs here: the moments, the homes, and
what is printed. Does not belong here: the commands (victims), or what must be true afterwards (aftermath).

A trial's moments follow from the seed and its number. In the home `server` the S3 server is killed, too, and started
again over its data: while the command runs, or between its death and the next attempt.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import functools
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from tasks.store.local import open_store
from tasks.store.versions import list_versions
from tests.campaign.aftermath import damage, leftovers
from tests.campaign.victims import DATASETS, ROOT, VICTIMS, Place, Victim, furnish
from tests.campaign.zygote import Zygote
from tests.s3_server import S3Server, put_tree

HOMES = ("folder", "bucket", "server")
_MOST_ATTEMPTS = 12
#: Trials after which the campaign says how far it is.
_TELL = 10
#: Errors of a command that found no server.
_AWAY = ("StoreError", "DumpUnreadableError")


@dataclass
class Tally:
    """What came of the trials of one victim in one home."""

    trials: int = 0
    kills: int = 0
    servers: int = 0
    """Kills of the S3 server."""
    early: int = 0
    """Kills before anything was published by the command."""
    failures: list[str] = field(default_factory=list)


class Ground:
    """Dumps, declarations and servers for all trials."""

    def __init__(self, folder: Path, homes: Sequence[str]) -> None:
        self.folder = folder
        furnish(folder)
        self.zygote = Zygote(ROOT, folder / "log")
        self.server = S3Server(folder / "s3") if set(homes) - {"folder"} else None
        self.bucket = ""
        if self.server:
            self.server.start()
            os.environ.update(self.server.environment())  # this process looks at the stores, too
            self.bucket = self.server.new_bucket()
            put_tree(self.server.client(), self.bucket, "raw/", folder / "raw")

    def place(self, home: str, name: str) -> Place:
        """Where one trial works: nobody else's store."""
        declared = self.folder / "declared"
        if home == "folder":
            return Place(str(self.folder / "raw"), str(self.folder / "stores" / name), declared)
        assert self.server is not None
        own = {"WINNOW_SCRATCH": str(self.folder / "scratch" / name), "WINNOW_S3_PATIENCE": "20"}
        root = f"s3://{self.bucket}"
        return Place(f"{root}/raw", f"{root}/stores/{name}", declared, self.server.environment() | own)

    def clear(self, place: Place) -> None:
        """Removes what a trial left."""
        open_store(place.store).clear(f"{DATASETS[0]}/")
        open_store(place.store).clear(f"{DATASETS[1]}/")
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)
        shutil.rmtree(self.folder / "stores", ignore_errors=True)

    def close(self) -> None:
        """Ends what was started."""
        self.zygote.close()
        if self.server:
            self.server.close()


class _Command:
    """Commands at a place, one at a time."""

    def __init__(self, ground: Ground, place: Place) -> None:
        self._zygote, self._place, self._declared = ground.zygote, place, place.folder / "sales.py"

    def before(self, victim: Victim) -> None:
        """Runs what comes before a victim, to its end."""
        now = self._declared.read_text(encoding="utf-8")
        for command, changes in victim.before:
            text = functools.reduce(lambda text, change: text.replace(*change), changes.items(), now)
            self._declared.write_text(text, encoding="utf-8")
            code, told = self.run(command)
            self._declared.write_text(now, encoding="utf-8")
            if code:
                raise RuntimeError(told)

    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """Runs one to its end: its exit code and the end of what it said."""
        self._zygote.start(list(command), self._place.variables)
        return self._zygote.wait()

    def killed(self, command: Sequence[str], after: float) -> bool:
        """Runs one and kills it after so many seconds; whether it was killed before it ended."""
        process = self._zygote.start(list(command), self._place.variables)
        time.sleep(after)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        return self._zygote.wait()[0] == -signal.SIGKILL


def expected(ground: Ground, victim: Victim, home: str) -> tuple[object, float]:
    """What an undisturbed run leads to, and how long it takes."""
    place = ground.place(home, f"{victim.name}-undisturbed")
    command = _Command(ground, place)
    command.before(victim)
    began = time.monotonic()
    code, told = command.run(victim.command)
    seconds = time.monotonic() - began
    problems = [*damage(place), *leftovers(place, idle=victim.idle)] if not code else [told]
    if problems:
        raise RuntimeError("; ".join(problems))
    found = victim.outcome(place)
    ground.clear(place)
    return found, seconds


def trial(ground: Ground, victim: Victim, home: str, seconds: float, chance: random.Random, tally: Tally) -> object:
    """Kills a command once or more, looks at the store each time, lets it end, and gives what it led to."""
    name = f"{victim.name}-{tally.trials}"
    place = ground.place(home, name)
    command = _Command(ground, place)
    command.before(victim)
    before = _published(place)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        with _Trouble(ground, home, seconds, chance, tally):
            killed = command.killed(victim.command, chance.uniform(0, seconds))
        tally.kills += killed
        tally.early += killed and _published(place) == before
        tally.failures += [f"{name}, after a kill: {each}" for each in damage(place)]
    for _ in range(_MOST_ATTEMPTS):
        with _Trouble(ground, home, seconds, chance, tally):
            code, told = command.run(victim.command)
        if not code:
            break
        # The server was away for longer than a command waits: it says so, and is run again.
        if not any(error in told for error in _AWAY):
            tally.failures.append(f"{name}: it ended with {code}: {told}")
    tally.failures += [f"{name}, in the end: {each}" for each in damage(place)]
    tally.failures += [f"{name}, left behind: {each}" for each in leftovers(place, idle=victim.idle)]
    found = victim.outcome(place)
    ground.clear(place)
    return found


class _Trouble:
    """While the block runs the S3 server is killed, in half of the trials of the home `server`, and started again."""

    def __init__(self, ground: Ground, home: str, seconds: float, chance: random.Random, tally: Tally) -> None:
        self._ground, self._thread = ground, threading.Thread(target=self._strike)
        self._strikes = home == "server" and chance.random() < 0.5
        self._after, self._away = chance.uniform(0, seconds), chance.uniform(0, 1)
        self._tally = tally

    def _strike(self) -> None:
        time.sleep(self._after)
        assert self._ground.server is not None
        self._ground.server.kill()
        time.sleep(self._away)
        self._ground.server.start()

    def __enter__(self) -> None:
        if self._strikes:
            self._tally.servers += 1
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        if self._strikes:
            self._thread.join()


def _published(place: Place) -> dict[str, tuple[int, ...]]:
    store = open_store(place.store)
    return {dataset: list_versions(store, dataset) for dataset in DATASETS}


def campaign(
    victims: Sequence[str], homes: Sequence[str], kills: int, seed: int, say: Callable[[str], None]
) -> Iterator[tuple[str, str, Tally]]:
    """Kills each victim in each home at least so many times; gives what came of it, and says how far it is."""
    with tempfile.TemporaryDirectory(prefix="winnow-kills-") as folder:
        ground = Ground(Path(folder), homes)
        try:
            for home in homes:
                for name in victims:
                    yield home, name, _tried(ground, VICTIMS[name], home, kills, seed, say)
        finally:
            ground.close()


def _tried(ground: Ground, victim: Victim, home: str, kills: int, seed: int, say: Callable[[str], None]) -> Tally:
    tally = Tally()
    wanted, seconds = expected(ground, victim, home)
    while tally.kills < kills and tally.trials < 4 * kills:
        chance = random.Random(f"{seed} {home} {victim.name} {tally.trials}")
        name = f"{victim.name}-{tally.trials}"
        found = trial(ground, victim, home, seconds, chance, tally)
        tally.trials += 1
        if found != wanted:
            tally.failures.append(f"{name}: it led to {found}, not to {wanted}")
        if tally.trials % _TELL == 0:
            say(f"{home:7} {victim.name:9} {tally.kills} of {kills} kills so far, {len(tally.failures)} failures")
    return tally


def main() -> int:
    """Runs the campaign; exits with 1 if anything was lost, doubled or left behind."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=40, help="of each victim in each home, at least")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--victims", nargs="+", choices=sorted(VICTIMS), default=list(VICTIMS))
    options.add_argument("--homes", nargs="+", choices=HOMES, default=list(HOMES))
    given = options.parse_args()
    # Whoever ends the campaign ends its server, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say = Console(highlight=False, markup=False, soft_wrap=True).print
    say(f"seed {given.seed}, {given.kills} kills of each of {', '.join(given.victims)} in {', '.join(given.homes)}")
    total: collections.Counter[str] = collections.Counter()
    began = time.monotonic()
    for home, name, tally in campaign(given.victims, given.homes, given.kills, given.seed, say):
        total.update(kills=tally.kills, servers=tally.servers, trials=tally.trials, failures=len(tally.failures))
        say(
            f"{home:7} {name:9} {tally.trials:4} trials, {tally.kills:4} kills ({tally.early} before anything was "
            f"published), {tally.servers:3} of the server, {len(tally.failures)} failures"
        )
        for failure in tally.failures[:5]:
            say(f"        {failure}")
    say(
        f"{total['kills']} kills and {total['servers']} of the server in {total['trials']} trials, "
        f"{total['failures']} failures, {time.monotonic() - began:.0f} s, seed {given.seed}"
    )
    return int(bool(total["failures"]))


if __name__ == "__main__":
    sys.exit(main())
