"""Paths: the names of everything in the store.

Belongs here: from data set, role, partition and number to a key, and back. Does not belong here: touching what a key
names (local).

A key is text with `/` between its parts, as object stores have it. Every part is made here out of names that are safe,
so that no partition, which takes its name from somebody's file, can lead out of its folder.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING

from schemas.errors import StoreError, UsageError, shown

if TYPE_CHECKING:
    from schemas.records import Role

_STAGING, _ARCHIVE, _CONTRACTS, _AUDIT = "_staging", "raw", "_contracts", "audit"
#: What names of unfinished files begin with; no key may hold such a name.
UNFINISHED = ".tmp-"
_HOLD, _DECISION = re.compile(r"[0-9a-f]+-[0-9]+\.json"), ".decision.json"
_REPORT = re.compile(r"([0-9]{12})\.md")
_VERSION = re.compile(r"([0-9]{12})\.json")


def parts_of(key: str) -> list[str]:
    """The names that a key is made of.

    Raises:
        StoreError: it leads elsewhere, as a changed manifest may hold one.

    Example:
        >>> parts_of("trips/clean/x.parquet")
        ['trips', 'clean', 'x.parquet']
    """
    parts = key.split("/")
    if any(part in ("", ".", "..") or part.startswith(UNFINISHED) for part in parts) or not key.isprintable():
        raise StoreError(f"{shown(key)} is no key", expected="names separated by /")
    return parts


def quote(partition: str) -> str:
    """A partition's name as one part of a key: percent-encoded where it is not plain.

    Letters, digits and `_ . - ~ =` stand for themselves, but for a dot or underscore in front, which would hide the
    folder from a shell or from other readers of Parquet.

    Raises:
        UsageError: the name is empty or is not text.

    Example:
        >>> quote("day=2026-10-01"), quote("../a b"), quote("_x")
        ('day=2026-10-01', '%2E.%2Fa%20b', '%5Fx')
    """
    try:
        encoded = urllib.parse.quote(partition, safe="=")
    except UnicodeEncodeError:
        encoded = ""
    if not encoded:
        raise UsageError(f"{shown(partition)} is no name for a partition", expected="text that is not empty")
    return f"%{ord(encoded[0]):02X}{encoded[1:]}" if encoded[0] in "._" else encoded


def unquote(part: str) -> str:
    """The partition that `quote` made this part of a key of.

    Example:
        >>> unquote("%2E.%2Fa%20b")
        '../a b'
    """
    return urllib.parse.unquote(part, errors="strict")


def data_key(dataset: str, role: Role, partition: str, cleaning: str, number: int = 0) -> str:
    """Key of a file of a partition's cleaning.

    Example:
        >>> from schemas.records import Role
        >>> data_key("trips", Role.CLEAN, "2026-10-01", "9f86d081884c7d65")
        'trips/clean/2026-10-01/9f86d081884c7d65-00000.parquet'
    """
    return f"{data_prefix(dataset, role)}{quote(partition)}/{cleaning}-{number:05d}.parquet"


def data_prefix(dataset: str, role: Role) -> str:
    """What the keys of all files of a role begin with."""
    return f"{dataset}/{role.value}/"


def audit_key(dataset: str, partition: str, stem: str, audit: str, table: str) -> str:
    """Key of a table of an audit; `stem` names what the audit depends on.

    Example:
        >>> audit_key("trips", "2026-10-01", "9f86d081884c7d65", "labels", "issues")
        'trips/audit/2026-10-01/9f86d081884c7d65-labels-issues.parquet'
    """
    return f"{dataset}/{_AUDIT}/{quote(partition)}/{stem}-{audit}-{table}.parquet"


def file_key(dataset: str, path: str) -> str:
    """Key of a file that a manifest names by its path."""
    return f"{dataset}/{path}"


def path_in(dataset: str, key: str) -> str:
    """A key as a manifest writes it: relative to the data set's folder.

    Example:
        >>> path_in("trips", "trips/clean/a/b.parquet")
        'clean/a/b.parquet'
    """
    return key.removeprefix(f"{dataset}/")


def staging_prefix(dataset: str, partition: str) -> str:
    """What the keys of all staged objects of a partition begin with."""
    return f"{dataset}/{_STAGING}/{quote(partition)}/"


def staging_key(dataset: str, partition: str, name: str) -> str:
    """Key of a staged object, which lives as long as its run and may be replaced."""
    return staging_prefix(dataset, partition) + name


def is_staged(key: str) -> bool:
    """Whether an object may be replaced; every other is written once.

    Example:
        >>> is_staged(staging_key("trips", "2026-10-01", "flagged.parquet")), is_staged("trips/clean/_staging/x")
        (True, False)
    """
    return key.split("/")[1:2] == [_STAGING]


def staging_root(dataset: str) -> str:
    """What the keys of all staged objects of a data set begin with."""
    return f"{dataset}/{_STAGING}/"


def report_prefix(dataset: str, partition: str | None = None) -> str:
    """What the keys of all reports of a data set, or on one of its partitions, begin with."""
    return f"{dataset}/reports/" + (f"{quote(partition)}/" if partition is not None else "")


def report_key(dataset: str, partition: str, version: int) -> str:
    """Key of the report in markdown on the run that published a version.

    Example:
        >>> report_key("trips", "2026-10-01", 12)
        'trips/reports/2026-10-01/000000000012.md'
    """
    return f"{report_prefix(dataset, partition)}{version:012d}.md"


def partition_of(key: str) -> str:
    """The partition that a data file, a report or a staged object belongs to.

    Example:
        >>> partition_of("trips/clean/%2E.%2Fa/9f86d081884c7d65-00000.parquet")
        '../a'
    """
    return unquote(key.split("/")[2])


def report_version(key: str) -> int | None:
    """The version that a report is about; None when the key is no report's.

    Example:
        >>> report_version("trips/reports/2026-10-01/000000000012.md"), report_version("trips/reports/a/b.md")
        (12, None)
    """
    found = _REPORT.fullmatch(key.rpartition("/")[2])
    return int(found[1]) if found else None


def exports_prefix(dataset: str) -> str:
    """What the keys of all records of exports begin with."""
    return f"{dataset}/_exports/"


def export_key(dataset: str, export: str) -> str:
    """Key of the record of an export."""
    return f"{exports_prefix(dataset)}{export}.json"


def lease_prefix(dataset: str) -> str:
    """What the keys of all leases of a data set begin with."""
    return f"{dataset}/_leases/"


def lease_key(dataset: str, partition: str) -> str:
    """Key of the file that a run holds while it cleans a partition."""
    return f"{dataset}/_leases/{quote(partition)}.lock"


def failure_prefix(dataset: str) -> str:
    """What the keys of all records of failed cleanings of a data set begin with."""
    return f"{dataset}/_failures/"


def failure_key(dataset: str, partition: str, moment: str, run_id: str) -> str:
    """Key of the record of a cleaning that failed; those of a partition stand in the order of their moments.

    Example:
        >>> failure_key("trips", "2026-10-01", "20261002T031500123456Z", "9f86d081-0000")
        'trips/_failures/2026-10-01/20261002T031500123456Z-9f86d081.json'
    """
    return f"{failure_prefix(dataset)}{quote(partition)}/{moment}-{quote(run_id)[:8]}.json"


def hold_prefix(dataset: str) -> str:
    """What the keys of all holds of a data set, and of what was decided on them, begin with."""
    return f"{dataset}/_holds/"


def hold_key(dataset: str, hold: str) -> str:
    """Key of the record of what is held for a person.

    Example:
        >>> hold_key("trips", "9f86d081884c-1"), hold_name("trips/_holds/9f86d081884c-1.json")
        ('trips/_holds/9f86d081884c-1.json', '9f86d081884c-1')
    """
    return f"{hold_prefix(dataset)}{hold}.json"


def decision_key(dataset: str, hold: str) -> str:
    """Key of the record of what was decided on a hold."""
    return f"{hold_prefix(dataset)}{hold}{_DECISION}"


def hold_name(key: str) -> str | None:
    """The hold that a key is the record of; None for a decision, or any other object."""
    name = key.rpartition("/")[2]
    return name.removesuffix(".json") if _HOLD.fullmatch(name) else None


def verdicts_prefix(dataset: str, partition: str | None = None) -> str:
    """What the keys of the records of earlier verdicts begin with, of all partitions or of one."""
    return f"{dataset}/_verdicts/" + (f"{quote(partition)}/" if partition is not None else "")


def verdicts_key(dataset: str, partition: str, before: str, after: str) -> str:
    """Key of the verdicts of one cleaning that a replay, which made another cleaning of it, put others in place of.

    Example:
        >>> verdicts_key("trips", "2026-10-01", "9f86d081884c7d65", "60303ae22b998861")
        'trips/_verdicts/2026-10-01/9f86d081884c7d65-60303ae22b998861.parquet'
    """
    return f"{verdicts_prefix(dataset, partition)}{before}-{after}.parquet"


def erasure_prefix(dataset: str) -> str:
    """What the keys of all erasures of a data set begin with."""
    return f"{dataset}/_erasures/"


def erasure_key(dataset: str, erasure: str) -> str:
    """Key of what is known of an erasure: whom it concerns, as a hash, and how far it is.

    Example:
        >>> erasure_key("trips", "9f86d081884c7d65")
        'trips/_erasures/9f86d081884c7d65.json'
    """
    return f"{erasure_prefix(dataset)}{erasure}.json"


def blanked_prefix(dataset: str) -> str:
    """What the keys begin with that tell of blanked raw files which they were."""
    return f"{erasure_prefix(dataset)}blanked/"


def blanked_key(dataset: str, blanked: str, original: str) -> str:
    """Key of an empty object whose name tells of which raw file, by its sha256, a blanked one is left.

    Example:
        >>> blanked_key("trips", "aa", "bb")
        'trips/_erasures/blanked/aa-bb'
    """
    return f"{blanked_prefix(dataset)}{blanked}-{original}"


def salt_key(dataset: str) -> str:
    """Key of the secret with which the hashes of erased values are made."""
    return f"{dataset}/_erasures/salt"


def receipt_prefix(dataset: str) -> str:
    """What the keys of all receipts of a data set begin with."""
    return f"{dataset}/_receipts/"


def receipt_key(dataset: str, erasure: str, version: int) -> str:
    """Key of the receipt of an erasure that was done up to a version."""
    return f"{receipt_prefix(dataset)}{erasure}-{version:012d}.json"


def review_prefix(dataset: str) -> str:
    """What the keys of all imported reviews of a data set begin with."""
    return f"{dataset}/_reviews/"


def review_key(dataset: str, review: str) -> str:
    """Key of an imported review.

    Example:
        >>> review_key("trips", "9f86d081884c7d65")
        'trips/_reviews/9f86d081884c7d65.json'
    """
    return f"{review_prefix(dataset)}{review}.json"


def contract_key(dataset: str, fingerprint: str) -> str:
    """Key of the record of what a contract fingerprint stands for.

    Example:
        >>> contract_key("trips", "c0" * 16)
        'trips/_contracts/c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0.json'
    """
    return file_key(dataset, contract_path(fingerprint))


def contract_path(fingerprint: str) -> str:
    """Path of the record of a contract, relative to the data set's folder."""
    return f"{_CONTRACTS}/{fingerprint}.json"


