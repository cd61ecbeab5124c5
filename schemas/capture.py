"""Captures a check as an expression, by calling its function with a recorder in place of the frame.

Belongs here: the recorder, and what a captured check looks at (a row, across rows, the whole table). Does not belong
here: pandera's side of a check (pandera_model), or putting expressions together (tasks/validate).

Nearly every check is written `data.lazyframe.select(<expression>)`, the built-in ones all are. From those the recorder
takes the expression, and all rules of a data set can then be evaluated in one pass. A check that does anything else
with its frame is kept as the function it is and called with the real frame: slower, and as right.
"""

from __future__ import annotations

import functools
import itertools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import polars as pl

from schemas.errors import DeclarationError, UnknownNameError, WinnowError, shown
from schemas.probes import ROWS, probes
from schemas.row_local import is_row_local, runs_python

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.pandera_model import DeclaredCheck

#: What a rule looks at: one row; one row in the light of others; the table as a whole, with one verdict.
Kind = Literal["row", "across_rows", "table"]

#: How a check is evaluated: as an expression; as one that calls Python for each cell; by its own function.
How = Literal["native", "python", "fallback"]

Answer = TypeVar("Answer")

#: Name of the one column that `run` answers with.
PASSES = "_passes"

#: The tables that a check is tried on.
Probes = tuple[pl.DataFrame, ...]


@dataclass(frozen=True, slots=True)
class Captured:
    """A check as it can be evaluated.

    Attributes:
        kind: what it looks at.
        how: how it is evaluated.
        why: why it is not native, in words; empty if it is.
        passes: Boolean expression, null where the check can't say; None for a fallback.
    """

    kind: Kind
    how: How
    why: str
    passes: pl.Expr | None


class _NotCapturedError(Exception):
    """The function did something with its frame that an expression can't stand for."""


class _Recorder:
    """Stands in for a LazyFrame and keeps the expressions of a `select`."""

    def __init__(self, dtypes: Mapping[str, pl.DataType]) -> None:
        self._dtypes = dtypes

    def select(self, *exprs: object, **named: object) -> _Selection:
        flat = [one for expr in exprs for one in (expr if isinstance(expr, list | tuple) else [expr])]
        plain = [pl.col(expr) if isinstance(expr, str) else expr for expr in flat]
        renamed = [expr.alias(name) for name, expr in named.items() if isinstance(expr, pl.Expr)]
        if len(renamed) < len(named) or not all(isinstance(expr, pl.Expr) for expr in plain):
            raise _NotCapturedError("selects something that is no expression")
        return _Selection((*plain, *renamed))  # type: ignore[arg-type]  # all are expressions, just asked

    def collect_schema(self) -> pl.Schema:
        return pl.Schema(self._dtypes)

    @property
    def columns(self) -> list[str]:
        return list(self._dtypes)

    def __getattr__(self, name: str) -> object:
        raise _NotCapturedError(f"uses LazyFrame.{name}")


class _Selection:
    """What `_Recorder.select` gives back: only to be returned."""

    def __init__(self, exprs: tuple[pl.Expr, ...]) -> None:
        self.exprs = exprs

    def __getattr__(self, name: str) -> object:
        raise _NotCapturedError(f"uses LazyFrame.{name} after select")


def capture(check: DeclaredCheck, dtypes: Mapping[str, pl.DataType]) -> Captured:
    """Captures a check of a table with these columns.

    Raises:
        DeclarationError: it can't be evaluated on such a table, or does not answer with Booleans, one for each row or
            one for the table.
        UnknownNameError: it names a column that the table does not have.
    """
    try:
        exprs = _recorded(check, dtypes)
    except _NotCapturedError as error:
        height = _height(check, lambda table: run(check, table, list(dtypes)), probes(dtypes))
        return Captured("table" if height == 1 else "across_rows", "fallback", str(error), None)
    _check_columns(check, exprs, dtypes)
    # Of thousands of columns a check reads one or two; one that reads none is to see that there are rows.
    read = {name for expr in exprs for name in expr.meta.root_names()} or set(itertools.islice(dtypes, 1))
    height = _height(check, lambda table: table.select(exprs), probes({name: dtypes[name] for name in read}))
    # A check of single cells is about a row whatever its function is; a method can't even be looked into.
    of_row = check.element_wise or all(map(is_row_local, exprs))
    kind: Kind = "table" if height == 1 else "row" if of_row else "across_rows"
    python = any(map(runs_python, exprs))
    why = "calls a Python function" if python else ""
    return Captured(kind, "python" if python else "native", why, functools.reduce(operator.and_, exprs))


