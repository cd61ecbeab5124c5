"""Errors a person can act on: one class for each kind of trouble, with a stable name.

Belongs here: every exception that Winnow raises on purpose, its exit code, and the one way in which messages are
built. Does not belong here: catching, logging or printing them (that is the command line's work).

Every message says what was found, what was expected, where, and what to do about it.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Exit codes of the command line.
EXIT_DONE, EXIT_STOPPED, EXIT_USAGE, EXIT_ENVIRONMENT = 0, 1, 2, 3

#: A value from data is never shown in full in a message: it may be personal, or a megabyte long.
_SHOWN_CHARACTERS = 80

#: Names that a message lists when none is near to the one that was meant.
_NAMED = 20


def shown(value: object) -> str:
    r"""A value from outside, escaped and cut, fit to stand in a message or a log.

    Example:
        >>> shown("\x1b[31mred")
        "'\\x1b[31mred'"
        >>> shown("x" * 200)[-20:]
        "x'… (200 characters)"
    """
    text = str(value)
    if len(text) <= _SHOWN_CHARACTERS:
        return ascii(text)
    return f"{text[: _SHOWN_CHARACTERS - 4]!a}… ({len(text):,} characters)"


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known names nearest to an unknown one, or lists them all when none is near.

    Example:
        >>> nearest("intnt", ["intent", "text"])
        'Did you mean intent?'
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    if not known:
        return "None is known."
    more = f" and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
    return f"Known: {', '.join(known[:_NAMED])}{more}."


class WinnowError(Exception):
    """Base of all errors that Winnow raises on purpose.

    Attributes:
        exit_code: what the command line exits with.
        found: what was found.
        expected: what was expected instead, or None.
        where: file, line, column or rule, or None.
        fix: what to do about it, or None.
    """

    exit_code: ClassVar[int] = EXIT_ENVIRONMENT

    def __init__(
        self,
        found: str,
        *,
        expected: str | None = None,
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.found, self.expected, self.where, self.fix = found, expected, where, fix
        parts = [f"{where}: {found}" if where else found]
        if expected:
            parts.append(f"expected {expected}")
        message = "; ".join(parts)
        super().__init__(f"{message}. {fix}" if fix else message)

    @property
    def kind(self) -> str:
        """Stable name of the error, for programs that read `--json`."""
        return type(self).__name__

    def as_record(self) -> dict[str, str | int | None]:
        """The error as a flat record, for `--json`."""
        return {
            "error": self.kind,
            "found": self.found,
            "expected": self.expected,
            "where": self.where,
            "fix": self.fix,
            "exit_code": self.exit_code,
        }


# --- wrong usage (exit 2) ---------------------------------------------------------------------------------------------


class UsageError(WinnowError):
    """The command was given something it can't take."""

    exit_code = EXIT_USAGE


class DeclarationError(UsageError):
    """A data set's declaration is wrong; found when it is imported, before any data is read."""


class UnknownNameError(DeclarationError, AttributeError):
    """A declaration names a column, rule, step or setting that does not exist.

    It is an AttributeError as well, because a misspelt `steps.lowercse` is one, and `hasattr` has to work.
    """

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str], *, where: str | None = None) -> UnknownNameError:
        """Names the unknown thing and the known one nearest to it."""
        return cls(f"unknown {kind} {shown(name)}", where=where, fix=nearest(name, known))


class DatasetNotFoundError(UsageError):
    """No data set of that name is declared."""


class SettingsError(UsageError):
    """A setting in the environment or the settings file has a value it can't have."""


class VersionNotFoundError(UsageError):
    """The data set has no such version."""


class TagExistsError(UsageError):
    """Another version has that name."""


class HoldNotFoundError(UsageError):
    """Nothing is held under that name."""


class RecordNotFoundError(UsageError):
    """No version holds a record of that identity."""


# --- a gate or a rule stopped it (exit 1) -----------------------------------------------------------------------------


class StoppedError(WinnowError):
    """The data, not the machine, is why nothing was published."""

    exit_code = EXIT_STOPPED


class HeaderError(StoppedError):
    """A raw file's columns are not the declared ones."""


class GateError(StoppedError):
    """A gate on the whole run failed: too much quarantined, too few records, a table-level rule broken.

    Attributes:
        gates: settings and ids of rules that did not open.
    """

    gates: tuple[str, ...] = ()


class HeldError(GateError):
    """A gate held what was made, until a person releases or discards it."""


class HoldGoneError(StoppedError):
    """What was held can't be published any more: it was decided on, is too old, or the partition has moved on."""


class BooksError(StoppedError):
    """The books don't balance: a record is missing or was counted twice. Always a defect, never published."""


class SomeFailedError(StoppedError):
    """At least one data set or partition of a run over several was not published; the others were.

    Attributes:
        outcomes: of the data sets that were.
        exit_code: the gravest of those that were not.
    """

    def __init__(self, failures: dict[str, tuple[str, int]], outcomes: Sequence[Any]) -> None:
        self.outcomes = outcomes
        self.exit_code = max(code for _, code in failures.values())  # type: ignore[misc]  # of this run, not of all
        whole = len(failures) + len(outcomes)
        reasons = "; ".join(f"{dataset}: {reason}" for dataset, (reason, _) in failures.items())
        super().__init__(f"{len(failures)} of {whole} were not published: {reasons}")


class ErasedMeanwhileError(StoppedError):
    """A person's records were erased while a run was under way that had read them before."""


class ErasureIncompleteError(StoppedError):
    """Something of a person is left in the store after an erasure, which is why it got no receipt."""


class DumpChangedError(StoppedError):
    """A raw file is no longer the one that was cleaned."""


# --- the environment failed (exit 3) ----------------------------------------------------------------------------------


class EnvironmentFailedError(WinnowError):
    """Something outside Winnow and outside the data failed."""

    exit_code = EXIT_ENVIRONMENT


class DumpMissingError(EnvironmentFailedError):
    """No raw file matches the data set's pattern for the partition."""


class DumpUnreadableError(EnvironmentFailedError):
    """A raw file is there but can't be opened: a directory, no permission, an I/O error."""


class StoreError(EnvironmentFailedError):
    """The store can't be read or written: full disk, no permission, a manifest that can't be read."""


class LeaseHeldError(EnvironmentFailedError):
    """Another run is cleaning the same partition right now."""


class LeaseLostError(EnvironmentFailedError):
    """The run no longer holds its lease, so that another one may be cleaning the partition."""


class MissingExtraError(EnvironmentFailedError):
    """An optional library is not installed."""

    @classmethod
    def of(cls, library: str, extra: str) -> MissingExtraError:
        """Names the library and the command that installs it."""
        return cls(f"{library} is not installed", fix=f"Install it with: pip install 'winnow[{extra}]'")
