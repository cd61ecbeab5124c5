"""Pictures: charts as they stand in an artifact, drawn and packed into the text.

Belongs here: drawing what is described in the words of Vega-Lite, and quoting it in markdown. Does not belong here:
what a chart shows (trend, backfill).

No page of Prefect's draws a script, and none may fetch a picture.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING

from schemas.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def drawn(chart: Mapping[str, object]) -> bytes:
    """A chart as a PNG.

    Raises:
        MissingExtraError: what draws it is not installed.
    """
    try:
        import vl_convert
    except ImportError:
        raise MissingExtraError.of("vl-convert-python", "report") from None
    return packed(vl_convert.vegalite_to_png(dict(chart), scale=1.5))


def in_markdown(png: bytes, words: str) -> str:
    """A picture inside a text, with words for those who don't see it."""
    return f"![{words}](data:image/png;base64,{base64.b64encode(png).decode()})"


def packed(png: bytes) -> bytes:
    """The same picture in a fifth of the bytes: what draws it is in a hurry, and Prefect's database keeps each one.

    PNG (RFC 2083): chunks of length, name, data and checksum; those called IDAT hold one stream of zlib.
    """
    at, before, data, after = len(_SIGNATURE), [_SIGNATURE], b"", b""
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        name, whole = png[at + 4 : at + 8], png[at : at + 12 + size]
        if name == b"IDAT":
            data += whole[8:-4]
        elif data:
            after += whole
        else:
            before.append(whole)
        at += len(whole)
    smaller = b"IDAT" + zlib.compress(zlib.decompress(data), 9)
    chunk = struct.pack(">I", len(smaller) - 4) + smaller + struct.pack(">I", zlib.crc32(smaller))
    return b"".join([*before, chunk, after])
