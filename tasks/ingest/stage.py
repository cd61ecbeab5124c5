"""Ingest as a stage: a partition's raw files, read block by block, judged, and staged in the store.

Belongs here: reading files one after another, recognising one that was delivered twice, writing what comes of each
block. Does not belong here: how a format is read (reader and its formats), or how a row is judged (tasks/validate).
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import polars as pl

from schemas.errors import DumpChangedError, GateError, shown
from schemas.records import INPUT, RULES, RawFile, RejectCount
from tasks.audit.review.decisions import Decided, holding
from tasks.erasure.journal import originals_of_blanked
from tasks.ingest.ahead import ahead
from tasks.ingest.blocks import record_schema
from tasks.ingest.dialects import Dialect
from tasks.ingest.listing import list_raw, open_raw, raw_size, stamp_of
from tasks.ingest.reader import RecordReader
from tasks.ingest.streams import TextStream
from tasks.job import Job, Staged, StagedFile
from tasks.publish.contract import contract_fingerprint
from tasks.store.archive import path_of_copy
from tasks.store.paths import staging_key
from tasks.store.reviews import concerning, read_reviews
from tasks.validate.screening import Judged, Screening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from io import BufferedReader
    from typing import BinaryIO

    from schemas.dataset import Dataset
    from schemas.policies import Source
    from tasks.ingest.blocks import Block
    from tasks.store.home import Store


#: Rows of a block that is judged all at once.
_FEW = 20_000


def stage_partition(
    job: Job, store: Store, dataset: Dataset, *, progress: Callable[[float], None] = lambda _share: None
) -> Staged:
    """Reads and judges all raw files of a partition, in the order of their paths.

    Args:
        job: names the partition and where its raw files lie.
        store: receives the staged objects.
        dataset: says how the files are read, and what a good row is.
        progress: called after each block with the share of the raw files' bytes that is read, from 0 to 1.

    Raises:
        DumpMissingError, DumpUnreadableError: there is no raw file, or one can't be read.
        HeaderError: the columns of one are not the declared ones.
        BooksError: the records of one don't add up to its bytes.
    """
    staging = _Staging(job, store, dataset)
    paths = list_raw(job.raw_root, dataset.source.pattern, job.partition)
    sizes = [raw_size(f"{job.raw_root}/{path}") for path in paths]
    for number, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        first = _delivered_before(job, dataset.source, path, size, staging.files)
        with open_raw(f"{job.raw_root}/{path}") as stream:
            report = functools.partial(_report, progress, stream, sum(sizes[:number]), sum(sizes))
            staging.read(number, path, stream, first, report)
    return staging.done()


def _report(progress: Callable[[float], None], stream: BinaryIO, before: int, total: int) -> None:
    progress(min(1.0, (before + stream.tell()) / total) if total else 1.0)


class _Judged(NamedTuple):
    """A block that was read and judged, and what of it is staged."""

    records: pl.DataFrame | None
    rejects: pl.DataFrame
    judged: Judged | None
    redelivered: bool


class _Staging:
    """What has come of a partition's blocks so far."""

    def __init__(self, job: Job, store: Store, dataset: Dataset) -> None:
        self.job, self.store, self.dataset = job, store, dataset
        self.contract = contract_fingerprint(job.declaration)
        self.originals = originals_of_blanked(store, job.dataset)
        self.reviews = read_reviews(store, job.dataset) if dataset.reviewed else ()
        self.decided = Decided(holding(self.reviews, dataset.reviewed)) if self.reviews and dataset.reviewed else None
        self.screening = Screening(dataset, reviewed=self.decided is not None)
        self.files: list[StagedFile] = []
        self.reasons: collections.Counter[str] = collections.Counter()
        self.counts: collections.Counter[str] = collections.Counter()
        self.keys: dict[str, list[str]] = {"candidates": [], "flagged": [], "touched": []}

    def read(
        self, number: int, path: str, stream: BufferedReader, first: RawFile | None, report: Callable[[], None]
    ) -> None:
        """Stages one raw file; of a redelivery only what the ledger needs, for its records are judged already."""
        stamp = stamp_of(stream)
        keys: dict[str, list[str]] = {"records": [], "rejects": []}
        with contextlib.ExitStack() as stack:
            text = _Text(self.store, staging_key(self.job.dataset, self.job.partition, f"text-{number:05d}"), stack)
            source, columns = self.dataset.source, self.screening.names
            dtypes = self.screening.dtypes
            reader = RecordReader(stream, path=path, source=source, columns=columns, copy=text.open, dtypes=dtypes)
            # What was decided is told by the file's identity, which is known before it is read only where it matters.
            known = self._identity(path) if self.decided else ""
            judged = self._judged(ahead(reader), number, known, redelivered=bool(first))
            for index, each in enumerate(ahead(judged)):
                self._enter(each, f"{number:05d}-{index:05d}", keys)
                report()
        raw = self._identified(reader.report)
        if known and raw.sha256 != known:
            raise DumpChangedError("it changed while it was read", where=shown(path), fix="Run it again.")
        if first and raw.sha256 != first.sha256:
            raise DumpChangedError("it changed while it was read", where=shown(path), fix="Run it again.")
        if first:
            raw = msgspec.structs.replace(raw, redelivery_of=first.path)
        if source.archive_raw:
            raw = msgspec.structs.replace(raw, archive=path_of_copy(raw))
        header, records, rejects = self._header(raw), tuple(keys["records"]), tuple(keys["rejects"])
        self.files.append(StagedFile(raw, header, records, rejects, text.key if text.opened else None, stamp))

    def _identified(self, raw: RawFile) -> RawFile:
        """A raw file of which records were blanked, under the identity that it had before."""
        original = self.originals.get(raw.sha256)
        return msgspec.structs.replace(raw, sha256=original, blanked=raw.sha256) if original else raw

    def _identity(self, path: str) -> str:
        found = _sha256(f"{self.job.raw_root}/{path}")
        return self.originals.get(found, found)

    def _judged(self, blocks: Iterable[Block], number: int, known: str, *, redelivered: bool) -> Iterator[_Judged]:
        numbered = (pl.lit(number, pl.UInt32).alias(INPUT), pl.all())
        for block in blocks:
            records, rejects = block.records.lazy().select(numbered), block.rejects.lazy().select(numbered).collect()
            reviewed = self.decided.beside(records, known) if self.decided else records
            few = block.records.height <= _FEW
            judged = self.screening.judge(reviewed, small=few) if block.records.height and not redelivered else None
            # Of what can be parsed again, nothing is kept but what the judge made of it.
            kept = records.collect() if redelivered or not block.has_places else None
            yield _Judged(kept, rejects, judged, redelivered)

    def _enter(self, block: _Judged, name: str, keys: dict[str, list[str]]) -> None:
        if block.records is not None and block.records.height:
            keys["records"].append(self._write("records", name, block.records))
        if block.rejects.height:
            keys["rejects"].append(self._write("rejects", name, block.rejects))
        if not block.redelivered:
            self.reasons.update(block.rejects.get_column(RULES).explode().to_list())
        if block.judged:
            self._keep(name, block.judged)

    def _keep(self, name: str, judged: Judged) -> None:
        self.counts.update({key: value or 0 for key, value in judged.counts.items()})
        for kind in self.keys:
            frame: pl.DataFrame = getattr(judged, kind)
            # The first one is written even if it is empty, for its schema.
            if frame.height or not self.keys[kind]:
                self.keys[kind].append(self._write(kind, name, frame))

    def _write(self, kind: str, name: str, frame: pl.DataFrame) -> str:
        # What is staged is read once and thrown away. Candidates are nearly all rows: they are not even compressed.
        if kind == "candidates":
            key = staging_key(self.job.dataset, self.job.partition, f"{kind}-{name}.arrow")
            self.store.write_file(key, frame.write_ipc)
        else:
            key = staging_key(self.job.dataset, self.job.partition, f"{kind}-{name}.parquet")
            # Row groups that are small, because polars reads several of them ahead.
            settings: dict[str, Any] = {"compression": "lz4", "statistics": False, "row_group_size": 1 << 14}
            self.store.write_file(key, lambda path: frame.write_parquet(path, **settings))
        return key

    def _header(self, raw: RawFile) -> bytes:
        if not raw.header_size:
            return b""
        with open_raw(f"{self.job.raw_root}/{raw.path}") as stream:
            return TextStream(stream, raw.path).read(raw.header_size)

    def done(self) -> Staged:
        """All of it, after the last file."""
        if not self.keys["candidates"]:
            empty = pl.DataFrame(schema={INPUT: pl.UInt32, **record_schema(self.screening.names)})
            nothing = self.decided.beside(empty.lazy(), "") if self.decided else empty.lazy()
            self._keep("none", self.screening.judge(nothing))
        return Staged(
            files=tuple(self.files),
            rejects=tuple(RejectCount(reason, records) for reason, records in sorted(self.reasons.items())),
            candidates=tuple(self.keys["candidates"]),
            flagged=tuple(self.keys["flagged"]),
            touched=tuple(self.keys["touched"]),
            steps=self.screening.plan.step_counts(self.counts),
            contract=self.contract,
            reviews=concerning(self.reviews, {file.raw.sha256 for file in self.files}),
        )


