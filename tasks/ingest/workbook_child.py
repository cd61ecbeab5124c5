"""Workbook child: a program that reads one sheet of an XLSX file and prints its rows as text.

Belongs here: everything between the file's bytes and the text of its cells. Does not belong here: which row is the
header, or what becomes of a row (sheets). It is run as a script, in a process of its own (workbook), and imports
nothing of Winnow.

calamine holds a sheet as a rectangle of cells: two cells far apart, a file of two kilobytes, make it ask for more
memory than there is, and then Rust ends the process. A limit on this process's memory and time makes that end cheap.

Before calamine gets it, the file is packed anew: each member that matters is read once, its size and checksum tested,
and what calamine would alter or lose in silence is turned into text as it is stored: error cells (it takes them for
empty ones), ISO 8601 dates, whole numbers of more digits than a double holds, numbers beyond its range, and dates
before the first one.

| cell | text |
| --- | --- |
| number, percentage, currency | the shortest decimal that reads back as the stored double: `7`, `0.1`, `1e+20` |
| whole number of 16 or more digits | as stored: `9007199254740993` |
| boolean, error | `true`, `#N/A` |
| date; date and time | `2026-11-01`; `2026-11-01T23:59:59.500`, to the millisecond, of the 1900 or the 1904 system |
| time, a date format on a number below 1 | `23:59:59` |
| duration (`[h]:mm`) | hours, minutes, seconds: `26:30:00` |
| text, rich text | itself, without the formats |
| formula | its stored result |
| empty cell, text of no characters | null |
"""

from __future__ import annotations

import collections
import datetime as dt
import errno
import re
import resource
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import msgspec
import python_calamine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

Cell = str | int | None

_FIRST_ROWS = 1_000
_BATCH_CELLS = 1 << 17
#: Parts of a package that say nothing about cells, and can be greater than all that do.
_BESIDE = re.compile(
    r"(docprops|customxml|xl/(charts|comments|ctrlprops|drawings|externallinks|media|persons|pivotcache|pivottables|"
    r"printersettings|querytables|slicers|slicercaches|tables|theme|threadedcomments|calcchain))\b",
    re.IGNORECASE,
)
_OPEN_CELL = rb"(<(?:\w+:)?c\b[^<>]*"
_FORMULA = rb"(?:<(?:\w+:)?f\b[^<>]*>[^<]*</(?:\w+:)?f>|<(?:\w+:)?f\b[^<>]*/>)?"
_TYPE = re.compile(rb"""\st\s*=\s*["'](\w*)["']""")
_STYLE = re.compile(rb"""\ss\s*=\s*["'](\d+)["']""")
_ERROR_OR_ISO = re.compile(_OPEN_CELL + rb"""?\st\s*=\s*["'])[ed](["'])""")
#: One of these stands in a member that `_ERROR_OR_ISO` finds anything in, and is found much faster.
_MARKS = (b'"e"', b"'e'", b'"d"', b"'d'")
#: More digits than a double holds, or so many digits in the exponent that it may be beyond its range.
_INEXACT = rb"-?[0-9]{16,}|[-+.0-9]+[eE][-+]?[0-9]{3,}"
_VALUE = _OPEN_CELL + rb")(>\s*" + _FORMULA + rb"\s*<(?:\w+:)?v>)(?:%s)(?=</)"
#: calamine takes what is no number for the number 0. Two patterns, each of which begins with what is rare.
_SHARED_WITHOUT_NUMBER = [
    re.compile(quoted + rb"[^<>]*>\s*" + _FORMULA + rb"\s*<(?:\w+:)?v>(?![0-9]+<|</)") for quoted in (b'"s"', b"'s'")
]
_UNCALCULATED = re.compile(rb"</(?:\w+:)?f>\s*(?:(?:<v\s*/>|<v>\s*</v>)\s*)?</(?:\w+:)?c>")
#: Number formats that come with Excel and show no date.
_PLAIN_FORMATS = {*range(14), *range(37, 45), 48, 49}


class _UnreadableError(Exception):
    """The file can't be read; the message says why."""


class _TooGreatError(Exception):
    """The package's members together have this many bytes."""


