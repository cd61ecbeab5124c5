"""Cards: descriptions of data sets, kept so that `list` and `show` need not import pandera again.

Belongs here: the cache. Does not belong here: making a card (tasks/report/card).

A card is kept under a hash of everything it follows from: the declaration's bytes, Winnow's own code and the versions
of polars and pandera. So it can't be stale, and deleting the folder only costs time.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from schemas import registry
from schemas.errors import DeclarationError
from tasks.report.card import Card

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FOLDER = Path(".winnow/cache")
_CODE = ("schemas", "tasks")


def cards(folders: Sequence[Path]) -> Mapping[str, Card | DeclarationError]:
    """The cards of all declared data sets by name; in place of one, what is wrong with its declaration."""
    return {name: _card_or_error(path) for name, path in registry.find(folders).items()}


def card_of(name: str, folders: Sequence[Path]) -> Card:
    """The card of one data set.

    Raises:
        DatasetNotFoundError: none is declared under that name.
        DeclarationError: its declaration is wrong.
    """
    return _card(registry.locate(name, folders))


def _card_or_error(declaration: Path) -> Card | DeclarationError:
    try:
        return _card(declaration)
    except DeclarationError as error:
        return error


def _card(declaration: Path) -> Card:
    source = declaration.read_bytes()
    digest = hashlib.sha256(source + _meaning() + bytes(declaration)).hexdigest()
    kept = _FOLDER / f"{declaration.stem}-{digest[:24]}.json"
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(kept.read_bytes(), type=Card)
    return _made(declaration, source, kept)


def _made(declaration: Path, source: bytes, kept: Path) -> Card:
    from tasks.report.describe import describe  # imports pandera

    title = (ast.get_docstring(ast.parse(source)) or declaration.stem).splitlines()[0]
    made = describe(registry.load_file(declaration), title, str(declaration))
    # A cache that can't be written only costs time.
    with contextlib.suppress(OSError):
        _FOLDER.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(msgspec.json.encode(made))
    return made


@functools.cache
def _meaning() -> bytes:
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for folder in _CODE:
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    for library in ("polars", "pandera"):
        digest.update(importlib.metadata.version(library).encode())
    return digest.digest()
