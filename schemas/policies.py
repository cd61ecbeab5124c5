"""Policies: what a declaration says beside the model. Where dumps lie, who survives, when a run must stop.

Belongs here: frozen parameter classes that refuse unknown keys and whose defaults do nothing. Does not belong here:
steps and corrections (modules of their own), or any code that acts on a policy (tasks).
"""

from __future__ import annotations

import functools
import inspect
import string
from typing import Any, Literal, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from schemas.errors import DeclarationError, UnknownNameError, shown

Keep = Literal["first", "last", "latest", "most_complete"]
ExtraColumns = Literal["fail", "ignore"]
Format = Literal["csv", "tsv", "jsonl", "parquet"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def declared(cls: type[T]) -> type[T]:
    """Makes a frozen parameter class whose mistakes are told as a declaration's: unknown keys with the nearest known.

    Raises (when the class is called):
        UnknownNameError: a keyword that the class does not have.
        DeclarationError: a missing argument, or a value of the wrong type.
    """
    made: Any = dataclass(frozen=True, config=ConfigDict(extra="forbid"))(cls)
    build = made.__init__

    @functools.wraps(build)
    def checked(self: object, *args: object, **settings: object) -> None:
        known = list(inspect.signature(cls).parameters)
        for name in settings.keys() - set(known):
            raise UnknownNameError.of(f"setting of {cls.__name__}", name, known)
        try:
            build(self, *args, **settings)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            message = f"{first['msg']} (found {shown(first['input'])})"
            raise DeclarationError(message, where=f"{cls.__name__}({place})") from None

    made.__init__ = checked
    return made  # type: ignore[no-any-return]  # pydantic's decorator is untyped here


@declared
class Source:
    """Where a data set's dumps lie and how to read them.

    Attributes:
        pattern: path below the raw root, with `{partition}` in it once and `*` where names vary.
        format: how the records are written; None takes it from the name (`.csv .tsv .jsonl .ndjson .parquet`, with
            `.gz` or `.zst` after it).
        delimiter: one character between the fields of a delimited file; None is `,` for csv and a tab for tsv.
        quote: the quote character of a delimited file, or an empty string when quotes mean nothing in it.
        null_tokens: cells that mean *missing*, compared after stripping.
        extra_columns: what a column or key does that the model does not declare: stop the partition (for JSONL:
            quarantine the record), or be left out with a note in the manifest.

    Example:
        >>> Source("tickets/{partition}/*.jsonl.gz", null_tokens=["", "NA"]).pattern
        'tickets/{partition}/*.jsonl.gz'
    """

    pattern: str
    format: Format | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    quote: str = Field(default='"', max_length=1)
    null_tokens: tuple[str, ...] = ()
    extra_columns: ExtraColumns = "fail"

    def __post_init__(self) -> None:
        parsed = [field[1:] for field in string.Formatter().parse(self.pattern) if field[1] is not None]
        names = [name for name, _, _ in parsed]
        if parsed != [("partition", "", None)]:
            raise DeclarationError(
                f"the pattern {shown(self.pattern)} names {names or 'nothing'}",
                expected="`{partition}` once",
                where="Source(pattern)",
                fix="Write it like tickets/{partition}/*.csv.gz.",
            )


@declared
class Dedupe:
    """Which records are the same one, and which of them survives.

    Attributes:
        key: columns that together identify a record; rows equal in all of them are duplicates. A row with a missing
            value in its key is the duplicate of none.
        keep: the survivor: the `first` or `last` in the order of files and records, the `latest` by a column, or the
            one with the fewest missing cells. Ties go to the first in that order.
        by: the column that `latest` compares.
        ignore: columns in which two rows of one key may differ without being in conflict, such as a number that the
            sender gives each row.
    """

    key: tuple[str, ...] = Field(min_length=1)
    keep: Keep = "first"
    by: str | None = None
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.keep == "latest") != (self.by is not None):
            raise DeclarationError(
                f"keep={self.keep!r} with by={self.by!r}", expected="`by` with keep='latest' only", where="Dedupe(by)"
            )


@declared
class Gates:
    """When a whole run must stop before publishing. A limit that is None never stops it.

    Attributes:
        max_quarantined: greatest share (0 to 1) of a partition's records that may be quarantined.
        max_rejected: greatest share (0 to 1) of a partition's records that may be rejected.
        min_records: fewest records that a partition may have.
        allow_empty: whether a partition of which no record is kept may be published.
    """

    max_quarantined: float | None = Field(default=None, ge=0, le=1)
    max_rejected: float | None = Field(default=None, ge=0, le=1)
    min_records: int | None = Field(default=None, ge=0)
    allow_empty: bool = False
