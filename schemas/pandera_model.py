"""Reads a pandera-polars model into plain facts. The one module that reaches into pandera.

Belongs here: every attribute of pandera that its documentation does not promise (a check's function and parameters,
the registration of the built-in ones, the closure of a decorated method), and the refusal of what pandera accepts and
then ignores, or gets wrong, on polars. Written against pandera 0.35; tests/property holds it against pandera itself.
Does not belong here: which column types Winnow supports (columns), or what the rules are called (rules).
"""

from __future__ import annotations

import functools
import inspect
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandera.backends.polars.builtin_checks  # registers the built-in checks' functions for polars
import pandera.errors
import pandera.polars as pa
from pandera.api.function_dispatch import Dispatcher

from schemas.errors import DeclarationError, UnknownNameError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import polars as pl

#: What a declaration may give: a model class (the usual way) or a schema object.
PanderaModel = type[pa.DataFrameModel] | pa.DataFrameSchema

#: What pandera raises for a model that it can't make sense of.
_MODEL_ERRORS = (
    pandera.errors.SchemaInitError,
    pandera.errors.SchemaDefinitionError,
    *(TypeError, ValueError, NameError, AttributeError, NotImplementedError),
)


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """One check of a model.

    Attributes:
        name: its own name, or its function's.
        column: the column it belongs to; None for a check of the whole table.
        builtin: name of the built-in check it was made from, or None.
        parameters: what is given to its function beside the data.
        element_wise: whether its function takes one cell.
        ignore_na: whether a null as its answer passes.
        warns: whether it was declared to warn only.
        description: what it says in words, or None.
        function: as it was declared, or pandera's dispatcher of a built-in.
    """

    name: str
    column: str | None
    builtin: str | None
    parameters: Mapping[str, Any]
    element_wise: bool
    ignore_na: bool
    warns: bool
    description: str | None
    function: Callable[..., Any]

    @property
    def where(self) -> str:
        """Its place in the declaration, for messages."""
        return f"{self.column}.{self.name}" if self.column else self.name

    def answer(self, frame: object) -> object:
        """Calls its function as pandera does, with a frame or something that stands in for one."""
        return self.function(pa.PolarsData(frame, self.column or "*"), **self.parameters)  # type: ignore[arg-type]

    def accepts(self, value: object) -> object:
        """Calls the function of an element-wise check with one cell."""
        return self.function(value, **self.parameters)


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """One column of a model; `metadata` is what its `Field` was given under that name."""

    name: str
    dtype: pl.DataType
    nullable: bool
    unique: bool
    metadata: Mapping[str, object]
    description: str | None
    checks: tuple[DeclaredCheck, ...]


@dataclass(frozen=True, slots=True)
class DeclaredModel:
    """A model as plain facts; `unique` has one entry for each set of columns that must be unique together."""

    name: str
    columns: tuple[DeclaredColumn, ...]
    unique: tuple[tuple[str, ...], ...]
    checks: tuple[DeclaredCheck, ...]


def read_model(model: PanderaModel) -> DeclaredModel:
    """Reads a model or schema.

    Raises:
        DeclarationError: pandera can't build it, or it uses something that has no effect on polars.
    """
    schema = _schema(model)
    name = str(schema.name or "model")
    _refuse(schema, _SCHEMA_REFUSALS, name)
    columns = tuple(_column(str(key), column, name) for key, column in schema.columns.items())
    if not columns:
        raise DeclarationError("the model declares no column", where=name)
    checks = tuple(_check(check, None, name) for check in schema.checks)
    return DeclaredModel(name, columns, tuple(_unique_sets(schema, [column.name for column in columns])), checks)


def _schema(model: PanderaModel) -> Any:  # noqa: ANN401  # pandera's own are untyped
    if isinstance(model, pa.DataFrameSchema):
        return model
    _refuse_hidden_columns(model)
    try:
        # What pandera warns of here is refused below, or by columns_of, with a message of its own.
        with warnings.catch_warnings(action="ignore"):
            return model.to_schema()
    except _MODEL_ERRORS as error:
        raise DeclarationError(
            f"pandera can't build the model ({type(error).__name__}: {error})", where=model.__name__
        ) from error


