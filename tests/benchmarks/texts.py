"""Texts: short documents out of what is installed on this machine, with near copies planted by a seed.

Belongs here: making the documents of the table about near-duplicates. Does not belong here: finding the copies
(nearness), or the table (near).

The natural ones are paragraphs of 20 to 150 words of the modules and documents that came with Python and its packages,
boilerplate and all. Where these are too few, others are spliced out of runs of their words. One in five is a copy of
another document of which a share of the words, 1 to 30 %, was exchanged.
"""

from __future__ import annotations

import random
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIXES = (".py", ".pyi", ".md", ".rst", ".txt")
_FEWEST, _MOST = 20, 150
_LARGEST = 400_000
_RATES = (0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3)
_NATURAL = 320_000


def write_texts(path: Path, *, count: int, seed: int) -> None:
    """Writes so many documents as an Arrow file with the one column `text`."""
    chance = random.Random(seed)  # a plan, no secret
    natural = _natural(min(_NATURAL, count * 4 // 5))
    words = [text.split() for text in natural[:50_000]]
    texts = natural + [_spliced(words, chance) for _ in range(count * 4 // 5 - len(natural))]
    texts += [_edited(chance.choice(texts).split(), words, chance) for _ in range(count - len(texts))]
    chance.shuffle(texts)
    pl.DataFrame({"text": texts}).write_ipc(path)


def write_templated(path: Path, *, count: int) -> None:
    """Writes one page of 80 words so many times, each with another number."""
    page = " ".join(f"word{number}" for number in range(79))
    number = pl.int_range(count, eager=True).cast(pl.String).to_frame("number")
    number.select(pl.format(f"Order {{}} {page}", "number").alias("text")).write_ipc(path)


def _natural(count: int) -> list[str]:
    texts: list[str] = []
    for path in _files():
        for block in path.read_text(encoding="utf-8", errors="replace").split("\n\n"):
            words = block.split()
            if _FEWEST <= len(words) <= _MOST:
                texts.append(" ".join(words))
        if len(texts) >= count:
            break
    return texts[:count]


def _files() -> Iterator[Path]:
    for root in (Path("/usr/share/doc"), Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))):
        for path in sorted(root.rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file() and path.stat().st_size < _LARGEST:
                yield path


def _spliced(words: list[list[str]], chance: random.Random) -> str:
    made: list[str] = []
    wanted = chance.randint(_FEWEST, 2 * 58 - _FEWEST)
    while len(made) < wanted:
        text = words[int(chance.random() * len(words))]
        start = int(chance.random() * len(text))
        made += text[start : start + 4 + int(chance.random() * 7)]
    return " ".join(made[:wanted])


def _edited(text: list[str], words: list[list[str]], chance: random.Random) -> str:
    edits = max(1, round(chance.choice(_RATES) * len(text)))
    for at in chance.sample(range(len(text)), min(edits, len(text))):
        text[at] = chance.choice(chance.choice(words))
    return " ".join(text)
