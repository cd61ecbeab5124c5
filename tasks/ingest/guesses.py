"""Guesses: the encodings that a text's first bytes allow, the likeliest first.

Belongs here: judging bytes. Does not belong here: matching what they say with a declaration (sniffing).

A byte order mark decides, and so does valid UTF-8, which text in another encoding hardly ever is by chance. Nothing of
that kind tells windows-1252: almost any bytes are text in it. It is guessed only if everything speaks for it, since the
price of a mistake differs: a file that is wrongly taken for UTF-8 loses records to the ledger, with their bytes and the
reason, and one that is wrongly taken for windows-1252 fills the table with text that nobody wrote.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from schemas.errors import HeaderError, shown
from tasks.ingest.encodings import UNDEFINED

if TYPE_CHECKING:
    from schemas.policies import DeclaredEncoding
    from schemas.records import Encoding

_MARKS: dict[bytes, Encoding] = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
#: First bytes of which one is zero in UTF-16: that of a line end or a delimiter, if not those of most letters.
_FIRST_LINES = 4_096
#: Bytes that are no UTF-8 for each character that is, from which on the characters are thought to be chance.
_CHANCE = 20
#: Fewer bytes that are no UTF-8 are rather damage to a file than its language.
_FEWEST = 4
#: What stands in text in windows-1252: letters and signs, tab, line ends, form feed, and DOS's end of file.
_WESTERN = bytes(sorted({*b"\t\n\r\f\x1a", *range(0x20, 0x7F), *range(0x80, 0x100)} - {*UNDEFINED}))
#: In Western text letters with accents stand alone, mostly; in other scripts, and in two bytes a letter, they don't.
_ALONE = 3


@dataclass(frozen=True)
class Guess:
    """An encoding that a text may have.

    Attributes:
        encoding: of its characters.
        mark: the byte order mark with which it begins, or nothing.
        why: what told it, in words, if that was not the declaration and it is not plain UTF-8.
        doubt: what speaks against it, in words.
    """

    encoding: Encoding
    mark: bytes = b""
    why: str = ""
    doubt: str = ""


def guesses_of(sample: bytes, *, whole: bool, declared: DeclaredEncoding | None, path: str) -> list[Guess]:
    r"""The encodings that a text may have; several if only what the text says can decide between them.

    Args:
        sample: its first bytes.
        whole: whether these are all of it.
        declared: the encoding that it is declared to have.
        path: the file's, for messages.

    Raises:
        HeaderError: its byte order mark tells another encoding than the declared one, or one that is not read.

    Example:
        >>> [guess.encoding for guess in guesses_of(b"a\x00,\x00", whole=True, declared=None, path="a.csv")]
        ['utf-8', 'utf-16-le', 'utf-16-be']
    """
    mark = next((mark for mark in _MARKS if sample.startswith(mark)), b"")
    if mark or sample.startswith(_UTF32_MARKS):
        return [_marked(sample, mark, declared, path)]
    if declared == "utf-16":
        return _unmarked_utf16("there is no byte order mark, and so the header is one")
    if declared:
        return [Guess(declared)]
    others = _unmarked_utf16("only so the header is one") if 0 in sample[:_FIRST_LINES] else []
    return [_one_byte(sample, whole=whole), *others]


def _marked(sample: bytes, mark: bytes, declared: DeclaredEncoding | None, path: str) -> Guess:
    if sample.startswith(_UTF32_MARKS):
        fix = "Ask the source for UTF-8."
        raise HeaderError("its byte order mark tells UTF-32", expected="UTF-8 or UTF-16", where=shown(path), fix=fix)
    encoding = _MARKS[mark]
    if declared and not encoding.startswith(declared):
        fix = "Declare that, or leave Source(encoding=...) out."
        raise HeaderError(f"its byte order mark tells {encoding}", expected=declared, where=shown(path), fix=fix)
    return Guess(encoding, mark, "" if declared or encoding == "utf-8" else "its byte order mark tells it")


def _unmarked_utf16(why: str) -> list[Guess]:
    return [Guess("utf-16-le", why=why), Guess("utf-16-be", why=why)]


def _one_byte(sample: bytes, *, whole: bool) -> Guess:
    """The guess among the encodings in which a byte below 128 is one character."""
    if sample.isascii():
        return Guess("utf-8")
    try:
        codecs.utf_8_decode(sample, "strict", whole)
    except UnicodeDecodeError:
        valid, invalid = _characters(sample, whole=whole)
    else:
        return Guess("utf-8")
    told = f"{invalid:,} of the first {len(sample):,} bytes are not UTF-8"
    if invalid >= max(_FEWEST, _CHANCE * valid) and _is_western(sample):
        return Guess("windows-1252", why=f"{told} and stand as in Western European text")
    return Guess("utf-8", doubt=f"{told}; if the whole text is in another encoding, declare Source(encoding=...)")


def _characters(sample: bytes, *, whole: bool) -> tuple[int, int]:
    """How many characters beyond ASCII are UTF-8, and how many bytes are not."""
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample, whole)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    # A byte that can't be decoded has come as a surrogate, which is never decoded from UTF-8.
    invalid = int(np.count_nonzero((codes >= 0xDC80) & (codes <= 0xDCFF)))
    return int(np.count_nonzero(codes >= 0x80)) - invalid, invalid


def _is_western(sample: bytes) -> bool:
    if sample.translate(None, _WESTERN):
        return False
    high = np.frombuffer(sample, np.uint8) >= 0x80
    together = np.count_nonzero(high[1:] & high[:-1])
    return bool(together * _ALONE <= np.count_nonzero(high))