class _Text:
    """The decompressed text of a file as a staged object, made when it is asked for."""

    def __init__(self, store: Store, key: str, stack: contextlib.ExitStack) -> None:
        self.key, self.opened = key, False
        self._store, self._stack = store, stack

    def open(self) -> BinaryIO:
        """A stream to write the text to, closed with the stack."""
        self.opened = True
        path = self._stack.enter_context(self._store.writing(self.key))
        return self._stack.enter_context(Path(path).open("wb"))


def same_files(job: Job, dataset: Dataset, inputs: Sequence[RawFile]) -> bool:
    """Whether a partition's raw files are these, by path and content; files are hashed only if all sizes agree.

    Raises:
        DumpMissingError, DumpUnreadableError: there is no raw file, or one can't be read.
    """
    paths = list_raw(job.raw_root, dataset.source.pattern, job.partition)
    found = [(path, raw_size(f"{job.raw_root}/{path}")) for path in paths]
    if found != [(raw.path, raw.size) for raw in inputs]:
        return False
    return all(_sha256(f"{job.raw_root}/{raw.path}") in (raw.sha256, raw.blanked) for raw in inputs)


def _sha256(url: str) -> str:
    with open_raw(url) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _delivered_before(job: Job, source: Source, path: str, size: int, files: list[StagedFile]) -> RawFile | None:
    """The first delivery of the same bytes, if this is another; only a file of a size seen before is read for that.

    Raises:
        GateError: the same bytes lie there under names of two formats, and would give two records one identity.
    """
    candidates = [file.raw for file in files if not file.raw.redelivery_of and file.raw.size == size]
    if not candidates:
        return None
    digest = _sha256(f"{job.raw_root}/{path}")
    first = next((raw for raw in candidates if (raw.blanked or raw.sha256) == digest), None)
    form = Dialect.of(path, source).format
    if first and first.format != form and first.size:
        raise GateError(
            f"it has the same bytes as {shown(first.path)}, but is read as {form}",
            expected=first.format,
            where=shown(path),
            fix="Remove one of them, or declare Source(format=...).",
        )
    return first
