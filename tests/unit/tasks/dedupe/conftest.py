"""What the tests of this stage share: spills that keep everything in memory, however small the portions are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pytest


@dataclass
class PartInMemory:
    """Rows of a few keys, handed out in portions of one size."""

    stop: int
    frame: pl.DataFrame
    size: int

    @property
    def rows(self) -> int:
        return self.frame.height

    def portions(self) -> Iterator[pl.DataFrame]:
        return self.frame.iter_slices(self.size)

    def whole(self) -> pl.DataFrame:
        return self.frame


class PartsInMemory:
    """As `tasks.store.spill.Spill`, without a disk, and always in three parts."""

    def __init__(self, name: str, *, by: str, numbers: int, at_once: int) -> None:
        self.name, self.by, self.at_once = name, by, at_once
        self.width = max(1, -(-numbers // 3))
        self.frames: list[pl.DataFrame] = []
        self.closed = False

    @property
    def rows(self) -> int:
        return sum(frame.height for frame in self.frames)

    def add(self, frame: pl.DataFrame) -> None:
        assert not self.closed
        self.frames.append(frame)

    def done(self) -> None:
        self.closed = True

    def parts(self) -> Iterator[PartInMemory]:
        self.done()
        if not self.rows:
            return
        rows = pl.concat(self.frames)
        for number in range(3):
            part = rows.filter(pl.col(self.by) // pl.lit(self.width, pl.UInt64) == number)
            if part.height:
                yield PartInMemory((number + 1) * self.width, part, self.at_once)


@pytest.fixture
def parts_in_memory() -> type[PartsInMemory]:
    return PartsInMemory
