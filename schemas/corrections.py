"""Corrections: known wrong cells, declared with their reason and guarded against the day the source is repaired.

Belongs here: the frozen class. Does not belong here: applying it (tasks/normalise).
"""

from __future__ import annotations

from pydantic import Field

from schemas.errors import DeclarationError
from schemas.policies import declared


@declared
class Correction:
    """One known wrong cell: in which row, what it says, what it should say, and why.

    The row is found by the text of other columns (`where`). If the row is there and its cell no longer says what is
    expected, the source has changed: the row breaks the rule `<column>.expect`, and by default the run stops.

    Attributes:
        column: the column of the cell.
        where: column -> text, as it is in the dump once stripped; all must match.
        expect: the wrong text, as it is in the dump once stripped.
        value: the text to put in its place; None makes the cell missing.
        reason: why, in words; it is written into the repair row.

    Example:
        >>> Correction(
        ...     "wind_speed",
        ...     where={"origin": "EWR", "time_hour": "2013-02-12T08:00:00Z"},
        ...     expect="1048.36",
        ...     value=None,
        ...     reason="sensor",
        ... ).value
    """

    column: str
    where: dict[str, str] = Field(min_length=1, kw_only=True)
    expect: str = Field(kw_only=True)
    value: str | None = Field(kw_only=True)
    reason: str = Field(min_length=3, kw_only=True)

    def __post_init__(self) -> None:
        if self.value == self.expect:
            raise DeclarationError("a correction that changes nothing", where=f"Correction({self.column})")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it names."""
        return (self.column, *self.where)
