"""Steps: how a raw cell becomes the text that is parsed. Declared here, done in tasks/normalise.

Belongs here: one frozen class for each kind of step and the lower-case functions that a declaration calls. Does not
belong here: polars expressions (tasks/normalise/expressions), or anything that looks at more than one cell.

Steps run in the order in which they are declared, on text, before casting. A step that is declared to change a value
(case, Unicode form, synonyms, units) leaves a repair row for every cell it changes; one that changes only the writing
of a value (blanks around it, separators in a number) is counted.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from schemas.errors import DeclarationError, UnknownNameError
from schemas.personal_data import KINDS, Kind
from schemas.policies import declared


@declared
class Step:
    """Base of all steps.

    Attributes:
        columns: the columns whose cells it looks at, one by one.
    """

    columns: tuple[str, ...] = Field(min_length=1)

    #: Stable name, used in counts, repair rows and reports.
    name: ClassVar[str] = ""
    #: Whether a cell that it changes has another value afterwards, and so gets a repair row.
    changes_value: ClassVar[bool] = False


@declared
class Strip(Step):
    """Removes white space around a cell."""

    name: ClassVar[str] = "strip"


@declared
class CollapseWhitespace(Step):
    """Makes each run of white space inside a cell one blank."""

    name: ClassVar[str] = "collapse_whitespace"
    changes_value: ClassVar[bool] = True


@declared
class Nfc(Step):
    """Brings text to Unicode normalisation form C."""

    name: ClassVar[str] = "nfc"
    changes_value: ClassVar[bool] = True


@declared
class Lowercase(Step):
    """Makes text lower case."""

    name: ClassVar[str] = "lowercase"
    changes_value: ClassVar[bool] = True


@declared
class Uppercase(Step):
    """Makes text upper case."""

    name: ClassVar[str] = "uppercase"
    changes_value: ClassVar[bool] = True


@declared
class NullTokens(Step):
    """Cells that mean *missing* in these columns, beside those of the source.

    Attributes:
        tokens: compared with the whole cell.
    """

    tokens: tuple[str, ...] = Field(min_length=1, kw_only=True)

    name: ClassVar[str] = "null_tokens"


@declared
class Number(Step):
    """Brings a number written for people to plain digits: `1.234,5` with thousands="." and decimal="," is `1234.5`.

    A cell whose separators are not where thousands are separated (`1,2,3`) is left alone, and so fails to cast.

    Attributes:
        thousands: separator between groups of three digits, or an empty string.
        decimal: decimal mark.
    """

    thousands: str = Field(default=",", max_length=1, kw_only=True)
    decimal: str = Field(default=".", min_length=1, max_length=1, kw_only=True)

    name: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        if self.thousands == self.decimal:
            raise DeclarationError(f"thousands and decimal are both {self.decimal!r}", where="steps.number")


@declared
class Units(Step):
    """Removes a unit after a number and converts: `12 kt` is `13.809396` with {"mph": 1, "kt": 1.150783}.

    Attributes:
        factors: unit -> what one of it is in the column's unit; the factor 1 only removes the unit's name.
    """

    factors: dict[str, float] = Field(min_length=1, kw_only=True)

    name: ClassVar[str] = "units"
    changes_value: ClassVar[bool] = True


@declared
class Booleans(Step):
    """Brings words for yes and no to `true` and `false`, whatever their case.

    Attributes:
        true: words that mean true.
        false: words that mean false.
    """

    true: tuple[str, ...] = Field(default=("true", "t", "yes", "y", "1"), kw_only=True)
    false: tuple[str, ...] = Field(default=("false", "f", "no", "n", "0"), kw_only=True)

    name: ClassVar[str] = "booleans"

    def __post_init__(self) -> None:
        both = {word.lower() for word in self.true} & {word.lower() for word in self.false}
        if both:
            raise DeclarationError(f"{', '.join(sorted(both))} means both true and false", where="steps.booleans")


@declared
class Synonyms(Step):
    """Brings other spellings of a category to the declared one.

    Attributes:
        spellings: spelling as found -> category.
    """

    spellings: dict[str, str] = Field(min_length=1, kw_only=True)

    name: ClassVar[str] = "synonyms"
    changes_value: ClassVar[bool] = True


@declared
class Mask(Step):
    """Replaces personal data of one kind by the name of the kind: `[EMAIL]`.

    Each kind is a step of its own, so that each is counted. The repair row holds the text as it was; erasures reach it.
    """

    kind: ClassVar[Kind]
    changes_value: ClassVar[bool] = True


@declared
class MaskKey(Mask):
    """Keys, tokens and passwords."""

    name: ClassVar[str] = "mask_key"
    kind: ClassVar[Kind] = "key"


@declared
class MaskEmail(Mask):
    """E-mail addresses."""

    name: ClassVar[str] = "mask_email"
    kind: ClassVar[Kind] = "email"


@declared
class MaskIban(Mask):
    """Account numbers with a country, a length and a checksum that fit."""

    name: ClassVar[str] = "mask_iban"
    kind: ClassVar[Kind] = "iban"


@declared
class MaskCard(Mask):
    """Card numbers with an issuer, a length and a checksum that fit."""

    name: ClassVar[str] = "mask_card"
    kind: ClassVar[Kind] = "card"


@declared
class MaskIp(Mask):
    """IP addresses, of versions 4 and 6."""

    name: ClassVar[str] = "mask_ip"
    kind: ClassVar[Kind] = "ip"


@declared
class MaskPhone(Mask):
    """Telephone numbers with a country's code, or as they are written in North America."""

    name: ClassVar[str] = "mask_phone"
    kind: ClassVar[Kind] = "phone"