class Order(msgspec.Struct, frozen=True):
    """What the child is asked for.

    Attributes:
        packed: path for the file packed anew; ends in `.xlsx`.
        sheet: its name, or its number from 1; None is the only one with data.
        most_bytes: of the package's members together, decompressed.
        most_memory: bytes of address space that the child may take.
        most_seconds: of processor time that it may take.
        row_characters: of the longest row whose cells are told.
        batch_characters: of a batch, about.
    """

    packed: str
    sheet: str | int | None
    most_bytes: int
    most_memory: int
    most_seconds: int
    row_characters: int
    batch_characters: int


class Batch(msgspec.Struct, frozen=True, tag=True):
    """Rows that stand one below the other; the first batch begins with the sheet's row 1.

    Attributes:
        columns: for each column of the sheet's used area its cells; an int is the ordinal of a date without a time.
        long: by the position of a row in the batch the characters of one that is too long; its cells are null.
        textless: the same for one with a value that has no text, and why.
    """

    columns: list[list[Cell]]
    long: dict[int, int]
    textless: dict[int, str]


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The first message about a sheet that can be read: the position of its first column, and what is odd about it."""

    first_column: int
    notes: tuple[str, ...]


class Choice(msgspec.Struct, frozen=True, tag=True):
    """The only message if no sheet is the one: `found` is asked for, and these are there or have data."""

    found: str | None
    sheets: list[str]


class Unreadable(msgspec.Struct, frozen=True, tag=True):
    """The last message if the file can't be read (on): why, or how many bytes it has if that is too many."""

    reason: str
    size: int | None = None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The last message if the machine and not the file is why."""

    reason: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The last message if it can: the number of the last row in the sheet's used area."""

    rows: int


Message = Batch | Opened | Choice | Unreadable | Failed | Ended


def main() -> None:
    """Reads the file on standard input as `argv` orders, and prints messages, each behind its length."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    resource.setrlimit(resource.RLIMIT_AS, (order.most_memory, order.most_memory))
    resource.setrlimit(resource.RLIMIT_CPU, (order.most_seconds, order.most_seconds))
    encoder = msgspec.msgpack.Encoder()
    for message in read_workbook(sys.stdin.buffer, order):
        data = encoder.encode(message)
        sys.stdout.buffer.write(len(data).to_bytes(8, "little") + data)
    sys.stdout.buffer.flush()


def read_workbook(stored: BinaryIO, order: Order) -> Iterator[Message]:
    """What is to be said of a file."""
    try:
        notes = _repack(stored, order)
        # By its name, whose suffix keeps calamine from trying other formats: a stream it would read all at once.
        yield from _told(python_calamine.CalamineWorkbook.from_path(order.packed), order, notes)
    except _UnreadableError as error:
        yield Unreadable(str(error))
    except _TooGreatError as error:
        yield Unreadable("too great", size=error.args[0])
    except OSError as error:
        # A place in the file that can't be one is the file's fault; a full disk is not.
        end = Unreadable if error.errno in (None, errno.EINVAL) else Failed
        yield end(error.strerror or str(error))
    except (python_calamine.CalamineError, MemoryError, ValueError) as error:
        yield Unreadable(f"{type(error).__name__}: {error}")
    except BaseException as error:
        # A panic in Rust; its class can't be imported.
        if type(error).__name__ != "PanicException":
            raise
        yield Unreadable(f"calamine panicked: {error}")


# --- packing anew -----------------------------------------------------------------------------------------------------


def _repack(stored: BinaryIO, order: Order) -> tuple[str, ...]:
    uncalculated = 0
    try:
        with zipfile.ZipFile(stored) as archive, zipfile.ZipFile(order.packed, "w") as copy:
            members = _members(archive, order)
            dates = _date_styles([archive.read(each) for each in members if each.filename.lower() == "xl/styles.xml"])
            for member in members:
                data = _checked(archive.read(member), member.filename)
                uncalculated += sum(1 for _ in _UNCALCULATED.finditer(data))
                copy.writestr(member.filename, _without_loss(data, dates))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise _UnreadableError(f"no sound ZIP archive: {error}") from error
    except Exception as error:
        if type(error).__module__ in ("zlib", "struct"):
            raise _UnreadableError(f"no sound ZIP archive: {error}") from error
        raise
    return (f"formulas without a stored result, or with an empty one: {uncalculated:,}",) if uncalculated else ()


def _members(archive: zipfile.ZipFile, order: Order) -> list[zipfile.ZipInfo]:
    """The members that matter; no more of one is decompressed than the archive's directory tells here."""
    members = [
        each
        for each in archive.infolist()
        if each.filename.lower().endswith((".xml", ".rels")) and not _BESIDE.match(each.filename)
    ]
    twice = [name for name, times in collections.Counter(each.filename for each in members).items() if times > 1]
    if twice:
        raise _UnreadableError(f"two members of the archive are called {twice[0]}")
    size = sum(each.file_size for each in members)
    if size > order.most_bytes:
        raise _TooGreatError(size)
    return members