def contract_prefix(dataset: str) -> str:
    """What the keys of all records of contracts begin with."""
    return f"{dataset}/{_CONTRACTS}/"


#: How the name of a copy ends that is compressed by the archive, and of one that is as the raw file is.
ARCHIVE_PACKED, ARCHIVE_PLAIN = ".zst", ".raw"


def archive_path(sha256: str, *, packed: bool) -> str:
    """Path of the archived copy of a raw file, relative to the data set's folder.

    Example:
        >>> archive_path("9f86d081884c7d65" * 4, packed=True)[:31]
        'raw/9f/9f86d081884c7d659f86d081'
    """
    return f"{_ARCHIVE}/{sha256[:2]}/{sha256}{ARCHIVE_PACKED if packed else ARCHIVE_PLAIN}"


def archive_prefix(dataset: str) -> str:
    """What the keys of all archived copies of a data set begin with."""
    return f"{dataset}/{_ARCHIVE}/"


def index_prefix(dataset: str) -> str:
    """What the keys of all runs of the index of keys begin with; none of them is needed (see key_index)."""
    return f"{dataset}/_keys/"


def version_prefix(dataset: str) -> str:
    """What the keys of all manifests of a data set begin with."""
    return f"{dataset}/_versions/"


def version_key(dataset: str, version: int) -> str:
    """Key of a manifest.

    Example:
        >>> version_key("trips", 12)
        'trips/_versions/000000000012.json'
    """
    return f"{version_prefix(dataset)}{version:012d}.json"


