"""Reader: one raw file as blocks of records and rejects, and a report of what was read.

Belongs here: choosing the reader of the format, and keeping the books over all of them. Does not belong here: any
format's own ways, or finding and opening files (listing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

from schemas.policies import Limits
from schemas.records import RawFile
from tasks.ingest.blocks import ReadRequest
from tasks.ingest.columnar import read_columnar
from tasks.ingest.delimited import read_delimited
from tasks.ingest.dialects import Compression, Dialect
from tasks.ingest.jsonl import read_jsonl
from tasks.ingest.reconcile import Tally
from tasks.ingest.sheets import read_sheet
from tasks.ingest.streams import TextStream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    import polars as pl

    from schemas.policies import Source
    from tasks.ingest.blocks import Block, FileFacts

#: A plan is made for each block, so that small blocks cost more; greater ones gain nothing and take more memory.
BLOCK_SIZE = 12 << 20
MAX_RECORD_BYTES = Limits().max_record_bytes


class _FormatReader(Protocol):
    def __call__(self, text: TextStream, request: ReadRequest, /) -> Generator[Block, None, FileFacts]: ...


_READERS: dict[str, _FormatReader] = {
    "csv": read_delimited,
    "jsonl": read_jsonl,
    "parquet": read_columnar,
    "xlsx": read_sheet,
}
#: Formats whose records are no stretch of bytes: their decompressed text is of no use to a later stage.
_PLACELESS = ("parquet", "xlsx")


class RecordReader:
    r"""Reads one raw file, once, in memory that depends on the size of a block and not on the file's.

    Nothing in the file stops it, columns that drifted as `Source(drift=...)` does not bear excepted: what can't be
    parsed is rejected with its bytes, and a stream that breaks off ends in a rejected record. After each block and at
    the end the books are checked (law 1). The blocks together are the same for every `block_size`.

    Example:
        >>> import io
        >>> from schemas.policies import Source
        >>> source = Source("{partition}.csv")
        >>> reader = RecordReader(io.BytesIO(b"id,n\n1,x\n2\n"), path="a.csv", source=source, columns=["id", "n"])
        >>> [(block.records["id"].to_list(), block.rejects["_raw"].to_list()) for block in reader]
        [(['1'], [b'2\n'])]
        >>> reader.report.records
        2
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        path: str,
        source: Source,
        columns: Sequence[str],
        block_size: int = BLOCK_SIZE,
        max_record_bytes: int | None = None,
        copy: Callable[[], BinaryIO] | None = None,
        dtypes: Mapping[str, pl.DataType] | None = None,
    ) -> None:
        """Prepares to read; the stream stays the caller's to close.

        Args:
            stream: stands at the file's first byte.
            path: the file's, relative to the raw root; its suffixes tell the format that `source` leaves open.
            source: how the file is written.
            columns: the declared ones, in the order in which they are wanted.
            block_size: bytes of text read at once.
            max_record_bytes: the longest record that is parsed, less than 4 GiB; None is what `source` says.
            copy: opens a place for the decompressed text; called if the file is compressed, and is text.
            dtypes: the declared types of columns, held against those that a Parquet file stores.

        Raises:
            DeclarationError: neither declaration nor name tell the format, or the dialect is impossible.
        """
        self.path = path
        dialect = Dialect.of(path, source)
        longest = max_record_bytes or source.limits.max_record_bytes
        self._request = ReadRequest(
            path, dialect, tuple(columns), block_size, longest, source.drift, source, dtypes or {}
        )
        self._stream = stream
        self._copy = copy
        self._begun = False
        self._report: RawFile | None = None

    def __iter__(self) -> Iterator[Block]:
        """Yields the blocks; at least one record or reject is in each.

        Raises:
            HeaderError: the file's columns are not the declared ones, in a way that stops the partition.
            DumpUnreadableError: the disk or the network failed.
            BooksError: records and rejects are not the file; a defect.
        """
        if self._begun:
            message = "a RecordReader reads its stream once"
            raise RuntimeError(message)
        self._begun = True
        return self._blocks()

    @property
    def report(self) -> RawFile:
        """What was read.

        Raises:
            RuntimeError: the end has not been reached.
        """
        if self._report is None:
            message = "the report is there when all blocks have been read"
            raise RuntimeError(message)
        return self._report

    def _blocks(self) -> Iterator[Block]:
        text = TextStream(
            self._stream,
            self.path,
            self._request.dialect.named_compression,
            limits=self._request.source.limits,
            # A workbook is a zip archive itself.
            may_be_archive=self._request.dialect.format != "xlsx",
        )
        if self._copy and text.compression is not Compression.NONE and self._request.dialect.format not in _PLACELESS:
            text.copy_to(self._copy())
        tally = Tally(self.path)
        blocks = _READERS[self._request.dialect.format](text, self._request)
        while True:
            try:
                block = next(blocks)
            except StopIteration as end:
                facts: FileFacts = end.value
                break
            tally.add(block)
            yield block
        text_size = None if facts.header_size is None else text.size
        tally.close(text_size=text_size, header_size=facts.header_size, footer_records=facts.footer_records)
        self._report = self._told(text, facts, text_size, tally.records)

    def _told(self, text: TextStream, facts: FileFacts, text_size: int | None, records: int) -> RawFile:
        size, sha256 = text.finish()
        return RawFile(
            path=self.path,
            size=size,
            sha256=sha256,
            format=self._request.dialect.format,
            compression=text.compression,
            text_size=text_size,
            header_size=facts.header_size,
            records=records,
            notes=(*self._compression_notes(text, size), *facts.notes),
            drift=facts.drift,
            dialect=facts.dialect,
            chunks=text.sums.hex,
        )

    def _compression_notes(self, text: TextStream, size: int) -> tuple[str, ...]:
        named = self._request.dialect.named_compression
        told = (f"compression is {text.compression} where the name says {named}",)
        return (*(told if size and named != text.compression else ()), *((text.broken,) if text.broken else ()))
