"""Contract: under which declaration, and which code that gives it meaning, a partition was cleaned.

Belongs here: what counts as meaning, its hash, and the record of what a hash stands for. Does not belong here: keeping
the record (stage), comparing two of them (rebuilt), or deciding what becomes of a stale partition.

Meaning is the syntax tree of the declaration and of the code of the stages, without comments, layout and docstrings,
and the versions of the two libraries that do what the code says. A partition whose fingerprint is another one is
*stale*: cleaning it again may give other rows.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import DeclarationError
from schemas.records import Contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from schemas.dataset import Dataset
    from schemas.policies import Source
    from schemas.records import RawFile

#: The folder that holds `schemas` and `tasks`.
_ROOT = Path(__file__).parents[2]
#: The code that decides which records are an erased person's.
_ERASING = tuple(f"tasks/erasure/{name}.py" for name in ("blanking", "marks", "matching", "withdrawal"))
#: The code that decides what becomes of a record, and which bytes a file has.
_CODE = (
    "schemas",
    "tasks/ingest",
    "tasks/normalise",
    "tasks/validate",
    "tasks/dedupe",
    "tasks/store/sinks.py",
    "tasks/publish/splits.py",
    *_ERASING,
)
#: What decides on the bytes of an audit's tables, and on rows that it sets aside, where a declaration names the policy.
_AUDITS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Labels": (("tasks/audit/labels", "tasks/audit/review"), ("numpy", "scipy", "scikit-learn")),
    "Annotators": (("tasks/audit/annotators",), ("numpy", "scipy", "crowd-kit")),
}
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
    text = _read(declaration)
    return _fingerprint(_declared(text, str(declaration)), *_installed(_audits_in(text)))


def contract_of(dataset: Dataset, declaration: str | Path) -> Contract:
    """What the fingerprint of a declaration and of the code that is installed stands for.

    Args:
        dataset: as the declaration gives it.
        declaration: the file.

    Raises:
        DeclarationError: the file can't be read or is no Python.
    """
    # `winnow verify`, which needs fingerprints only, is not to wait for these.
    from pydantic import TypeAdapter

    from schemas.policies import Source

    text = _read(declaration)
    code, libraries = _installed(_audits_in(text))
    return Contract(
        dataset=dataset.name,
        declaration=importlib.util.decode_source(text),
        declared=_declared(text, str(declaration)),
        source=TypeAdapter(Source).dump_python(dataset.source, mode="json"),
        columns=tuple(column.name for column in dataset.columns),
        code=dict(code),
        libraries=dict(libraries),
        reading=_reading(dataset),
    )


def _reading(dataset: Dataset) -> str:
    """A hash of all that decides which value a cell gets, and which records are the same one; of no rule."""
    from pydantic import TypeAdapter

    from schemas.policies import Source

    columns = [(each.name, str(each.dtype), each.formats, each.zone, each.true, each.false) for each in dataset.columns]
    source = TypeAdapter(Source).dump_python(dataset.source, mode="json")
    return _hashed([source, columns, *(repr(each) for each in (dataset.steps, dataset.corrections, dataset.dedupe))])


def fingerprint_of(contract: Contract) -> str:
    """The fingerprint that a record says what it stands for.

    Example:
        >>> contract = Contract("trips", "", "d" * 64, {}, (), {"tasks/ingest/jsonl.py": "c" * 64}, {"polars": "2.1.0"})
        >>> fingerprint_of(contract)
        'd0523b29375a355f553725334366e48d'
    """
    return _fingerprint(contract.declared, contract.code, contract.libraries)


def as_installed(contract: Contract) -> Contract:
    """The same declaration with the code and the libraries that are installed."""
    code, libraries = _installed(_audits_in(contract.declaration.encode()))
    return msgspec.structs.replace(contract, code=dict(code), libraries=dict(libraries))


def reading_of(contract: Contract) -> Source:
    """How raw files were read under a contract.

    Raises:
        DeclarationError: the record holds no such thing.
    """
    from schemas.policies import Source

    return Source(**contract.source)


def cleaning_id(
    contract: str, inputs: Sequence[RawFile], erased: Iterable[str] = (), reviews: Sequence[str] = ()
) -> str:
    """Identity of a cleaning, 16 hexadecimal digits: what its files hold depends on nothing else.

    Args:
        contract: the fingerprint.
        inputs: the raw files, in the order in which they were read.
        erased: ids of their records that are erased.
        reviews: ids of the reviews that decide about their records.

    Example:
        >>> cleaning_id("c" * 32, ())
        '79b327cee26478f3'
    """
    # What may change of a raw file without its records.
    bare = (msgspec.structs.replace(raw, chunks="", archive=None, blanked=None) for raw in inputs)
    told = (msgspec.json.encode(raw, order="sorted").decode() for raw in bare)
    # In a list of its own, so that it can't be taken for an id of a record.
    decided = [sorted(reviews)] if reviews else []
    return _hashed([contract, *told, *sorted(erased), *decided])[:16]


def _read(declaration: str | Path) -> bytes:
    try:
        return Path(declaration).read_bytes()
    except OSError as error:
        raise DeclarationError(f"can't be read: {error}", where=str(declaration)) from error


# A cleaning asks four times; a declaration that is edited has other bytes.
@functools.lru_cache(maxsize=64)
def _declared(source: bytes, where: str) -> str:
    """A hash of what the text of a declaration means."""
    try:
        tree = _WithoutRowless().visit(ast.parse(source))
        # A function's docstring counts in a declaration: that of a check is the reason that its rule gives.
        return _hashed([_meaning(tree, without_docstrings_of=(ast.Module, ast.ClassDef))])
    except (SyntaxError, ValueError) as error:
        raise DeclarationError(f"can't be read: {error}", where=where) from error


def _fingerprint(declared: str, code: Mapping[str, str], libraries: Mapping[str, str]) -> str:
    # The name of a module is a part too, because one that is renamed is another one to whoever imports it.
    return _hashed([declared, libraries, code])[:32]


@functools.lru_cache(maxsize=64)  # as above
def _audits_in(text: bytes) -> tuple[str, ...]:
    """The policies of audits that a declaration names."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # told where the declaration is hashed
        return ()
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return tuple(name for name in _AUDITS if name in names)


