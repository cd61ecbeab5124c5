"""Layout: what the benchmarks' dumps are called, and where they lie.

Belongs here: names and places that several modules share. Does not belong here: making a dump (dumps, oddities), or
reading one (cases, peers).
Nothing large is imported, see `measured`.

Everything of a run lies in one folder: `raw` has the dumps, `books.json` says what their books must be, and `out` has
what one process wrote; it is measured and removed after each.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from schemas.records import Books

#: Partitions of orders. PART has fewer rows: the forms, and peers that can't take LARGE.
LARGE, PART, SMALL = "large", "part", "small"
QUOTED, GZIP, ZSTD, JSONL = "quoted", "gzip", "zstd", "jsonl"
#: Those whose memory is measured.
HUGE, HALF_BAD, HALF_TWICE = "huge", "half-bad", "half-twice"
#: The data set of the demo that is given very many versions.
MANY = "weather"
#: The one partition of the data sets `wide` and `letters`.
ONLY = "only"

_SUFFIX = {GZIP: ".csv.gz", ZSTD: ".csv.zst", JSONL: ".jsonl"}


def dump(folder: Path, partition: str, dataset: str = "orders") -> Path:
    """Where a dump lies."""
    return folder / "raw" / dataset / partition / f"{dataset}{_SUFFIX.get(partition, '.csv')}"


def declaration(dataset: str) -> Path:
    """The file that declares one of the benchmarks' data sets."""
    return Path(__file__).with_name(f"{dataset}.py")


def output(folder: Path) -> Path:
    """Where a case writes."""
    made = folder / "out"
    made.mkdir(exist_ok=True)
    return made


def books(folder: Path) -> dict[str, Books]:
    """What the books of each dump made so far must be."""
    from schemas.records import Books

    path = folder / "books.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Books]) if path.exists() else {}


def add_books(folder: Path, partition: str, expected: Books) -> None:
    """Notes what the books of a dump must be."""
    (folder / "books.json").write_bytes(msgspec.json.encode(books(folder) | {partition: expected}))
