"""Originals: the raw files of a version as they were cleaned, from the dump or from the archive.

Belongs here: whether either still has a raw file's bytes, what is wrong if not, and opening what has them. Does not
belong here: making the archive's copies (tasks/store/archive), or what the bytes hold.

Bytes count only when all of them together have the sha256 that the manifest says, so each file is read to its end
before any of it is handed on. Where it has another one, the checksums of its chunks tell where it differs.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import WinnowError
from tasks.ingest.chunks import ChunkSums, differences
from tasks.ingest.listing import open_raw
from tasks.store.archive import copy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from schemas.records import RawFile
    from tasks.store.home import Store

#: Bytes that are hashed at once.
_PIECE = 1 << 20


@dataclass(frozen=True)
class Original:
    """What is left of a raw file.

    Attributes:
        stream: its bytes as stored, from the first on, readable at any place; None when nothing has them any more.
        place: `dump` or `archive`, where the bytes are from.
        dump_trouble: what is wrong with it in the dump; empty when nothing is.
        archive_trouble: what is wrong with its copy in the archive; empty when nothing is, or when there is none.
    """

    stream: BinaryIO | None
    place: str
    dump_trouble: str
    archive_trouble: str

    @property
    def trouble(self) -> str:
        """Why there is no stream."""
        archived = f"; the archived copy {self.archive_trouble}" if self.archive_trouble else ""
        return f"the dump {self.dump_trouble}{archived}"


@contextlib.contextmanager
def original(
    store: Store, dataset: str, raw_root: str | None, raw: RawFile, *, both: bool = False
) -> Iterator[Original]:
    """Opens a raw file as it was cleaned: from the dump, or from the archive where the dump does not have it any more.

    Args:
        store: holds the archive.
        dataset: whose raw file it is.
        raw_root: where the dumps lie; None looks into the archive only.
        raw: the file.
        both: whether the archive is looked at although the dump is sound.
    """
    dump_trouble, archive_trouble = "was not looked at", ""
    with contextlib.ExitStack() as stack:
        found: BinaryIO | None = None
        place = "dump"
        if raw_root is not None:
            found, dump_trouble = _sound(stack, lambda: open_raw(f"{raw_root}/{raw.path}"), raw)
        if raw.archive and (both or found is None):
            copy, archive_trouble = _sound(stack, lambda: copy_of(store, dataset, raw), raw)
            if found is None:
                found, place = copy, "archive"
        yield Original(found, place, dump_trouble, archive_trouble)


def _sound(
    stack: contextlib.ExitStack, opened: Callable[[], contextlib.AbstractContextManager[BinaryIO]], raw: RawFile
) -> tuple[BinaryIO | None, str]:
    """The stream at its first byte if it has the raw file's bytes; or else what is wrong with it."""
    try:
        stream = stack.enter_context(opened())
    except WinnowError as error:
        return None, f"can't be opened: {error}"
    if trouble := _trouble(stream, raw):
        return None, trouble
    stream.seek(0)
    return stream, ""


def _trouble(stream: BinaryIO, raw: RawFile) -> str:
    digest, sums = hashlib.sha256(), ChunkSums()
    try:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            sums.update(piece)
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        return f"can't be read behind byte {sums.size:,}: {reason}"
    if digest.hexdigest() in (raw.sha256, raw.blanked) and sums.size == raw.size:
        return ""
    told = differences(raw, sums) or "other bytes"
    return f"has changed since: {told}; its sha256 is {digest.hexdigest()}"