def _checked(data: bytes, name: str) -> bytes:
    if b"\0" in data[:4_096] or data.startswith((b"\xfe\xff", b"\xff\xfe")):
        raise _UnreadableError(f"{name} is not UTF-8")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise _UnreadableError(f"{name} has a document type declaration")
    if any(pattern.search(data) for pattern in _SHARED_WITHOUT_NUMBER):
        raise _UnreadableError(f"{name} has a shared string without a number")
    return data


def _without_loss(data: bytes, dates: set[bytes]) -> bytes:
    """A member in which the cells that calamine would alter or lose are text as it is stored."""
    if b"<v" not in data and b":v>" not in data:
        return data
    if any(mark in data for mark in _MARKS):
        data = _ERROR_OR_ISO.sub(rb"\1str\2", data)
    if re.search(rb"v>(?:%s)<" % _INEXACT, data):
        data = re.sub(_VALUE % _INEXACT, _as_text, data)
    if dates and b"v>-" in data:
        data = re.sub(_VALUE % rb"-[^<]+", lambda cell: _as_text(cell) if _style(cell[1]) in dates else cell[0], data)
    return data


def _style(opened: bytes) -> bytes:
    found = _STYLE.search(opened)
    return found[1] if found else b""


def _as_text(cell: re.Match[bytes]) -> bytes:
    opened = cell[1]
    written = _TYPE.search(opened)
    if written and written[1] != b"n":
        return cell[0]
    rest = cell[0][len(opened) :]
    return _TYPE.sub(b"", opened) + b' t="str"' + rest


def _date_styles(parts: list[bytes]) -> set[bytes]:
    """Numbers of the cell styles that show a number as a date, a time or a duration."""
    styles = b"".join(parts)
    codes = {
        number[1]: code[1]
        for tag in re.findall(rb"<(?:\w+:)?numFmt\b[^<>]*", styles)
        if (number := re.search(rb'numFmtId="(\d+)"', tag)) and (code := re.search(rb'formatCode="([^"]*)"', tag))
    }
    plain = {str(number).encode() for number in _PLAIN_FORMATS}
    plain |= {number for number, code in codes.items() if not _shows_date(code)}
    begin = styles.find(b"cellXfs")
    section = styles[begin : styles.find(b"cellXfs>", begin)] if begin >= 0 else b""
    formats = [re.search(rb'numFmtId="(\d+)"', tag) for tag in re.findall(rb"<(?:\w+:)?xf\b[^<>]*", section)]
    return {str(style).encode() for style, found in enumerate(formats) if found and found[1] not in plain}


def _shows_date(code: bytes) -> bool:
    return bool(re.search(rb"[dmyhs]", re.sub(rb"&quot;.*?&quot;|\\.|\[[^\]]{2,}\]", b"", code), re.IGNORECASE))


# --- sheets -----------------------------------------------------------------------------------------------------------


def _told(book: python_calamine.CalamineWorkbook, order: Order, notes: tuple[str, ...]) -> Iterator[Message]:
    if order.sheet is None:
        yield from _only(book, order, notes)
        return
    names = book.sheet_names
    wanted = [number for number, name in enumerate(names) if order.sheet in (name, number + 1)]
    if len(wanted) == 1:
        yield from _rows(book.get_sheet_by_index(wanted[0]), order, notes)
    else:
        yield Choice(str(order.sheet), names)