def tag_prefix(dataset: str) -> str:
    """What the keys of all tags of a data set begin with."""
    return f"{dataset}/_tags/"


def tag_key(dataset: str, name: str) -> str:
    """Key of a tag, whose name is plain (see `tags.check_name`).

    Example:
        >>> tag_key("trips", "paper-2026")
        'trips/_tags/paper-2026.json'
    """
    return f"{tag_prefix(dataset)}{name}.json"


def tag_name(key: str) -> str | None:
    """The tag that a key names; None when it names none.

    Example:
        >>> tag_name("trips/_tags/paper-2026.json"), tag_name("trips/_tags/notes.txt")
        ('paper-2026', None)
    """
    name = key.rpartition("/")[2]
    return name.removesuffix(".json") if name.endswith(".json") else None


def retired_prefix(dataset: str) -> str:
    """What the keys of all records of retired versions begin with."""
    return f"{dataset}/_retired/"


def retired_key(dataset: str, newest: int, run_id: str) -> str:
    """Key of the record of versions that one run of `winnow gc` retired, by the newest of them.

    Example:
        >>> retired_key("trips", 12, "9f86d081")
        'trips/_retired/000000000012-9f86d081.json'
    """
    return f"{retired_prefix(dataset)}{newest:012d}-{run_id}.json"


def version_number(key: str) -> int | None:
    """The version that a key names; None when it names none.

    Example:
        >>> version_number("trips/_versions/000000000012.json"), version_number("trips/_versions/notes.txt")
        (12, None)
    """
    found = _VERSION.fullmatch(key.rpartition("/")[2])
    return int(found[1]) if found else None
