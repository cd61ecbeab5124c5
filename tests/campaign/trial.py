"""Trial: one damaged file read to its end, and what is wrong with that.

Belongs here: what must hold for each file, and measuring time and memory. Does not belong here: what becomes of a
process that crashes or hangs (crew), or the arithmetic of the books (recount).
"""

from __future__ import annotations

import io
import resource
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
from polars.testing import assert_frame_equal

from schemas.errors import DumpUnreadableError, HeaderError
from tasks.ingest.blocks import REJECT_SCHEMA, Block, record_schema
from tasks.ingest.reader import BLOCK_SIZE, RecordReader
from tests.campaign.case import Case, drawn
from tests.campaign.recount import DefectError, recount

if TYPE_CHECKING:
    from schemas.records import RawFile

#: What reading a file may raise, as `RecordReader` says.
DOCUMENTED = (HeaderError, DumpUnreadableError)
#: CPU seconds that a file may take.
MOST_SECONDS = 1.0
#: What one small file may add to the memory of a process at its peak, and what a process may hold after any number of
#: them; it begins with some 250 MiB.
MOST_MIB, MOST_HELD_MIB = 256, 768
#: One file in so many is read twice, with another size of blocks; one in so many is cleaned, from raw to published.
TWICE_EVERY, CLEAN_EVERY = 8, 25


class Outcome(msgspec.Struct, frozen=True):
    """What became of a file."""

    number: int
    origin: str
    format: str
    kind: str
    """read, refused or failed."""
    detail: str = ""
    """Of a refused one the error's class, of a failed one what is wrong."""
    parsed: int = 0
    rejected: int = 0
    seconds: float = 0.0
    """CPU seconds of reading it once."""
    cleaned: bool = False
    memory_mib: float = 0.0
    """What the process holds afterwards."""

    @property
    def failed(self) -> bool:
        """Whether it shows a defect."""
        return self.kind == "failed"


@dataclass(frozen=True)
class Reading:
    """A file read to its end."""

    blocks: list[Block]
    report: RawFile
    text: bytes | None

    @property
    def parsed(self) -> int:
        """How many records."""
        return sum(block.records.height for block in self.blocks)

    @property
    def rejected(self) -> int:
        """How many rejects."""
        return sum(block.rejects.height for block in self.blocks)

    def frames(self, columns: tuple[str, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """All records and all rejects."""
        return (
            pl.concat([pl.DataFrame(schema=record_schema(columns)), *(block.records for block in self.blocks)]),
            pl.concat([pl.DataFrame(schema=REJECT_SCHEMA), *(block.rejects for block in self.blocks)]),
        )


def tried_number(seed: int, number: int, folder: Path) -> Outcome:
    """What becomes of a file of a campaign; some are cleaned in the folder. Never raises."""
    return tried(drawn(seed, number), folder)


def tried(case: Case, folder: Path | None = None) -> Outcome:
    """What becomes of a file; some are cleaned, where there is a folder for it. Never raises."""
    cleaned = folder is not None and case.number % CLEAN_EVERY == 0
    told: dict[str, Any] = {"kind": "read"}
    try:
        reading, told["seconds"] = _timed(case)
        told |= {"parsed": reading.parsed, "rejected": reading.rejected}
        _check(case, reading)
        if folder and cleaned:
            _clean(case, folder)
    except DOCUMENTED as error:
        told |= {"kind": "refused", "detail": type(error).__name__}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # a panic of polars is no Exception; whatever it is, it is a finding
        told |= {"kind": "failed", "detail": _told(error)}
    held = _held_mib()
    if held > MOST_HELD_MIB:
        told |= {"kind": "failed", "detail": f"memory: {held:,.0f} MiB held"}
    cleaned = cleaned and told["kind"] == "read"
    return Outcome(case.number, case.origin, case.format, memory_mib=held, cleaned=cleaned, **told)


def read(case: Case, block_size: int) -> Reading:
    """Reads a file to its end.

    Raises:
        HeaderError, DumpUnreadableError: as `RecordReader`.
    """
    copy = _Copy()
    reader = RecordReader(
        io.BytesIO(case.data),
        path=case.path,
        source=case.source,
        columns=case.columns,
        block_size=block_size,
        copy=copy.open,
        dtypes=case.types,
    )
    blocks = list(reader)
    text = case.data if copy.text is None else copy.text.getvalue()
    return Reading(blocks, reader.report, None if reader.report.text_size is None else text)


class _Copy:
    """The decompressed text, if there is one."""

    def __init__(self) -> None:
        self.text: io.BytesIO | None = None

    def open(self) -> io.BytesIO:
        self.text = io.BytesIO()
        return self.text


def _timed(case: Case) -> tuple[Reading, float]:
    """Reads it; if that took too long, once more in blocks of the size that every dump is read in.

    The first file of a kind pays for what is imported, and very small blocks cost time, which is no defect.
    """
    peak = _peak_mib()
    reading, seconds = _measured(case, case.block_size)
    if seconds >= MOST_SECONDS:
        seconds = _measured(case, BLOCK_SIZE)[1]
    if seconds >= MOST_SECONDS:
        raise DefectError(f"slow: {seconds:.1f} CPU seconds for {len(case.data):,} bytes")
    if (grown := _peak_mib() - peak) > MOST_MIB:
        raise DefectError(f"memory: {grown:,.0f} MiB more at its peak for {len(case.data):,} bytes")
    return reading, seconds


def _measured(case: Case, block_size: int) -> tuple[Reading, float]:
    began = time.process_time()
    return read(case, block_size), time.process_time() - began


def _check(case: Case, reading: Reading) -> None:
    recount(reading.blocks, reading.report, stored=case.data, text=reading.text)
    # Text that is not compressed may still look as if it were, after what was done to it.
    intact = case.text not in (None, case.data) and "max_text_bytes" not in case.limits
    if intact and reading.text not in (None, case.text):
        raise DefectError("an intact compressed file does not decompress to its text")
    if case.number % TWICE_EVERY == 0:
        _check_twice(case, reading)


def _check_twice(case: Case, reading: Reading) -> None:
    sizes = f"blocks of {case.block_size} and of {case.other_block_size} bytes"
    try:
        other = read(case, case.other_block_size)
        for one, two in zip(reading.frames(case.columns), other.frames(case.columns), strict=True):
            assert_frame_equal(one, two)
    except (AssertionError, *DOCUMENTED) as error:
        raise DefectError(f"{sizes} differ: {_told(error)}") from error
    if other.report != reading.report:
        raise DefectError(f"{sizes} differ: {reading.report} and {other.report}")


def _clean(case: Case, folder: Path) -> None:
    from tests.campaign.cleaning import clean_case  # what it imports takes seconds

    clean_case(case, folder)


def _told(error: BaseException) -> str:
    if isinstance(error, DefectError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {text}"


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _held_mib() -> float:
    """Resident memory; 0 where the system does not tell."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * resource.getpagesize() / (1 << 20) if told.exists() else 0.0
