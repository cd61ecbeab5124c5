"""Ingest as a stage: a partition's raw files become staged records in the store.

Belongs here: reading files one after another, recognising one that was delivered twice, writing what the readers
yield. Does not belong here: how a format is read (reader and its formats), or what becomes of a record.
"""

from __future__ import annotations

import collections
import functools
import hashlib
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.records import INPUT, RULES, RawFile, RejectCount
from tasks.ingest.listing import list_raw, open_raw, raw_size
from tasks.ingest.reader import RecordReader
from tasks.job import Job, Staged, StagedFile
from tasks.store.paths import staging_key
from tasks.store.sinks import ROW_GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from schemas.dataset import Dataset
    from tasks.store.home import Store


def stage_partition(
    job: Job, store: Store, dataset: Dataset, *, progress: Callable[[float], None] = lambda _share: None
) -> Staged:
    """Reads all raw files of a partition into staged Parquet, in the order of their paths.

    Args:
        job: names the partition and where its raw files lie.
        store: receives the staged objects.
        dataset: says how the files are read.
        progress: called after each block with the share of the raw files' bytes that is read, from 0 to 1.

    Raises:
        DumpMissingError, DumpUnreadableError: there is no raw file, or one can't be read.
        HeaderError: the columns of one are not the declared ones.
        BooksError: the records of one don't add up to its bytes.
    """
    columns = [column.name for column in dataset.columns]
    paths = list_raw(job.raw_root, dataset.source.pattern, job.partition)
    sizes = [raw_size(f"{job.raw_root}/{path}") for path in paths]
    files: list[StagedFile] = []
    reasons: collections.Counter[str] = collections.Counter()
    for number, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        first = _delivered_before(job, path, size, files)
        if first is not None:
            again = msgspec.structs.replace(first, path=path, redelivery_of=first.path)
            files.append(StagedFile(raw=again, blocks=(), rejects=()))
            continue
        with open_raw(f"{job.raw_root}/{path}") as stream:
            reader = RecordReader(stream, path=path, source=dataset.source, columns=columns)
            report = functools.partial(_report, progress, stream, sum(sizes[:number]), sum(sizes))
            files.append(_staged(job, store, number, reader, reasons, report))
    counts = tuple(RejectCount(reason, records) for reason, records in sorted(reasons.items()))
    return Staged(files=tuple(files), rejects=counts)


def _report(progress: Callable[[float], None], stream: BinaryIO, before: int, total: int) -> None:
    progress(min(1.0, (before + stream.tell()) / total) if total else 1.0)


def _staged(
    job: Job,
    store: Store,
    number: int,
    reader: RecordReader,
    reasons: collections.Counter[str],
    report: Callable[[], None],
) -> StagedFile:
    blocks: list[str] = []
    rejects: list[str] = []
    for index, block in enumerate(reader):
        name = f"{number:05d}-{index:05d}"
        if block.records.height:
            blocks.append(_write(job, store, f"records-{name}.parquet", block.records, number))
        if block.rejects.height:
            rejects.append(_write(job, store, f"rejects-{name}.parquet", block.rejects, number))
            reasons.update(block.rejects.get_column(RULES).explode().to_list())
        report()
    return StagedFile(raw=reader.report, blocks=tuple(blocks), rejects=tuple(rejects))


def _write(job: Job, store: Store, name: str, frame: pl.DataFrame, number: int) -> str:
    key = staging_key(job.dataset, job.partition, name)
    numbered = frame.select(pl.lit(number, pl.UInt32).alias(INPUT), pl.all())
    store.write_file(
        key,
        lambda path: numbered.write_parquet(path, compression="lz4", statistics=False, row_group_size=ROW_GROUP),
    )
    return key


def same_files(job: Job, dataset: Dataset, inputs: Sequence[RawFile]) -> bool:
    """Whether a partition's raw files are these, by path and content; files are hashed only if all sizes agree.

    Raises:
        DumpMissingError, DumpUnreadableError: there is no raw file, or one can't be read.
    """
    paths = list_raw(job.raw_root, dataset.source.pattern, job.partition)
    found = [(path, raw_size(f"{job.raw_root}/{path}")) for path in paths]
    if found != [(raw.path, raw.size) for raw in inputs]:
        return False
    return all(_sha256(f"{job.raw_root}/{raw.path}") == raw.sha256 for raw in inputs)


def _sha256(url: str) -> str:
    with open_raw(url) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _delivered_before(job: Job, path: str, size: int, files: list[StagedFile]) -> RawFile | None:
    """The first delivery of the same bytes, if this is another; only a file of a size seen before is read for that."""
    candidates = [file.raw for file in files if not file.raw.redelivery_of and file.raw.size == size]
    if not candidates:
        return None
    digest = _sha256(f"{job.raw_root}/{path}")
    return next((raw for raw in candidates if raw.sha256 == digest), None)
