"""Case: file number i of seed s, always the same bytes and settings.

Belongs here: every choice of a campaign, drawn from one generator that seed and number begin. Does not belong here:
reading the file (trial).

The choices depend on the originals and the compressions that are there: with and without the corpora, and from one
state of the code to another, a number may name another file. What a failure saves is the file itself.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

import polars as pl

from schemas.policies import Drift, Limits, Source
from tests.campaign.dressing import (
    COMPRESSIONS,
    ENCODINGS,
    WRITERS,
    compressed,
    encoded,
    packed,
    unpacked,
    with_line_ends,
)
from tests.campaign.mutations import mutated
from tests.campaign.originals import GENERATED, Original, originals

#: Bytes of a compressed file that tell how it is compressed.
_MAGIC = 16
_SUFFIXES = {"jsonl": (".jsonl", ".ndjson")}
_DTYPES = {
    str(dtype): dtype
    for dtype in (
        pl.String(), pl.Int64(), pl.Int8(), pl.UInt32(), pl.Float32(), pl.Float64(), pl.Boolean(), pl.Date(), pl.Time(),
        pl.Datetime("us"), pl.Datetime("ms", "UTC"), pl.Decimal(10, 2),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A damaged file, and how it is to be read.

    Attributes:
        seed, number: of the campaign.
        origin: name of the original.
        mutations: names of what was done to it.
        path: as it stands in a dump.
        data: the file as stored.
        text: what it decompresses to; None if it was damaged after compressing.
        columns: the declared ones.
        settings: of `Source`.
        drift: of `Drift`.
        dtypes: names of the declared types.
        block_size, other_block_size: bytes read at once, in one reading and in another that must not differ.
        limits: of `Limits`.
    """

    seed: int
    number: int
    origin: str
    mutations: tuple[str, ...]
    path: str
    data: bytes
    text: bytes | None
    columns: tuple[str, ...]
    settings: Mapping[str, Any]
    drift: Mapping[str, Any]
    dtypes: Mapping[str, str]
    block_size: int
    other_block_size: int
    limits: Mapping[str, int]

    @property
    def format(self) -> str:
        """As the name tells it."""
        return self.path.split(".")[1]

    @property
    def source(self) -> Source:
        """How the file is declared to be written."""
        drift, limits = Drift(**self.drift), Limits(**self.limits)
        return Source("{partition}/*", drift=drift, limits=limits, **self.settings)

    @property
    def types(self) -> dict[str, pl.DataType]:
        """The declared types."""
        return {name: _DTYPES[kind] for name, kind in self.dtypes.items()}

    @property
    def plain(self) -> Case:
        """The same, not compressed, if it is known what it decompresses to."""
        path = ".".join(self.path.split(".")[:2])
        return self if self.text is None else dataclasses.replace(self, data=self.text, path=path)

    def with_data(self, data: bytes) -> Case:
        """The same with other bytes, whose text nobody knows."""
        return dataclasses.replace(self, data=data, text=None)


def drawn(seed: int, number: int) -> Case:
    """The file with this number."""
    rng = Random(f"{seed}/{number}")
    original = _chosen(rng)
    block_size = int(2 ** rng.uniform(6 if original.is_text else 13, 20))
    text, names = _damaged(rng, original, _part(rng, original, block_size))
    # Hundreds of blocks show nothing that a few dozen do not.
    fewest = len(text) // 24
    text, settings = _dressed(rng, original, text) if original.is_text else (text, {})
    columns = _columns(rng, original)
    stored = _stored(Random(f"{seed}/{number}/stored"), original, text)
    return Case(
        seed=seed,
        number=number,
        origin=original.name,
        mutations=(*names, *(f"stored: {name}" for name in stored.mutations)),
        path=f"a{stored.suffix}",
        data=stored.data,
        text=None if stored.mutations else text,
        columns=columns,
        settings=settings,
        drift=_drift(rng),
        dtypes={name: rng.choice(list(_DTYPES)) for name in columns} if rng.random() < 0.3 else {},
        block_size=max(block_size, fewest),
        other_block_size=max(int(2 ** rng.uniform(6, 20)), fewest),
        limits=_limits(rng, original),
    )


class _Stored(NamedTuple):
    data: bytes
    suffix: str
    mutations: tuple[str, ...]


def _stored(rng: Random, original: Original, text: bytes) -> _Stored:
    """The text in a file, often compressed and then damaged once more.

    Drawn from a generator of its own: a compression that joins changes these choices only.
    """
    compression = rng.choice(COMPRESSIONS) if rng.random() < 0.45 else "none"
    data = compressed(text, compression, rng)
    twice = compression != "none" and rng.random() < 0.6
    data, names = _damaged_behind(rng, data, _MAGIC) if twice else (data, ())
    return _Stored(data, _suffix(rng, original.format, compression), names)


@functools.cache
def _groups() -> dict[str, tuple[Original, ...]]:
    groups: dict[str, list[Original]] = {}
    for original in originals():
        groups.setdefault(original.group, []).append(original)
    return {name: tuple(found) for name, found in groups.items()}