def run(check: DeclaredCheck, frame: pl.LazyFrame, columns: list[str]) -> pl.LazyFrame:
    """Calls a check's own function with these columns of a real frame; gives a frame of one column, `_passes`.

    Raises:
        DeclarationError: the function does not answer with Booleans.
    """
    # unique_values_eq collects what it is given: give it each value once.
    narrow = frame.select(check.column).unique() if check.builtin == "unique_values_eq" else frame.select(columns)
    answer = check.answer(narrow)
    if isinstance(answer, bool):
        return pl.LazyFrame({PASSES: [answer]})
    if not isinstance(answer, pl.LazyFrame):
        raise _unusable(check, f"it answers with {type(answer).__name__}")
    names = answer.collect_schema().names()
    return answer.select(functools.reduce(operator.and_, [pl.col(name) for name in names]).alias(PASSES))


# --- how a check is captured ------------------------------------------------------------------------------------------


def _recorded(check: DeclaredCheck, dtypes: Mapping[str, pl.DataType]) -> tuple[pl.Expr, ...]:
    if check.element_wise:
        return (pl.col(check.column or "").map_elements(_guarded(check), return_dtype=pl.Boolean),)
    answer = _called(check, lambda: check.answer(_Recorder(dtypes)))
    if not isinstance(answer, _Selection):
        raise _NotCapturedError(f"answers with {type(answer).__name__}")
    if any(expr.meta.has_multiple_outputs() for expr in answer.exprs):
        # In the one pass it would also see the columns that Winnow adds.
        raise _NotCapturedError("selects columns by a pattern or position")
    return answer.exprs


def _called(check: DeclaredCheck, call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except (_NotCapturedError, WinnowError):
        raise
    # Whatever a declared function raises is a fault of the declaration, and this is where it is told.
    except (Exception, pl.exceptions.PanicException) as error:
        raise _unusable(check, f"it raises {type(error).__name__}: {error}") from error


def _guarded(check: DeclaredCheck) -> Callable[[object], bool]:
    """An element-wise check's function, for which a value that it can't bear is a value that it does not accept.

    Without that one hostile cell would end the run. TypeError and the like go through: every cell has the declared
    type, so they are faults of the function.
    """

    def passes(value: object) -> bool:
        try:
            return bool(check.accepts(value))
        except (ArithmeticError, LookupError, ValueError, RecursionError):
            return False

    return passes


def _check_columns(check: DeclaredCheck, exprs: tuple[pl.Expr, ...], dtypes: Mapping[str, pl.DataType]) -> None:
    for expr in exprs:
        for name in expr.meta.root_names():
            if name not in dtypes:
                raise UnknownNameError.of("column", name, dtypes, where=f"check {check.where}")


# --- what a check does with a table -----------------------------------------------------------------------------------


def _height(check: DeclaredCheck, judge: Callable[[pl.LazyFrame], pl.LazyFrame], tables: Probes) -> int:
    """How many rows a check answers with: one, or one for each row of a table.

    It is tried on missing and on awkward values, since hostile data must not end a run.
    """
    answers = [_called(check, functools.partial(_answer, judge, table)) for table in tables]
    dtypes = {dtype for answer in answers for dtype in answer.dtypes}
    heights = {answer.height for answer in answers}
    if dtypes != {pl.Boolean}:
        raise _unusable(check, f"it answers with {' and '.join(sorted(map(str, dtypes))) or 'nothing'}")
    if heights not in ({1}, {ROWS}):
        raise _unusable(check, f"it answers with {max(heights - {ROWS})} rows for {ROWS}")
    return heights.pop()


def _answer(judge: Callable[[pl.LazyFrame], pl.LazyFrame], table: pl.DataFrame) -> pl.DataFrame:
    return judge(table.lazy()).collect()


def _unusable(check: DeclaredCheck, found: str) -> DeclarationError:
    return DeclarationError(
        f"the check can't be used: {shown(found)}",
        expected="data.lazyframe.select(<Boolean expression>) that bears missing and awkward values",
        where=f"check {check.where}",
    )
