"""Header: a raw file's columns against the declared ones.

Belongs here: the one comparison that delimited and columnar files share. Does not belong here: reading the names.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import HeaderError, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.policies import ExtraColumns

#: Undeclared names that a note or a message lists; the rest is counted.
LISTED_NAMES = 10


@dataclass(frozen=True)
class Columns:
    """Where the declared columns stand in a file.

    Attributes:
        found: the file's columns in their order.
        declared: the declared ones in theirs.
        positions: for each declared column its position among the file's.
        notes: what a person should know.
    """

    found: tuple[str, ...]
    declared: tuple[str, ...]
    positions: tuple[int, ...]
    notes: tuple[str, ...]


def match_columns(found: Sequence[str], declared: Sequence[str], extra_columns: ExtraColumns, path: str) -> Columns:
    """Finds the declared columns among a file's.

    Raises:
        HeaderError: one is missing, one stands twice, or there is an undeclared one that may not be there.

    Example:
        >>> match_columns(["text", "id"], ["id", "text"], "fail", "a.csv").positions
        (1, 0)
    """
    if not set(declared) & set(found):
        # Nothing of such a line is repeated in a message: without a header it is a record, and may be personal.
        fix = "Ask the source whether its first line names the columns."
        raise _mismatch(f"none of the declared columns among {len(found):,} fields", declared, path, fix)
    _refuse_twice(found, declared, path)
    missing = sorted(set(declared) - set(found), key=declared.index)
    extra = sorted(set(found) - set(declared), key=found.index)
    if missing:
        near = nearest(shown(missing[0]), (shown(name) for name in (extra or found)[:LISTED_NAMES]))
        raise _mismatch(f"no column {shown(missing[0])} among {listed(found)}", declared, path, near)
    if extra and extra_columns == "fail":
        fix = "Declare them, or declare Source(extra_columns='ignore')."
        raise _mismatch(f"undeclared columns {listed(extra)}", declared, path, fix)
    positions = tuple(found.index(name) for name in declared)
    notes = (f"undeclared columns left out: {listed(extra)}",) if extra else ()
    return Columns(tuple(found), tuple(declared), positions, notes)


def listed(names: Sequence[str]) -> str:
    """Names from data, escaped, the first ten of them.

    Example:
        >>> listed(["a", "b"])
        "'a', 'b'"
    """
    text = ", ".join(shown(name) for name in names[:LISTED_NAMES])
    more = len(names) - LISTED_NAMES
    return f"{text} and {more:,} more" if more > 0 else text


def _refuse_twice(found: Sequence[str], declared: Sequence[str], path: str) -> None:
    twice = [name for name, times in collections.Counter(found).items() if times > 1]
    if twice:
        fix = "Ask the source for distinct names: which of them counts can't be told."
        raise _mismatch(f"columns named more than once: {listed(twice)}", declared, path, fix)


def _mismatch(found: str, declared: Sequence[str], path: str, fix: str) -> HeaderError:
    return HeaderError(found, expected=f"the declared columns {listed(declared)}", where=shown(path), fix=fix)