def _chosen(rng: Random) -> Original:
    """Any corpus is as likely as any other, and what is generated more likely: it has the most ways to be written."""
    groups = _groups()
    group = GENERATED if rng.random() < 0.35 else rng.choice(list(groups))
    return rng.choice(groups[group])


def _part(rng: Random, original: Original, block_size: int) -> bytes:
    """A part of a text of a few blocks, from any line or any byte on; of other formats all."""
    if not original.is_text:
        return original.data
    head, body = original.data[: original.head], original.data[original.head :]
    size = min(24 << 10, max(256, block_size * rng.randint(1, 12)))
    if len(body) <= size:
        return original.data
    start = rng.randrange(len(body) - size)
    begin = body.rfind(b"\n", 0, start) + 1 if rng.random() < 0.8 else start
    return head + body[begin : begin + size]


def _donor(rng: Random) -> bytes:
    return rng.choice(originals()).data


def _damaged(rng: Random, original: Original, part: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Some are left whole: what is done to them afterwards is to be seen alone, too."""
    if rng.random() < 0.08:
        return part, ()
    if original.format == "xlsx" and rng.random() < 0.7:
        return _damaged_member(rng, part)
    return _damaged_behind(rng, part, original.head)


def _damaged_member(rng: Random, archive: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A damaged ZIP archive is hardly ever opened; so a file in it is damaged, mostly the greatest."""
    members = unpacked(archive)
    name = max(members, key=lambda each: len(members[each])) if rng.random() < 0.7 else rng.choice(list(members))
    damaged, names = mutated(rng, members[name], _donor(rng))
    return packed({**members, name: damaged}), names


def _damaged_behind(rng: Random, data: bytes, head: int) -> tuple[bytes, tuple[str, ...]]:
    """Mostly the first bytes stay: without its header or its magic number, a file is refused before it is read."""
    head = head if rng.random() < 0.75 else 0
    damaged, names = mutated(rng, data[head:], _donor(rng))
    return data[:head] + damaged, names


def _limits(rng: Random, original: Original) -> dict[str, int]:
    """Mostly records of any length, and mostly enough for the header; now and then another limit that is met."""
    least = original.head if rng.random() < 0.8 else 1
    longest = rng.uniform(16, 20) if rng.random() < 0.7 else rng.uniform(5, 12)
    limits = {"max_record_bytes": max(least, int(2**longest))}
    others = {
        "max_cell_bytes": int(2 ** rng.uniform(0, 12)),
        "max_columns": rng.randint(1, 300),
        "max_text_bytes": int(2 ** rng.uniform(4, 15)),
    }
    return limits | {name: value for name, value in others.items() if rng.random() < 0.06}


def _dressed(rng: Random, original: Original, text: bytes) -> tuple[bytes, dict[str, Any]]:
    """The text in some encoding, with some line ends; each declared or left to be told by the bytes."""
    told = rng.random() < 0.5
    settings = {name: value for name, value in original.settings.items() if told or name in ("quote", "escape")}
    line_end = rng.choices(["as it is", "crlf", "cr", "any"], [70, 10, 10, 10])[0]
    if line_end != "as it is":
        text = with_line_ends(text, line_end, rng)
    if original.format == "jsonl":
        return text, {}
    declared: dict[str, Any] = {"line_end": "lf" if line_end in ("as it is", "crlf") else line_end}
    if rng.random() < 0.25:
        declared["encoding"] = rng.choice(ENCODINGS)
        text = encoded(text, declared["encoding"], mark=rng.random() < 0.5)
    odd = {"quote": "", "escape": "\\", "footer": rng.randint(1, 3), "delimiter": rng.choice([",", ";", "|"])}
    settings |= {name: value for name, value in odd.items() if rng.random() < 0.04}
    settings |= {name: value for name, value in declared.items() if rng.random() < 0.5}
    return text, settings


def _suffix(rng: Random, form: str, compression: str) -> str:
    told = compression if rng.random() < 0.85 else rng.choice(COMPRESSIONS)
    return rng.choice(_SUFFIXES.get(form, (f".{form}",))) + WRITERS[told][0]


def _columns(rng: Random, original: Original) -> tuple[str, ...]:
    """The file's own; sometimes some of them, in another order, or one more."""
    names = list(dict.fromkeys(original.columns)) or ["a"]
    if rng.random() < 0.15:
        names = rng.sample(names, rng.randint(1, min(len(names), 12)))
        names += ["not there"] * (rng.random() < 0.3)
    return tuple(names)


def _drift(rng: Random) -> dict[str, Any]:
    """Mostly what bears the loss of columns, so that a damaged header does not end it."""
    return {
        "missing": rng.choice([*["null", "quarantine"] * 6, "fail", None]),
        "extra": rng.choice([*["ignore", "quarantine"] * 6, "fail", None]),
        "reordered": rng.choice(["ignore"] * 9 + ["fail"]),
        "widened": rng.choice(["cast"] * 9 + ["fail"]),
    }