def _refuse_hidden_columns(model: type[pa.DataFrameModel]) -> None:
    """Refuses annotations that begin with an underscore: pandera leaves such a column out without a word."""
    for base in inspect.getmro(model):
        if base is pa.DataFrameModel:
            return
        for name, annotation in inspect.get_annotations(base).items():
            if name.startswith("_") and "ClassVar" not in str(annotation):
                raise _underscore(name, model.__name__)


def _underscore(name: str, where: str) -> DeclarationError:
    return DeclarationError(
        f"the column name {shown(name)} begins with an underscore",
        where=where,
        fix="Such names are kept for the columns that Winnow adds; rename it.",
    )


# --- what has no effect, or a wrong one, on polars --------------------------------------------------------------------

#: Of an attribute: (the values that can be meant, what is wrong with others, what to write instead).
_Refusal = tuple["Sequence[object]", str, str]

_SAYS_ALL = "every row of a group of duplicates breaks `unique`"
_NO_PARSERS: _Refusal = (((), None, []), "parsers do nothing on polars", "Declare a step in Dataset(steps=...).")
_NO_DROPPING: _Refusal = (
    (False,),
    "drop_invalid_rows loses rows without a reason",
    "Rows that break a rule are quarantined.",
)

_SCHEMA_REFUSALS: dict[str, _Refusal] = {
    "dtype": ((None,), "a dtype for the whole table overrides every column's", "Give each column its type."),
    "parsers": _NO_PARSERS,
    "drop_invalid_rows": _NO_DROPPING,
    "report_duplicates": (("all",), "report_duplicates has no effect on polars", f"Leave it out: {_SAYS_ALL}."),
    "ordered": (
        (False,),
        "`ordered` has no effect: columns are found by name",
        "Leave it out, or write Source(drift=Drift(reordered='fail')).",
    ),
    "strict": ((False, True), "strict='filter' has no effect here", "Write Source(drift=Drift(extra='ignore'))."),
    "add_missing_columns": (
        (False,),
        "add_missing_columns would invent values",
        "Leave it out; for a column that some dumps lack write Source(drift=Drift(missing='null')).",
    ),
}

_COLUMN_REFUSALS: dict[str, _Refusal] = {
    "regex": ((False,), "a column whose name is a pattern", "Declare each column by its name."),
    "required": (
        (True,),
        "Optional[...] or required=False means to pandera that the column may be absent",
        "For missing values write Field(nullable=True), for a missing column Source(drift=Drift(missing='null')).",
    ),
    "default": ((None,), "a default would invent values", "Leave it out: nothing is imputed while cleaning."),
    "parsers": _NO_PARSERS,
    "drop_invalid_rows": _NO_DROPPING,
    "report_duplicates": _SCHEMA_REFUSALS["report_duplicates"],
}

_CHECK_REFUSALS: dict[str, _Refusal] = {
    "groupby": ((None,), "groupby has no effect on polars", 'Write the check with .over("column").'),
    "groups": ((None,), "groups has no effect on polars", 'Write the check with .over("column").'),
}


def _refuse(subject: object, refusals: dict[str, _Refusal], where: str) -> None:
    for attribute, (meant, found, fix) in refusals.items():
        value = getattr(subject, attribute, meant[0])
        # By type and then value: a default may be an expression, whose == is no bool.
        if not any(value is allowed or (type(value) is type(allowed) and value == allowed) for allowed in meant):
            raise DeclarationError(found, where=where, fix=fix)


# --- columns and checks -----------------------------------------------------------------------------------------------


def _column(name: str, column: pa.Column, where: str) -> DeclaredColumn:
    place = f"{where}.{name}"
    if name.startswith("_"):
        raise _underscore(name, where)
    _refuse(column, _COLUMN_REFUSALS, place)
    if column.dtype is None:
        raise DeclarationError("the column has no type", where=place)
    found: Any = column.dtype.type
    return DeclaredColumn(
        name=name,
        dtype=found() if isinstance(found, type) else found,
        nullable=column.nullable,
        unique=column.unique,
        metadata=dict(column.metadata or {}),
        description=column.description or column.title,
        checks=tuple(_check(check, name, place) for check in column.checks),
    )


