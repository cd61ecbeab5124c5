"""Workbook: an XLSX file, read in a process of its own, as messages.

Belongs here: starting that process, and what it means when it dies. Does not belong here: reading cells
(workbook_child), or what becomes of rows (sheets).
"""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, BinaryIO

import msgspec

from schemas.errors import DumpUnreadableError
from tasks.ingest import workbook_child
from tasks.ingest.listing import scratch_file
from tasks.ingest.workbook_child import Failed, Message, Unreadable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tasks.ingest.streams import TextStream
    from tasks.ingest.workbook_child import Order

_CHUNK = 1 << 20
_LENGTH_BYTES = 8
_ENDED_BY_ITSELF = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGXCPU)
_DECODER = msgspec.msgpack.Decoder(Message)


@contextlib.contextmanager
def as_file(text: TextStream) -> Iterator[BinaryIO]:
    """A raw file as one that a process can be given: the stored one, or a copy of what decompresses.

    Raises:
        DumpUnreadableError: there is no room for a copy.
    """
    stored = text.whole()
    with contextlib.ExitStack() as stack:
        if stored is None or not _has_number(stored):
            source, stored = text if stored is None else stored, stack.enter_context(scratch_file())
            _copy(source, stored)
        stored.seek(0)
        yield stored


def messages(stored: BinaryIO, order: Order) -> Generator[Message, None, None]:
    """What the child says of a file, given an order without a path; if it dies, the last message says so."""
    with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
        yield from _heard(stored, msgspec.structs.replace(order, packed=f"{folder}/packed.xlsx"))


def _heard(stored: BinaryIO, order: Order) -> Iterator[Message]:
    program = [sys.executable, "-P", workbook_child.__file__, msgspec.json.encode(order).decode()]
    with subprocess.Popen(  # noqa: S603  # the program is this very interpreter, and no shell reads its arguments
        program, stdin=stored, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None  # noqa: S101  # for the type checker: PIPE was asked for
        try:
            while (data := _next(child.stdout)) is not None:
                yield _DECODER.decode(data)
            child.wait()
        finally:
            child.kill()  # if nobody wanted to hear the end
    if child.returncode:
        yield _death(child.returncode, order)


def _next(pipe: IO[bytes]) -> bytes | None:
    """The next message, or None at the end, be it in the middle of one."""
    head = pipe.read(_LENGTH_BYTES)
    size = int.from_bytes(head, "little")
    data = pipe.read(size) if len(head) == _LENGTH_BYTES else b""
    return data if data and len(data) == size else None


def _death(code: int, order: Order) -> Unreadable | Failed:
    """Why the child died. An allocation that fails is an abort in Rust; what kills is somebody else, or the machine."""
    if code > 0:
        return Failed(f"its reader ended with exit code {code}")
    name = signal.Signals(-code).name
    limits = f"{order.most_memory:,} bytes of memory and {order.most_seconds:,} seconds"
    if -code in _ENDED_BY_ITSELF:
        return Unreadable(f"its reader was ended by {name}; it may take {limits}")
    return Failed(f"its reader was ended by {name}")


def _has_number(stored: BinaryIO) -> bool:
    try:
        stored.fileno()
    except (OSError, io.UnsupportedOperation):
        return False
    return True


def _copy(source: TextStream | BinaryIO, copy: BinaryIO) -> None:
    while chunk := source.read(_CHUNK):
        try:
            copy.write(chunk)
        except OSError as error:
            fix = "Make room where temporary files go (TMPDIR)."
            raise DumpUnreadableError(f"can't be copied to read it: {error.strerror}", fix=fix) from error
    copy.flush()
