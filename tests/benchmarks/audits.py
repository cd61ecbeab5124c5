"""Audits: cases that audit a table of a million rows, and the peer that they are held against.

Belongs here: the table, what audits it, and polars' own summary of it. Does not belong here: comparing (fitness).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.measured import Parts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Work = Callable[[], Parts]


def _path(folder: Path, name: str) -> Path:
    return folder / f"audited-{name}.parquet"


def audited_table(folder: Path, rows: str) -> Work:
    """Writes two tables of 20 columns: numbers, categories, dates, keys, a label and a split; answers their bytes."""
    import numpy as np
    import polars as pl

    from schemas.fitness import Split
    from tasks.publish.splits import assigned

    def made(seed: int, size: int) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        label = rng.random(size) < 0.3
        numbers = {f"n{n}": rng.normal(size=size) + label * (n == 0) for n in range(6)}
        counts = {f"c{n}": rng.poisson(3 * n + 2, size) for n in range(3)}
        words = {f"w{n}": pl.Series(rng.integers(0, 10 ** (n + 1), size)).cast(pl.String) for n in range(4)}
        days = {f"d{n}": pl.Series(rng.integers(15_000, 20_000, size)).cast(pl.Int32).cast(pl.Date) for n in range(2)}
        frame = pl.DataFrame(
            {
                "_file": pl.Series(["f" * 64]).extend_constant("f" * 64, size - 1),
                "_record": np.arange(1, size + 1),
                "id": rng.permutation(size),
                "user": rng.integers(0, size // 4, size),
                **numbers,
                **counts,
                **words,
                **days,
                "flag": rng.random(size) < 0.5,
                "label": np.where(label, "yes", "no"),
            }
        )
        return frame.with_columns(assigned(Split(by="user", test=0.1, validation=0.1)))

    def work() -> Parts:
        for name, seed, size in (("now", 1, int(rows)), ("then", 2, int(rows))):
            made(seed, size).write_parquet(_path(folder, name))
        return Parts(answer=str(sum(_path(folder, name).stat().st_size for name in ("now", "then"))))

    return work


def described(folder: Path) -> Work:
    """`describe()` and the value counts of each column, by polars.

    The table is read from Parquet first, as the audits do.
    """
    import polars as pl

    def work() -> Parts:
        frame = pl.read_parquet(_path(folder, "now"), columns=_columns(folder))
        frame.describe()
        for name in frame.columns:
            frame.get_column(name).value_counts()
        return Parts()

    return work


def audited(folder: Path, which: str = "all") -> Work:
    """Coverage, leaks and drift.

    Coverage of three groups by label and split; leaks in all columns and between splits; drift of all columns.
    """
    import polars as pl

    from schemas.fitness import Coverage, Group, Leakage, Shift, Split
    from tasks.audit.coverage import coverage
    from tasks.audit.leakage import leakage
    from tasks.audit.shift import shift

    split = Split(by="user", test=0.1, validation=0.1)
    groups = (Group("w0", min_rows=10), Group(("w0", "flag"), min_share=0.01), Group("n1", bands={"n1": (-1, 0, 1)}))

    def work() -> Parts:
        now, then = (pl.scan_parquet(_path(folder, name)) for name in ("now", "then"))
        found = []
        if which in ("all", "coverage"):
            found += coverage(now, Coverage(groups=groups, label="label"), {"flag": (False, True)}, split).findings
        if which in ("all", "leakage"):
            found += leakage(now, Leakage(label="label"), split, keys=("id",)).findings
        if which in ("all", "shift"):
            names = [name for name in _columns(folder) if name not in ("id", "user", "split")]
            found += shift(now, then, Shift(), names).findings
        return Parts(answer=f"{len(found)} findings")

    return work


def _columns(folder: Path) -> list[str]:
    import polars as pl

    return [name for name in pl.read_parquet_schema(_path(folder, "now")) if not name.startswith("_")]


CASES = {"audited_table": audited_table, "described": described, "audited": audited}
