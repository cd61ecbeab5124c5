"""Asks a declaration's rules about one made-up row. Does not belong here: real data (tests/integration)."""

import functools
from collections.abc import Callable, Mapping

import polars as pl
import pytest

from schemas import registry
from schemas.rules import statements_of

BrokenBy = Callable[[str, Mapping[str, object]], set[str]]


@pytest.fixture(scope="session")
def broken_by() -> BrokenBy:
    """Gives the ids of a data set's checks that a row of typed values breaks."""

    load = functools.cache(registry.load)

    def ask(name: str, row: Mapping[str, object]) -> set[str]:
        dataset = load(name)
        frame = pl.DataFrame([row], schema={column.name: column.dtype for column in dataset.columns}, orient="row")
        checks = {one.id: one.captured for one in statements_of(dataset.model) if one.captured}
        assert all(check.how == "native" and check.kind == "row" for check in checks.values())
        passes = {rule_id: check.passes for rule_id, check in checks.items() if check.passes is not None}
        answers = frame.select(expr.fill_null(True).alias(rule_id) for rule_id, expr in passes.items())
        return {rule_id for rule_id, passes in answers.row(0, named=True).items() if not passes}

    return ask
