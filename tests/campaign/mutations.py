"""Mutations: the ways in which a file is damaged.

Belongs here: functions from bytes, and bytes of another file, to damaged bytes; all chance comes from the generator
that they are given. Does not belong here: choosing the file (case).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Mutation = Callable[[Random, bytes, bytes], bytes]

#: A damaged file is cut to this, so that doubling what was doubled ends.
MOST_BYTES = 96 << 10
TOKENS = (
    b'"', b'""', b'"""', b"'", b",", b";", b"\t", b"|", b"\\", b"\n", b"\r", b"\r\n", b"\n\n", b"\n\r", b'","', b'"\n"',
    b"\0", b"\xff", b"\xfe", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xc3", b"\x80", b"\xed\xa0\x80", b"\x1a",
    b"\xe2\x80\xa8", b"\x85", b"{", b"}", b"[", b"]", b":", b"\\u", b"\\ud83d", b"null", b"1e999", b"-", b" ",
    b"\n\0", b'"\0', b"\0\n", b"\r\0", b"\0\r", b"\0\"", b",\0",
    b"PAR1", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh9", b"\xfd7zXZ\0",
    b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80",
)  # fmt: skip


def flip_bits(rng: Random, data: bytes, _donor: bytes) -> bytes:
    """One to eight bits anywhere."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[_place(rng, data, 1)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def replace_bytes(rng: Random, data: bytes, _donor: bytes) -> bytes:
    """A short stretch by bytes of chance."""
    start, end = _stretch(rng, data, most=16)
    return data[:start] + rng.randbytes(end - start) + data[end:]


def cut_head(rng: Random, data: bytes, _donor: bytes) -> bytes:
    """The first bytes are gone."""
    return data[_place(rng, data) :]


def cut_tail(rng: Random, data: bytes, _donor: bytes) -> bytes:
    """The last bytes are gone."""
    return data[: _place(rng, data)]


def cut_middle(rng: Random, data: bytes, _donor: bytes) -> bytes:
    """A stretch is gone."""
    start, end = _stretch(rng, data)
    return data[:start] + data[end:]


def double(rng: Random, data: bytes, _donor: bytes) -> bytes:
    """A stretch stands there several times."""
    start, end = _stretch(rng, data)
    return data[:end] + data[start:end] * rng.choice([1, 1, 1, 2, 5, 40]) + data[end:]


def splice(rng: Random, data: bytes, donor: bytes) -> bytes:
    """A stretch of another file, between others or in place of some."""
    start, end = _stretch(rng, data)
    from_, to = _stretch(rng, donor) if donor else (0, 0)
    return data[:start] + donor[from_:to] + data[rng.choice([start, end]) :]


def insert_tokens(rng: Random, data: bytes, _donor: bytes) -> bytes:
    """Bytes that mean something, at up to twenty places; where there are several, often the same ones."""
    places = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice([1, 1, 2, 5, 20])))
    tokens = rng.sample(TOKENS, rng.choice([1, 1, 2, 4]))
    pieces, before = [], 0
    for place in places:
        pieces += [data[before:place], rng.choice(tokens)]
        before = place
    return b"".join([*pieces, data[before:]])


def swap(rng: Random, data: bytes, _donor: bytes) -> bytes:
    """Two neighbouring stretches change places."""
    first, middle, last = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:first] + data[middle:last] + data[first:middle] + data[last:]


def remove_all(rng: Random, data: bytes, _donor: bytes) -> bytes:
    """Every occurrence of a byte behind some place is gone, or another in its stead."""
    place = rng.choice([0, _place(rng, data)])
    gone = rng.choice([b"\n", b'"', b",", b"\r", b"\0", data[place : place + 1] or b"\n"])
    return data[:place] + data[place:].replace(gone, rng.choice([b"", b"", *TOKENS[:12]]))


def fill(rng: Random, data: bytes, _donor: bytes) -> bytes:
    """A stretch is all the same byte, as a disk leaves it."""
    start, end = _stretch(rng, data)
    return data[:start] + rng.choice([b"\0", b"\xff", b" ", b'"', b"\n", b","]) * (end - start) + data[end:]


def change_header(rng: Random, data: bytes, donor: bytes) -> bytes:
    """Something happens to the first line only."""
    end = data.find(b"\n") + 1 or len(data)
    if rng.random() < 0.5:
        names = data[:end].rstrip(b"\r\n").split(b",")
        rng.shuffle(names)
        names = rng.choice([names, names[1:], [*names, *names[:1]], [*names, b"more"], [n.upper() for n in names]])
        return b",".join(names) + b"\n" + data[end:]
    mutation = rng.choice([flip_bits, cut_head, cut_tail, cut_middle, double, insert_tokens, swap])
    return mutation(rng, data[:end], donor) + data[end:]


def damage_ends(rng: Random, data: bytes, donor: bytes) -> bytes:
    """Something happens to the first or last hundred bytes: there stand magic numbers, marks and Parquet's lengths."""
    mutation = rng.choice([flip_bits, replace_bytes, cut_middle, insert_tokens])
    if rng.random() < 0.5:
        return mutation(rng, data[:100], donor) + data[100:]
    return data[:-100] + mutation(rng, data[-100:], donor)


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, replace_bytes, cut_head, cut_tail, cut_middle, double, splice, insert_tokens, insert_tokens, swap,
    remove_all, fill, change_header, damage_ends,
)  # fmt: skip


def mutated(rng: Random, data: bytes, donor: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Data damaged in one way or in several one after another, and the names of the ways."""
    names = []
    for _ in range(rng.choice([1, 1, 1, 1, 1, 2, 2, 3, 4, 8])):
        if not data:
            break
        mutation = rng.choice(MUTATIONS)
        data = mutation(rng, data, donor)[:MOST_BYTES]
        names.append(mutation.__name__)
    return data, tuple(names)


def _place(rng: Random, data: bytes, most_behind: int = 0) -> int:
    return rng.randrange(max(1, len(data) + 1 - most_behind))


def _stretch(rng: Random, data: bytes, most: int = 1 << 16) -> tuple[int, int]:
    """Where a stretch begins and ends; short ones are as likely as long ones."""
    length = min(most, len(data), int(2 ** (rng.random() * max(1, len(data)).bit_length())))
    start = rng.randrange(len(data) - length + 1)
    return start, start + length
