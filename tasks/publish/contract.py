"""Contract: under which declaration, and which code that gives it meaning, a partition was cleaned.

Belongs here: what counts as meaning, and its hash. Does not belong here: deciding what becomes of a stale partition.

Meaning is the syntax tree of the declaration and of the code of the stages, without comments, layout and docstrings,
and the versions of the two libraries that do what the code says. A partition whose fingerprint is another one is
*stale*: cleaning it again may give other rows.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from schemas.records import RawFile

#: The folder that holds `schemas` and `tasks`.
_ROOT = Path(__file__).parents[2]
#: The code that decides which records are an erased person's.
_ERASING = tuple(f"tasks/erasure/{name}.py" for name in ("marks", "matching", "withdrawal"))
#: The code that decides what becomes of a record, and which bytes a file has.
_CODE = (
    "schemas",
    "tasks/ingest",
    "tasks/normalise",
    "tasks/validate",
    "tasks/dedupe",
    "tasks/store/sinks.py",
    *_ERASING,
)
#: In these folders, what has no say: other declarations, and wrappers that only call.
_SILENT = ("schemas/datasets/", "/task.py")
#: What does as the code says; the other libraries move bytes only.
_LIBRARIES = ("polars", "pandera")


def contract_fingerprint(declaration: str | Path) -> str:
    """The fingerprint of a declaration and of the code that is installed: 32 hexadecimal digits.

    The declaration is read at each call, so that a worker that lives for weeks sees an edited one; the code once.

    Raises:
        DeclarationError: the file can't be read or is no Python.
    """
    try:
        # A function's docstring counts in a declaration: that of a check is the reason that its rule gives.
        source = _meaning(Path(declaration).read_bytes(), without_docstrings_of=(ast.Module, ast.ClassDef))
    except (OSError, SyntaxError, ValueError) as error:
        raise DeclarationError(f"can't be read: {error}", where=str(declaration)) from error
    return _hashed([source, _code_digest()])[:32]


def cleaning_id(contract: str, inputs: Sequence[RawFile], erased: Iterable[str] = ()) -> str:
    """Identity of a cleaning, 16 hexadecimal digits: what its files hold depends on nothing else.

    Args:
        contract: the fingerprint.
        inputs: the raw files, in the order in which they were read.
        erased: ids of their records that are erased.

    Example:
        >>> cleaning_id("c" * 32, ())
        '79b327cee26478f3'
    """
    told = (msgspec.json.encode(raw, order="sorted").decode() for raw in inputs)
    return _hashed([contract, *told, *sorted(erased)])[:16]


@functools.cache
def _code_digest() -> str:
    parts = [f"{library} {importlib.metadata.version(library)}" for library in _LIBRARIES]
    for path in _code_files():
        # The name is a part too, because a module that is renamed is another one to whoever imports it.
        parts += [path.relative_to(_ROOT).as_posix(), _meaning(path.read_bytes())]
    return _hashed(parts)


def _code_files() -> Iterator[Path]:
    for place in map(_ROOT.joinpath, _CODE):
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if not any(silent in f"/{path.relative_to(_ROOT).as_posix()}" for silent in _SILENT):
                yield path


def _meaning(source: bytes, without_docstrings_of: tuple[type[ast.AST], ...] = (ast.AST,)) -> str:
    """Python source in one normal form: without comments and layout, and without these nodes' docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and isinstance(node, without_docstrings_of):
            node.body = [each for each in body if not _is_text(each)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is only a text, which is a docstring wherever it stands."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _hashed(parts: Sequence[str]) -> str:
    """A hash over texts that can't be mistaken for one over other texts with the same characters."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