def strip(*columns: str) -> Strip:
    """Removes white space around the cells of these columns; see `Strip`."""
    return Strip(columns)


def collapse_whitespace(*columns: str) -> CollapseWhitespace:
    """Makes each run of white space one blank; see `CollapseWhitespace`."""
    return CollapseWhitespace(columns)


def nfc(*columns: str) -> Nfc:
    """Brings text to Unicode normalisation form C; see `Nfc`."""
    return Nfc(columns)


def lowercase(*columns: str) -> Lowercase:
    """Makes text lower case; see `Lowercase`."""
    return Lowercase(columns)


def uppercase(*columns: str) -> Uppercase:
    """Makes text upper case; see `Uppercase`."""
    return Uppercase(columns)


def null_tokens(*columns: str, tokens: tuple[str, ...] | list[str]) -> NullTokens:
    """Names cells that mean *missing* in these columns; see `NullTokens`."""
    return NullTokens(columns, tokens=tuple(tokens))


def number(*columns: str, thousands: str = ",", decimal: str = ".") -> Number:
    """Brings a number written for people to plain digits; see `Number`."""
    return Number(columns, thousands=thousands, decimal=decimal)


def units(*columns: str, factors: dict[str, float]) -> Units:
    """Removes and converts units; see `Units`."""
    return Units(columns, factors=factors)


def booleans(*columns: str, true: tuple[str, ...] | None = None, false: tuple[str, ...] | None = None) -> Booleans:
    """Brings words for yes and no to `true` and `false`; see `Booleans`."""
    words = {"true": true, "false": false}
    return Booleans(columns, **{name: tuple(found) for name, found in words.items() if found is not None})


def synonyms(*columns: str, spellings: dict[str, str]) -> Synonyms:
    """Brings other spellings of a category to the declared one; see `Synonyms`."""
    return Synonyms(columns, spellings=spellings)


def mask(*columns: str, kinds: tuple[Kind, ...] | list[Kind] = KINDS) -> tuple[Mask, ...]:
    """Masks personal data, a step for each kind: `steps=(*steps.mask("text"), ...)`; see `Mask`.

    Args:
        columns: of text.
        kinds: which; all by default, in the order in which they can't be taken for each other.
    """
    made = {each.kind: each for each in Mask.__subclasses__()}
    for kind in kinds:
        if kind not in made:
            raise UnknownNameError.of("kind of personal data", kind, KINDS, where="steps.mask")
    return tuple(made[kind](columns) for kind in KINDS if kind in kinds)


_KNOWN = {step.name for step in Step.__subclasses__() if step.name} | {"mask"}


def __getattr__(name: str) -> object:
    # A misspelt step is told at import, with the known one nearest to it, instead of as an AttributeError. Dunder names
    # are asked for by the import system and by tools, and mean nothing here.
    if name.startswith("__"):
        raise AttributeError(name)
    raise UnknownNameError.of("step", name, _KNOWN)
