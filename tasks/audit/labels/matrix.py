"""Matrix: probabilities of rows by classes, held in memory or mapped from a file, and read block by block.

Belongs here: room for them, and in which blocks they are read. Does not belong here: computing them (baselines), or
what they say (confident).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Probabilities of a block: 32 MB of single precision.
BLOCK = 1 << 23
#: Probabilities that are held in memory: 256 MB of single precision; more are in a file.
HELD = 1 << 26


class Held:
    """Probabilities in memory."""

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        """Takes them, rows in their order."""
        self.matrix, self.classes = matrix, matrix.shape[1]

    def put(self, rows: NDArray[np.int64], block: NDArray[np.float32]) -> None:
        """Enters the probabilities of some rows."""
        self.matrix[rows] = block

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """See `confident.Probabilities`."""
        step = max(1, BLOCK // self.classes)
        for start in range(0, self.matrix.shape[0], step):
            block = self.matrix[start : start + step]
            yield np.arange(start, start + block.shape[0]), block


class Mapped:
    """Probabilities in a file; a block's pages are given back when the next one is read."""

    def __init__(self, path: str, rows: int, classes: int) -> None:
        """Makes the file.

        Args:
            path: where; nothing is there yet.
            rows: how many rows will be entered.
            classes: how many columns it has.
        """
        self.classes = classes
        self._path, self._shape = path, (rows, classes)
        self._entered = 0
        self._numbers = np.empty(rows, np.int64)
        np.memmap(path, np.float32, "w+", shape=self._shape)

    def put(self, rows: NDArray[np.int64], block: NDArray[np.float32]) -> None:
        """Enters the probabilities of some rows, behind those that were entered before."""
        start, stop = self._entered, self._entered + rows.size
        self._numbers[start:stop] = rows
        room = self._part("r+", start, rows.size)
        room[:] = block
        room.flush()
        self._entered = stop

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """See `confident.Probabilities`."""
        step = max(1, BLOCK // self.classes)
        for start in range(0, self._entered, step):
            rows = min(step, self._entered - start)
            yield self._numbers[start : start + rows], self._part("r", start, rows)

    def _part(self, mode: Any, start: int, rows: int) -> Any:  # noqa: ANN401  # numpy's stubs have no type for a map
        # Mapped anew each time: pages of a map that is gone count for nothing.
        offset = start * self.classes * np.dtype(np.float32).itemsize
        return np.memmap(self._path, np.float32, mode, offset=offset, shape=(rows, self.classes))