@functools.cache
def _installed(audits: tuple[str, ...] = ()) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The modules that give meaning, with a hash of theirs, and the libraries with their versions."""
    places = [*_CODE, *(place for audit in audits for place in _AUDITS[audit][0])]
    trees = {path.relative_to(_ROOT).as_posix(): ast.parse(path.read_bytes()) for path in _code_files(places)}
    code = {name: _hashed([_meaning(tree)]) for name, tree in trees.items()}
    wanted = dict.fromkeys([*_LIBRARIES, *(library for audit in audits for library in _AUDITS[audit][1])])
    return code, {library: _version(library) for library in wanted}


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:  # of an extra
        return "not installed"


def _code_files(places: Iterable[str]) -> Iterator[Path]:
    for place in map(_ROOT.joinpath, places):
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if not any(silent in f"/{path.relative_to(_ROOT).as_posix()}" for silent in _SILENT):
                yield path


#: Settings of a declaration that change no row, so that nothing is stale for them, and the names of their policies.
_ROWLESS = {"retention": "Retention", "schedule": "Schedule"}


class _WithoutRowless(ast.NodeTransformer):
    """Takes out of a declaration which versions are kept and when its nightly run starts."""

    def visit_Call(self, node: ast.Call) -> ast.AST:  # named by ast
        node.keywords = [keyword for keyword in node.keywords if keyword.arg not in _ROWLESS]
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:  # named by ast
        node.names = [alias for alias in node.names if alias.name not in _ROWLESS.values()] or node.names
        return node


def _meaning(tree: ast.AST, without_docstrings_of: tuple[type[ast.AST], ...] = (ast.AST,)) -> str:
    """Python source in one normal form: without comments and layout, and without these nodes' docstrings."""
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


def _hashed(parts: Sequence[object]) -> str:
    """A hash over texts that can't be mistaken for one over other texts with the same characters."""
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()
