"""Homes: what publishing costs in a folder and in a bucket, beside a bare sink to the same place.

Belongs here: the table about homes, and the S3 server for it. Does not belong here: what is measured (publishing).

The server runs on this machine and takes its share of it: what is compared meets the same one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.benchmarks.figures import Figure, compared, figure
from tests.benchmarks.groups import in_turns
from tests.benchmarks.measured import measure, measure_command
from tests.s3_server import KEY, SECRET, S3Server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.benchmarks.groups import Case, Say
    from tests.benchmarks.measured import Measured

_MOST_ROWS = 5_000_000
_VERSIONS = 10_000
_LIMIT_SECONDS = 1.0


def store(folder: Path, rows: int, runs: int, say: Say) -> list[Figure]:
    """Publishing the same rows in both homes, and listing many versions in both."""
    server = S3Server(folder / "s3")
    server.start()
    before = dict(os.environ)
    try:
        os.environ |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": server.url}
        bucket = f"s3://{server.new_bucket()}"
        return [*_publishing(folder, bucket, min(rows, _MOST_ROWS), runs, say), *_listing(folder, bucket, runs, say)]
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.close()


def _publishing(folder: Path, bucket: str, rows: int, runs: int, say: Say) -> list[Figure]:
    say(f"Making {rows:,} rows")
    megabytes = int(measure("frame", folder, str(rows)).parts.answer) / 1e6
    group = f"Publishing {rows:,} rows x 11 columns ({megabytes:,.0f} MB of Arrow), and a bare sink of them"
    homes = {"folder": "folder", "bucket": bucket}
    cases: list[Case] = []
    for home in homes.values():
        cases += [("bare_sink", home, "default"), ("bare_sink", home, "own"), ("publish_rows", home)]
    found = in_turns(cases, folder, runs, say)
    figures = []
    for name, home in homes.items():
        bare = figure(group, f"{name}: bare sink", found["bare_sink", home, "default"])
        own = figure(group, f"{name}: bare sink, Winnow's settings", found["bare_sink", home, "own"])
        published = figure(group, f"{name}: winnow publishes", found["publish_rows", home])
        figures += [bare, compared(own, bare), compared(published, bare)]
    return figures


def _listing(folder: Path, bucket: str, runs: int, say: Say) -> list[Figure]:
    group = f"`winnow versions` of a data set with {_VERSIONS:,}, from start to end of the command"
    limit = Figure(group, f"limit of {_LIMIT_SECONDS:.0f} second", runs, _LIMIT_SECONDS)
    figures = []
    for name, home in {"folder": str(folder / "versions"), "bucket": f"{bucket}/versions"}.items():
        say(f"Making {_VERSIONS:,} versions in a {name}")
        measure("many_versions", folder, home, str(_VERSIONS))
        found: Sequence[Measured] = [measure_command(folder, "versions", "flights", store=home) for _ in range(runs)]
        figures.append(compared(figure(group, f"{name}: winnow versions", found), limit))
    return figures
