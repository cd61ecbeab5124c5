"""One store taken through all that may happen to it: what each part leaves, every other takes for true.

Nightly runs with an archive, tags, exports, an erasure, gc, a rollback and a rebuild, one after another; after each of
them every version that is there must be proven from the raw bytes, and the chain of manifests must hold.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.records import Role
from tasks.store.local import LocalStore
from tasks.store.paths import archive_prefix, data_prefix, file_key, version_key
from tasks.store.retired import retired_versions
from tasks.store.versions import list_versions, read_manifest
from tests.integration.test_erasure import ADA, FIRST, SECOND, Winnow, cleaned, lines, objects_with, settled_in, winnow

__all__ = ["winnow"]  # a fixture

THIRD = "id,email,shoe,motto\n21,grace@home.example,41,once more\n22,ada@home.example,40,too\n"
#: What came for the first day at first, and then once more, corrected.
CORRECTED = FIRST + "7,kurt@home.example,42,amended\n"


def proven(winnow: Winnow, store: LocalStore) -> tuple[int, ...]:
    """The versions that are there: each is proven from the raw bytes, and nothing is there that no version names."""
    versions = list_versions(store, "members")
    for version in versions:
        done = winnow("verify", f"members@{version}", "--raw", "--json")
        (report,) = lines(done)
        assert (done.exit_code, report["findings"]) == (0, []), (version, report)
        assert [note for note in report["notes"] if note["kind"] != "raw"] == [], (version, report)
        assert report["reread"] == report["records"], version
    return versions


def named(store: LocalStore) -> set[str]:
    """Data files and copies that the versions name."""
    entries = [
        entry
        for version in list_versions(store, "members")
        for entry in read_manifest(store, "members", version).partitions.values()
    ]
    paths = {file.path for entry in entries for file in entry.files}
    paths |= {raw.archive for entry in entries for raw in entry.inputs if raw.archive}
    return {file_key("members", path) for path in paths}


def there(store: LocalStore) -> set[str]:
    """Data files and copies that the store has."""
    prefixes = [*(data_prefix("members", role) for role in Role), archive_prefix("members")]
    return {key for prefix in prefixes for key in store.list(prefix)}


def ok(winnow: Winnow, *arguments: str) -> dict[str, Any]:
    """What a command says, which ends well."""
    done = winnow(*arguments, "--json")
    assert done.exit_code == 0, (arguments, done.stdout, done.stderr)
    return lines(done)[0]


@pytest.mark.slow
def test_all_parts_agree_on_one_store(tmp_path: Path, winnow: Winnow) -> None:
    place = settled_in(tmp_path, archive=True, a=FIRST, b=SECOND, c=THIRD)
    declaration = tmp_path / "declarations/members.py"
    declared = declaration.read_text().replace("Dedupe, Source", "Dedupe, Retention, Source")
    declared = declared.replace("    dedupe=", "    retention=Retention(keep_versions=2),\n    dedupe=")
    declaration.write_text(declared)

    # Nights: two days, then the first day's dump once more, corrected, then a third day.
    store = cleaned(place, "a", "b")
    (tmp_path / "raw/members/a/1.csv").write_text(CORRECTED)
    cleaned(place, "a", "c")
    assert proven(winnow, store) == (1, 2, 3, 4)
    ok(winnow, "tag", "members@1", "first")
    ok(winnow, "tag", "members@2", "paper")
    ok(winnow, "export", "members@paper", str(tmp_path / "before"))

    # An erasure: every version keeps its number, and whoever has a copy outside is named.
    (planned,) = lines(winnow("erase", "members", "--where", ADA, "--dry-run", "--json"))
    receipt = ok(winnow, "erase", "members", "--where", ADA)
    assert (receipt["version"], receipt["versions_changed"]) == (5, [1, 2, 3, 4])
    (told,) = [each for each in receipt["outside"] if each.startswith("export")]
    assert f"{str(tmp_path / 'before')!r} on " in told
    assert told.endswith(": version 2 with the records")
    assert planned["exports"] == [told]
    assert proven(winnow, store) == (1, 2, 3, 4, 5)
    assert objects_with(tmp_path / "store", b",ada@home") == []
    assert there(store) == named(store)
    assert winnow("diff", "members@4", "members@5").exit_code == 0
    books = ok(winnow, "diff", "members@paper", "members@5")
    assert [each["partition"] for each in books["partitions"]] == ["a", "c"]
    ok(winnow, "tag", "members@2", "paper")  # it is that already, whatever its digest is by now

    # gc: a tagged version stays, with the copies that it needs; the chain leads over what was retired.
    report = ok(winnow, "gc", "members")
    assert (report["kept"], report["retired"]) == ([1, 2, 4, 5], [3])
    assert proven(winnow, store) == (1, 2, 4, 5)
    assert there(store) == named(store)

    # A rollback to a version out of which somebody was erased: nothing of the person comes back.
    assert ok(winnow, "rollback", "members", "--to", "2")["version"] == 6
    assert proven(winnow, store) == (1, 2, 4, 5, 6)
    assert objects_with(tmp_path / "store", b",ada@home") == []

    # The version of the erasure, which says what it replaced, is retired: versions 1 and 2 still hang together.
    report = ok(winnow, "gc", "members")
    assert (report["kept"], report["retired"]) == ([1, 2, 5, 6], [4])
    cleaned(place, "a")
    report = ok(winnow, "gc", "members")
    assert (report["kept"], report["retired"]) == ([1, 2, 6, 7], [5])
    assert sorted(retired_versions(store, "members")) == [3, 4, 5]
    assert proven(winnow, store) == (1, 2, 6, 7)
    assert there(store) == named(store)
    assert len(store.list(archive_prefix("members"))) == 3  # the third day's went with the last version that had it
    first = hashlib.sha256(store.read(version_key("members", 1))).hexdigest()
    assert read_manifest(store, "members", 2).parent_sha256 != first

    # Everything is cleaned again, from the archive where the dump is another one by now.
    for version in (1, 2, 6, 7):
        assert ok(winnow, "rebuild", f"members@{version}")["same"], version

    # What goes out now is free of the person, and no receipt names it.
    ok(winnow, "export", "members@paper", str(tmp_path / "after"))
    emails = pl.read_parquet(tmp_path / "after/clean/**/*.parquet")["email"].to_list()
    assert (len(emails), "ada@home.example" in emails) == (3, False)
    again = ok(winnow, "erase", "members", "--where", ADA)
    assert [each for each in again["outside"] if each.startswith("export")] == [told]

    # Without its tags the past goes.
    for name in ("first", "paper"):
        ok(winnow, "tag", "members", name, "--delete")
    ok(winnow, "gc", "members")
    assert proven(winnow, store) == (6, 7)
    assert there(store) == named(store)
    assert [receipt["genuine"] for receipt in lines(winnow("receipts", "members", "--json"))] == [True, True]