def _only(book: python_calamine.CalamineWorkbook, order: Order, notes: tuple[str, ...]) -> Iterator[Message]:
    """The only sheet with data. Of several the first is held, and of the others only the name."""
    first, others = None, []
    for number, name in enumerate(book.sheet_names):
        sheet = book.get_sheet_by_index(number)
        if sheet.start is None:
            continue
        if first is None:
            first = sheet
        else:
            others.append(name)
    if first is None:
        yield Opened(0, (*notes, "no data in any sheet"))
        yield Ended(0)
    elif others:
        yield Choice(None, [first.name, *others])
    else:
        yield from _rows(first, order, notes)


def _rows(sheet: python_calamine.CalamineSheet, order: Order, notes: tuple[str, ...]) -> Iterator[Message]:
    merged = len(sheet.merged_cell_ranges or ())
    told = (f"merged ranges, whose value stands in the first cell: {merged:,}",) if merged else ()
    if sheet.start is None:
        yield Opened(0, (*notes, "no data in the sheet"))
        yield Ended(0)
        return
    yield Opened(sheet.start[1], (*notes, *told))
    yield from _batches(sheet, order)
    yield Ended(sheet.total_height + 1)


def _batches(sheet: python_calamine.CalamineSheet, order: Order) -> Iterator[Batch]:
    waiting, most = _Waiting(sheet.width), _FIRST_ROWS
    for row in _texts(sheet):
        waiting.add(row, order.row_characters)
        if len(waiting.rows) >= most or waiting.characters >= order.batch_characters:
            yield waiting.batch()
            waiting, most = _Waiting(sheet.width), max(1, _BATCH_CELLS // sheet.width)
    if waiting.rows:
        yield waiting.batch()


class _Waiting:
    """Rows for the next batch."""

    def __init__(self, width: int) -> None:
        self._nothing: list[Cell] = [None] * width
        self._long: dict[int, int] = {}
        self._textless: dict[int, str] = {}
        self.rows: list[list[Cell]] = []
        self.characters = 0

    def add(self, row: list[Cell] | str, most: int) -> None:
        """A row of no more characters than that, or why it has no text."""
        if isinstance(row, str):
            self._textless[len(self.rows)] = row
            self.rows.append(self._nothing)
            return
        characters = sum(len(cell) for cell in row if isinstance(cell, str))
        if characters > most:
            self._long[len(self.rows)] = characters
            self.rows.append(self._nothing)
            return
        self.rows.append(row)
        self.characters += characters

    def batch(self) -> Batch:
        return Batch([list(column) for column in zip(*self.rows, strict=True)], self._long, self._textless)


def _texts(sheet: python_calamine.CalamineSheet) -> Iterator[list[Cell] | str]:
    """The rows as text, from the sheet's first on; of one that has a value without a text why it has none."""
    rows = sheet.iter_rows()
    while True:
        try:
            row = next(rows, None)
            if row is None:
                return
            yield [_TEXTS[type(value)](value) for value in row]
        except (OverflowError, ValueError) as error:
            yield f"a value that has no text: {error}"


def _of_float(value: float) -> str:
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def _of_time(value: dt.time | dt.datetime) -> str:
    return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")


def _of_duration(value: dt.timedelta) -> str:
    milliseconds = round(abs(value) / dt.timedelta(milliseconds=1))
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{'-' if value < dt.timedelta() else ''}{minutes // 60:02}:{minutes % 60:02}:{rest // 1_000:02}"
    return f"{text}.{rest % 1_000:03}" if rest % 1_000 else text


_TEXTS: dict[type, Callable[[Any], Cell]] = {
    str: lambda value: value or None,
    float: _of_float,
    int: str,
    bool: lambda value: "true" if value else "false",
    dt.date: dt.date.toordinal,
    dt.datetime: _of_time,
    dt.time: _of_time,
    dt.timedelta: _of_duration,
}


if __name__ == "__main__":
    main()