def _check(check: Any, column: str | None, where: str) -> DeclaredCheck:  # noqa: ANN401  # pandera's own is untyped
    function = check._check_fn
    builtin = function.__name__ if isinstance(function, Dispatcher) else None
    name = _check_name(check, function, where)
    _refuse(check, _CHECK_REFUSALS, f"{where}, check {name}")
    if check.element_wise and column is None:
        raise DeclarationError(
            "an element-wise check of the whole table", where=f"{where}, check {name}", fix="Declare it for a column."
        )
    if isinstance(check.statistics.get("allowed_values", check.statistics.get("forbidden_values")), str):
        raise DeclarationError(
            "a text where a list of values is wanted; pandera would take its letters",
            where=f"{where}, check {name}",
            fix='Write ["..."].',
        )
    return DeclaredCheck(
        name=name,
        column=column,
        builtin=builtin,
        parameters=check._check_kwargs,
        element_wise=check.element_wise,
        ignore_na=check.ignore_na,
        warns=check.raise_warning,
        description=check.description or (None if builtin else check.error),
        function=function,
    )


def _check_name(check: Any, function: Callable[..., Any], where: str) -> str:  # noqa: ANN401  # as _check
    name = str(check.name)
    unnamed = isinstance(function, functools.partial) and name == "partial"
    if unnamed or not name.isidentifier():
        raise DeclarationError(
            f"the check {shown(name)} has no name to call its rule by",
            where=where,
            fix='Write it as a function with a name, or give it one: pa.Check(..., name="even").',
        )
    own = _method_name(function)
    if own not in (None, name):
        raise DeclarationError(
            f"the check method {own!r} is given the name {name!r}, which pandera forgets in models that inherit it",
            where=where,
            fix="Rename the method instead, so that the rule's id stays the same.",
        )
    return name


def _method_name(function: Callable[..., Any]) -> str | None:
    """The name of the method that @pa.check or @pa.dataframe_check was put on; None for any other function."""
    if getattr(function, "__name__", None) != "_adapter" or not inspect.isfunction(function):
        return None
    declared = inspect.getclosurevars(function).nonlocals.get("self")
    return getattr(getattr(declared, "check_fn", None), "__name__", None)


def _unique_sets(schema: Any, known: list[str]) -> Iterator[tuple[str, ...]]:  # noqa: ANN401  # pandera's is untyped
    unique = schema.unique or []
    unique = [unique] if isinstance(unique, str) else unique
    for names in [unique] if all(isinstance(name, str) for name in unique) else unique:
        for name in names:
            if name not in known:
                raise UnknownNameError.of("column", str(name), known, where=f"{schema.name}, unique")
        if names:
            yield tuple(names)


# --- checks of our own ------------------------------------------------------------------------------------------------


def register_check(name: str, function: Callable[..., Any], parameter: str, reason: str, **longer: str) -> None:
    """Lets a field name a check: `Field(<name>=value)` or `Field(<name>={"parameter": value, ...})`.

    pandera's own `register_check_method` takes more than a second, since it imports what generates data.

    Args:
        name: of the check.
        function: from the data and, by keyword, its parameters to what pandera wants.
        parameter: the one that a plain value is.
        reason: what a row must be like, with the parameters in braces.
        longer: parameter -> the reason instead, where that one is given.
    """

    def made(*values: object, **settings: Any) -> pa.Check:  # noqa: ANN401  # as pandera passes them
        told = {key: settings.pop(key) for key in set(settings) & own}
        if values:
            told[parameter] = values[0]
        words = next((each for key, each in longer.items() if key in told), reason)
        shown_ones = {
            key: ", ".join(value) if isinstance(value, list | tuple) else value for key, value in told.items()
        }
        settings.setdefault("description", words.format_map(_Known({"least": 0} | shown_ones)))
        return pa.Check(functools.partial(function, **told), name=name, **settings)

    own = {key for key, each in inspect.signature(function).parameters.items() if each.kind is each.KEYWORD_ONLY}
    pa.Check.REGISTERED_CUSTOM_CHECKS[name] = made


class _Known(dict[str, Any]):
    """Parameters of a reason; what can't be written as it should be is told where the check is tried."""

    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"
