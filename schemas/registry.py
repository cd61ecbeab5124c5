"""Registry: finds declarations. One file is one data set; nothing else is edited to add one.

Belongs here: from a folder of declarations to `Dataset` objects. Does not belong here: what a declaration means
(dataset), or where the folders are configured (the settings of the flows).
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import DatasetNotFoundError, DeclarationError, WinnowError, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from schemas.dataset import Dataset

#: The declarations that come with Winnow.
BUILT_IN = Path(__file__).parent / "datasets"

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def find(folders: Sequence[Path] = ()) -> Mapping[str, Path]:
    """The declarations in these folders and the built-in one, by name; imports none of them.

    A later folder's declaration replaces an earlier one's of the same name, so that a built-in one can be adapted.

    Raises:
        DeclarationError: a folder does not exist, or a file's name is no name for a data set.
    """
    found: dict[str, Path] = {}
    for folder in (BUILT_IN, *folders):
        if not folder.is_dir():
            raise DeclarationError(f"no folder {shown(folder)}", fix="Check WINNOW_DATASETS.")
        for path in sorted(folder.glob("*.py")):
            if path.stem.startswith("_"):
                continue
            if not _NAME.fullmatch(path.stem):
                raise DeclarationError(
                    f"{shown(path.name)} is no name for a data set", expected="lower-case letters, digits and _"
                )
            found[path.stem] = path
    return dict(sorted(found.items()))


def locate(name: str, folders: Sequence[Path] = ()) -> Path:
    """The file of one declaration; imports none.

    Raises:
        DatasetNotFoundError: there is none of that name.
    """
    found = find(folders)
    if name not in found:
        raise DatasetNotFoundError(f"no data set is called {shown(name)}", fix=nearest(name, found))
    return found[name]


def load(name: str, folders: Sequence[Path] = ()) -> Dataset:
    """Imports one declaration.

    Raises:
        DatasetNotFoundError: there is none of that name.
        DeclarationError: it is wrong; the message has the file and line.
    """
    return load_file(locate(name, folders))


def load_file(path: Path) -> Dataset:
    """Imports the declaration in a file; see `load`.

    The same content is imported once, since a cleaning loads its declaration in each of its tasks; an edited file is
    imported anew, so that a worker that lives for weeks sees it.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise DeclarationError(f"can't be read: {error.strerror}", where=str(path)) from None
    return _loaded(path, source)


@functools.lru_cache(maxsize=64)
def _loaded(path: Path, source: bytes) -> Dataset:  # noqa: ARG001  # the source is there to be compared by the cache
    from schemas.dataset import Dataset  # imports pandera, which takes seconds: `find` must not need it

    declared = getattr(_imported(path), "DATASET", None)
    if not isinstance(declared, Dataset):
        raise DeclarationError(
            f"DATASET is {type(declared).__name__}", expected="a constant DATASET = Dataset(...)", where=str(path)
        )
    return dataclasses.replace(declared, name=path.stem)


def _imported(path: Path) -> ModuleType:
    # The module has to stand in sys.modules because pandera resolves a model's annotations through it.
    name = f"schemas.datasets.{path.stem}" if path.parent == BUILT_IN else f"winnow_datasets.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise DeclarationError("not a Python file", where=str(path))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _located(path, error) from error
    return module


def _located(path: Path, error: BaseException) -> DeclarationError:
    """The error of an import as a declaration's, with the line of the file where it happened."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else (lines[-1] if lines else None)
    place = f"{path}:{line}" if line else str(path)
    if isinstance(error, DeclarationError):
        inner = f"{place}, {error.where}" if error.where else place
        return type(error)(error.found, expected=error.expected, where=inner, fix=error.fix)
    if isinstance(error, WinnowError):
        return DeclarationError(str(error), where=place)
    return DeclarationError(f"{type(error).__name__}: {error}", where=place)
