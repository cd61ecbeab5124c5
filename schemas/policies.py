"""Policies: what a declaration says beside the model. Where dumps lie, who survives, when a run must stop.

Belongs here: frozen parameter classes that refuse unknown keys and whose defaults do nothing. Does not belong here:
steps and corrections (modules of their own), or any code that acts on a policy (tasks).
"""

from __future__ import annotations

import functools
import inspect
import re
import string
import zoneinfo
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from schemas.errors import DeclarationError, UnknownNameError, shown
from schemas.records import LineEnd

Keep = Literal["first", "last", "latest", "most_complete", "highest", "preferred"]
#: The policies that look at what is in the rows, and the ones that need a column for it.
CHOOSING = ("latest", "most_complete", "highest", "preferred")
_BY = ("latest", "highest", "preferred")
Missing = Literal["fail", "quarantine", "null"]
Extra = Literal["fail", "quarantine", "ignore"]
GateAction = Literal["fail", "hold", "warn"]
Format = Literal["csv", "tsv", "jsonl", "parquet", "xlsx"]
DeclaredEncoding = Literal["utf-8", "utf-16", "utf-16-le", "utf-16-be", "windows-1252", "latin-1"]
Form = Literal["unicode", "case", "accents", "punctuation", "whitespace", "number", "date"]

#: One field of a cron: `*`, numbers, names of days and months, ranges and steps, or a list of those.
_FIELD = r"(?:\*|\w+(?:-\w+)?)(?:/\d+)?"
_CRON = re.compile(rf"{_FIELD}(?:,{_FIELD})*(?:\s+{_FIELD}(?:,{_FIELD})*){{4}}")

T = TypeVar("T")

#: Decimals of a threshold are exact up to a millionth, so that sums of them stay whole numbers of 64 bits.
_MOST_PARTS = 1_000_000


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
class Drift:
    """What becomes of a dump whose columns are not the declared ones.

    Held against the declaration are the names that each CSV or Parquet file has for all of its records, and the keys
    that each JSON record has for itself. What was found and what was done is written in the manifest, file by file. A
    file in which nothing at all is called as declared always stops the partition: its first line is no header.

    Attributes:
        missing: a declared column that is not there stops the partition (`fail`), sets each record that lacks it aside
            under `record.missing_column` (`quarantine`), or is null in them, and the rules decide (`null`). None is
            `fail` for CSV and Parquet, and `null` for JSON, whose writers leave out what is null.
        extra: an undeclared column stops the partition, sets each record that has it aside under
            `record.extra_column`, or is left out (`ignore`). None is `fail` for CSV and Parquet, and `quarantine` for
            JSON, where it is the oddity of one record.
        reordered: columns in another order are found by their names all the same (`ignore`), or stop the partition.
            The keys of a JSON object have no order.
        widened: cells of a Parquet column whose type can hold what the declared one can't are cast one by one, and
            those that don't fit break `castable` (`cast`); or such a column stops the partition. CSV and JSON have no
            types: there each cell is all that can be judged.
        renamed: name in the dump -> declared name, for columns that go by another name in some dumps. Where a
            column's own name stands beside another one, or several others do, the first counts (its own, then in this
            order), and the others are extra.

    Example:
        >>> Drift(missing="null", extra="ignore", renamed={"tail_number": "tailnum"}).widened
        'cast'
    """

    missing: Missing | None = None
    extra: Extra | None = None
    reordered: Literal["ignore", "fail"] = "ignore"
    widened: Literal["cast", "fail"] = "cast"
    renamed: dict[str, str] = Field(default_factory=dict)


@declared
class Limits:
    """How great the things in a raw file may be. What is greater is rejected, and the reason names the setting.

    Attributes:
        max_record_bytes: bytes of the longest record that is parsed, as it stands in the text. Of a longer line each
            such stretch is a rejected record, and a quote that does not close within so many bytes never closes. A
            record is held in memory several times over while it is parsed.
        max_cell_bytes: bytes of UTF-8 text of the longest cell; a record with a longer one is rejected.
        max_columns: columns that a CSV or Parquet file may have; one with more stops the partition. The default is
            what a spreadsheet can have.
        max_ratio: bytes of text that each stored byte of a compressed file may stand for; where there is more text
            the stream breaks off, and the rest is one rejected record. It counts from 1 GiB of text on: a short
            stretch of zeros shrinks to nothing in honest data. The default is just below the 1,032 that gzip can
            reach at all, and far above what text comes to that is worth reading (5 to 50).
        max_text_bytes: bytes of text that a compressed file may hold, whatever its ratio; breaks off as a ratio does.
            None is no limit: a ratio tells a bomb from a big file, a size can't, unless one knows the dumps. Of an
            XLSX file, which can't be read piece by piece, it is the XML in it, and 2 GiB where it is None or more.
        max_window_bytes: memory that a zstd or xz stream may ask for to be decompressed, as both let the writer
            choose; one that asks for more is rejected. The default is enough for every level of both programs, but
            not for `zstd --long=31`, which needs 2 GiB.

    Example:
        >>> Limits(max_columns=50_000).max_record_bytes
        67108864
    """

    max_record_bytes: int = Field(default=64 << 20, ge=1, lt=1 << 32)
    max_cell_bytes: int = Field(default=64 << 20, ge=1)
    max_columns: int = Field(default=16_384, ge=1)
    max_ratio: float = Field(default=1_000, ge=1, allow_inf_nan=False)
    max_text_bytes: int | None = Field(default=None, ge=1)
    max_window_bytes: int = Field(default=128 << 20, ge=1 << 20, le=1 << 31)


@declared
class Source:
    r"""Where a data set's dumps lie and how to read them.

    What is None is told by each file's own name and first bytes. What they tell otherwise than the plain case is
    written in the manifest, file by file.

    Attributes:
        pattern: path below the raw root, with `{partition}` in it once and `*` where names vary.
        format: how the records are written; None takes it from the name (`.csv .tsv .jsonl .ndjson .parquet .xlsx`,
            with `.gz .zst .bz2 .xz` or `.zip` after it).
        delimiter: one character between the fields of a delimited file. None is `,` for csv and a tab for tsv, unless
            the header names more of the declared columns under another one of `, ; tab |`.
        quote: the quote character of a delimited file, or an empty string when quotes mean nothing in it.
        escape: a character of a delimited file that takes the meaning from a delimiter, quote, line end or escape
            behind it, such as a backslash. In front of anything else it is data (`\N` can be a null token).
        encoding: of a delimited file; `utf-16` has a byte order mark. None is told by that mark; without one it is
            UTF-8, unless the first bytes fit UTF-16 or Western European text (windows-1252) only.
        line_end: what ends a line of a delimited file: `lf` (CRLF too), `cr`, or `any` of the three. None is `lf`,
            unless the header is a header only if CR ends it.
        preamble: lines of a delimited file before its header. None is 0, unless a later one of the first lines is the
            first that names all declared columns.
        footer: last records of a delimited file that are none, such as a line of totals; they are rejected.
        sheet: the sheet of an XLSX file, by its name or its number from 1. None is the only one with data.
        null_tokens: cells that mean *missing*, compared after stripping.
        drift: what becomes of missing, extra, renamed, reordered and widened columns.
        limits: how great a record, a cell, a header and what is decompressed may be.
        archive_raw: whether the store keeps a copy of each raw file, one whatever the number of partitions and versions
            that name it, so that every record can be shown and cleaned again when the dump is gone.
        erase_raw: whether `winnow erase` also makes the records blank in the dump itself. It changes files below the
            raw root; it can do so in text that is not compressed, in a folder.

    Example:
        >>> Source("tickets/{partition}/*.jsonl.gz", null_tokens=["", "NA"]).pattern
        'tickets/{partition}/*.jsonl.gz'
    """

    pattern: str
    format: Format | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    quote: str = Field(default='"', max_length=1)
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: DeclaredEncoding | None = None
    line_end: LineEnd | None = None
    preamble: int | None = Field(default=None, ge=0, le=1_000)
    footer: int = Field(default=0, ge=0, le=1_000)
    sheet: Annotated[int, Field(ge=1)] | str | None = None
    null_tokens: tuple[str, ...] = ()
    drift: Drift = Drift()
    limits: Limits = Limits()
    archive_raw: bool = False
    erase_raw: bool = False

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
class Near:
    """Which texts are nearly the same: those of which enough shingles, runs of words or characters, are shared.

    Of similar texts the one that `keep` prefers survives, and each record that is removed is itself similar to the
    survivor that it names. So a chain (A like B, B like C, A unlike C) keeps both A and C, and no two survivors are
    similar.

    Attributes:
        column: the text that is compared, of records that are no exact duplicates.
        jaccard: least share, of all shingles of both texts, that both have.
        containment: least share, of the shingles of the text with fewer, that the other one has too: it finds a text
            that was quoted whole in a longer one. Either this or `jaccard`.
        words: words in a shingle.
        characters: characters in a shingle, instead of words: for short texts, and for writing without spaces.

    Example:
        >>> Dedupe.Near("text", jaccard=0.85).words
        3
    """

    column: str
    jaccard: float | None = Field(default=None, gt=0, le=1)
    containment: float | None = Field(default=None, gt=0, le=1)
    words: int = Field(default=3, ge=1, le=64)
    characters: int | None = Field(default=None, ge=1, le=64)

    def __post_init__(self) -> None:
        if (self.jaccard is None) == (self.containment is None):
            found = f"jaccard={self.jaccard} and containment={self.containment}"
            raise DeclarationError(found, expected="one of them", where="Dedupe.Near")
        if self.characters is not None and self.words != 3:  # the default
            raise DeclarationError("words and characters", expected="one of them", where="Dedupe.Near")
        if self.least.denominator > _MOST_PARTS:
            found = f"the threshold {self.threshold} has more decimals"
            raise DeclarationError(found, expected="at most six", where="Dedupe.Near")

    @property
    def threshold(self) -> float:
        """The least similarity of two texts that are nearly the same."""
        return self.jaccard or self.containment or 1.0

    @property
    def least(self) -> Fraction:
        """The threshold as it was written: 0.85 is 17/20, which no binary fraction is."""
        return Fraction(repr(self.threshold))


@declared
class Entities:
    """Which records are about the same person or thing, though no key says so; needs `pip install 'winnow[entities]'`.

    A model of how often fields agree (Fellegi and Sunter) is fitted to each partition, and gives pairs of records a
    probability.

    Attributes:
        fields: column -> how it is compared: `name` (similar spelling counts), `code` (one or two slips count, as in
            dates and numbers), or `exact`.
        blocking: only records are compared that are equal in all columns of one of these; several rules find what one
            misses through an error. Columns may be any.
        match: least probability with which two records are the same.
        review: pairs from this probability on, and less than `match`, are to be looked at: the later record breaks the
            rule `entities.review`, which stops the run unless `severities` says otherwise. None looks at none.
        max_pairs: pairs that may be compared; they are counted before.

    Example:
        >>> Entities(fields={"surname": "name", "born": "code"}, blocking=[["born"], ["surname"]]).match
        0.95
    """

    fields: dict[str, Literal["name", "code", "exact"]] = Field(min_length=1)
    blocking: tuple[tuple[str, ...], ...] = Field(min_length=1)
    match: float = Field(default=0.95, gt=0, lt=1)
    review: float | None = Field(default=None, gt=0, lt=1)
    max_pairs: int = Field(default=10_000_000, ge=1)

    def __post_init__(self) -> None:
        if not all(self.blocking):
            raise DeclarationError("a blocking rule without a column", where="Entities(blocking)")
        if self.review is not None and self.review >= self.match:
            found = f"review={self.review} with match={self.match}"
            raise DeclarationError(found, expected="`review` less than `match`", where="Entities(review)")


#: Within `Dedupe` the name is that of its attribute.
_Near: TypeAlias = Near


@declared
class Dedupe:
    """Which records are the same one, and which of them survives.

    Attributes:
        key: columns that together identify a record; rows equal in all of them are duplicates. A row with a missing
            value in its key is the duplicate of none.
        keep: the survivor: the `first` or `last` in the order of partitions (by name), files and records, the `latest`
            or the one with the `highest` value by a column (a date, the share of annotators who agree), the
            `most_complete` with the fewest missing cells, or the one of the `preferred` source. Ties go to the first in
            that order.
        by: the column that `latest`, `highest` and `preferred` compare; a missing value comes last.
        prefer: its values from the most to the least preferred; one that is not among them comes after all of these.
        across: whether records of the whole `dataset` are compared, or only those of the same `partition`: say that
            where each dump is a full snapshot, in which yesterday's records come again.
        ignore: columns in which two rows of one key may differ without being in conflict, such as a number that the
            sender gives each row.
        canonical: column of text of the key -> forms in which spellings of one value are equal: `unicode` (composed
            characters or not; every other form implies it), `case`, `accents`, `punctuation`, `whitespace`, `number`
            (`+007.50` is `7.5`) and `date` (year first, whatever stands between). The published value stays as it is.
        near: which texts are nearly the same; None removes equal keys only. Texts are compared within a partition,
            those of records that survive among equal keys.
        entities: which records are about the same entity; as `near`, and after it.
    """

    Near: ClassVar[type[_Near]] = Near

    key: tuple[str, ...] = Field(min_length=1)
    keep: Keep = "first"
    by: str | None = None
    prefer: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    across: Literal["dataset", "partition"] = "dataset"
    canonical: dict[str, tuple[Form, ...]] = Field(default_factory=dict)
    near: _Near | None = None
    entities: Entities | None = None

    def __post_init__(self) -> None:
        if (self.keep in _BY) != (self.by is not None):
            raise DeclarationError(
                f"keep={self.keep!r} with by={self.by!r}",
                expected=f"`by` with keep={', '.join(map(repr, _BY))} only",
                where="Dedupe(by)",
            )
        if (self.keep == "preferred") != bool(self.prefer):
            raise DeclarationError(
                f"keep={self.keep!r} with prefer={list(self.prefer)!r}",
                expected="`prefer`, the values of `by` from the best on, with keep='preferred' only",
                where="Dedupe(prefer)",
            )
        for name in self.canonical:
            if name not in self.key:
                raise UnknownNameError.of("key column", name, self.key, where="Dedupe(canonical)")

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns in which records of one key are equal: `_same.<column>` where it has canonical forms."""
        return tuple(f"_same.{name}" if name in self.canonical else name for name in self.key)


@declared
class Retention:
    """Which versions are kept; `winnow gc` retires the others. Without a limit all are.

    A version is kept if any of these keeps it, and the newest always is. It changes no row, so that no partition
    becomes stale when it is declared.

    Attributes:
        keep_versions: so many of the newest.
        keep_days: those that were the newest at some moment of so many days until now.
        keep_tagged: whatever has a tag.

    Example:
        >>> Retention(keep_versions=30, keep_days=90).keep_tagged
        True
    """

    keep_versions: int | None = Field(default=None, ge=1)
    keep_days: float | None = Field(default=None, gt=0, le=36_500)
    keep_tagged: bool = True


@declared
class Schedule:
    """When a data set's nightly run starts, and how far it looks back. Without a schedule it is started by hand.

    It changes no row, so that no partition becomes stale when it is declared.

    Attributes:
        cron: minute, hour, day of the month, month and day of the week, as cron has them.
        timezone: name of the zone in which the cron counts, as the IANA has it; a night that a change of the clocks
            leaves out or repeats is run once.
        catch_up: so many partitions before the newest one are looked at, too, and those that no version holds are
            cleaned before it: a worker that was off for some nights leaves no gap. More is a backfill's work.

    Example:
        >>> Schedule("15 2 * * *", timezone="America/New_York").catch_up
        7
    """

    cron: str
    timezone: str = "UTC"
    catch_up: int = Field(default=7, ge=0, le=20)

    def __post_init__(self) -> None:
        if not _CRON.fullmatch(self.cron):
            raise DeclarationError(
                f"{shown(self.cron)} is no cron",
                expected="five fields, like 15 2 * * * for a quarter past two",
                where="Schedule(cron)",
            )
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            zones = zoneinfo.available_timezones()
            raise UnknownNameError.of("time zone", self.timezone, zones, where="Schedule(timezone)") from None


@declared
class Gates:
    """When a whole run must stop before publishing. A limit that is None never stops it.

    What is usual is the median of the partitions before this one, in the order of their names; with fewer than three of
    them nothing is usual yet, and the gates that compare with it are open.

    Attributes:
        max_quarantined: greatest share (0 to 1) of a partition's records that may be quarantined.
        max_rejected: greatest share (0 to 1) of a partition's records that may be rejected.
        min_records: fewest records that a partition may have.
        allow_empty: whether a partition of which no record is kept may be published.
        max_cluster: greatest number of records of one key that a partition may have.
        max_removed: greatest share (0 to 1) that a run may remove as duplicates: of the partition's records that break
            no rule about themselves, of those with each value of `removed_by`, and of what each other partition keeps.
        removed_by: columns such as a source or a class, of which no value may be wiped out.
        max_quarantined_rise: by how much the share of quarantined records may be greater than the usual one: 0.02 lets
            it rise from 1 % to 3 %.
        max_records_change: by which share of the usual number of records a partition may have more or fewer: 0.5 lets
            it have from half as many to half as many again.
        history: of how many partitions before it the median is what is usual.
        allow_drift: whether a partition may be published in whose dump columns are missing, extra, renamed or widened,
            where `Source(drift=...)` lets it be read.
        actions: name of a gate, or id of a rule about the whole table or of severity `fail` -> what it does. `fail`
            stops the run, which is what a gate does that is not named here. `hold` keeps what the run made until a
            person releases or discards it. `warn` publishes it and says so.

    Example:
        >>> Gates(max_quarantined=0.02, actions={"max_quarantined": "hold"}).history
        30
    """

    max_quarantined: float | None = Field(default=None, ge=0, le=1)
    max_rejected: float | None = Field(default=None, ge=0, le=1)
    min_records: int | None = Field(default=None, ge=0)
    allow_empty: bool = False
    max_cluster: int | None = Field(default=None, ge=1)
    max_removed: float | None = Field(default=None, ge=0, le=1)
    removed_by: tuple[str, ...] = ()
    max_quarantined_rise: float | None = Field(default=None, ge=0, le=1)
    max_records_change: float | None = Field(default=None, gt=0)
    history: int = Field(default=30, ge=3, le=1_000)
    allow_drift: bool = True
    actions: dict[str, GateAction] = Field(default_factory=dict)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The gates, which are all settings but those that only say how."""
        return tuple(
            name for name in inspect.signature(cls).parameters if name not in ("history", "removed_by", "actions")
        )
