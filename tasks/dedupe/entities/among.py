"""Among: the records of a partition that are about the same entity as another one, and those to be looked at.

Belongs here: from probabilities of pairs to who stands for whom, with the evidence. Does not belong here: the
probabilities (linkage), the order in which records are preferred (tasks/dedupe/stars), or fates
(tasks/dedupe/verdicts).

As with similar texts, each record that goes is itself a match of the record that stands for it. A record that matches
one that goes, but not the one that stands for it, stays, and is to be looked at.

Memory: the declared fields of all records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from schemas.records import INPUT, KIND, RECORD, SIMILARITY, WEIGHT
from tasks.dedupe.entities.linkage import linked
from tasks.dedupe.repeated import ROW
from tasks.dedupe.stars import beside_leaders, greedily, ranks, rows_left, with_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.policies import Dedupe, Entities
    from tasks.dedupe.stars import Blocks


class Linked(NamedTuple):
    """What was found.

    Attributes:
        duplicates: records that go, block by block, as `tasks.dedupe.near.among.near_duplicates` yields them.
        doubtful: records that may be about the entity of another one that stays: `_row`, `_other_input`,
            `_other_record`.
    """

    duplicates: list[pl.DataFrame]
    doubtful: pl.DataFrame


def same_entities(blocks: Blocks, dedupe: Dedupe, entities: Entities, columns: Sequence[str]) -> Linked:
    """The records that are about the same entity as another one.

    Raises:
        GateError: the declared blocks lead to too many pairs.
        MissingExtraError: splink is not installed.
    """
    places = ranks(blocks, dedupe, columns).astype(np.int64)
    wanted = list(dict.fromkeys([*entities.fields, *(name for rule in entities.blocking for name in rule)]))
    told = pl.concat(rows.frame.select(ROW, INPUT, RECORD, *wanted) for rows in rows_left(blocks))
    pairs = linked(told.select(wanted), entities)
    ranked = _ranked(pairs, places)
    sure = ranked.filter(pl.col("probability") >= entities.match)
    at = np.empty(places.size, np.int64)
    at[places] = np.arange(places.size)
    stands = np.array(greedily(places.size, sure.select("one", "other").rows()), np.int64)
    of = at[stands[places]]
    evidence = {(one, other): each for one, other, *each in sure.iter_rows()}
    duplicates = []
    for numbers, beside in beside_leaders(blocks, of, dedupe, columns, wanted):
        found = [evidence[place, stands[place]] for place in places[numbers].tolist()]
        said = {
            KIND: ["entity"] * len(found),
            SIMILARITY: [probability for probability, _ in found],
            WEIGHT: [weight for _, weight in found],
        }
        duplicates.append(with_evidence(beside, said, columns))
    return Linked(duplicates, _doubtful(ranked, stands, told[at]))


def _ranked(pairs: pl.DataFrame, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pl.DataFrame:
    """The same pairs by the places of records in the order of preference, the later one first, in order."""
    one, other = (places[pairs.get_column(name).to_numpy()] for name in ("one", "other"))
    ranked = pairs.with_columns(pl.Series("one", np.maximum(one, other)), pl.Series("other", np.minimum(one, other)))
    return ranked.sort("one", "other")


def _doubtful(
    ranked: pl.DataFrame, stands: np.ndarray[tuple[int], np.dtype[np.int64]], told: pl.DataFrame
) -> pl.DataFrame:
    """The later record of each pair of different ones that are left, once, beside the first such other one."""
    staying = {name: stands[ranked.get_column(name).to_numpy()] for name in ("one", "other")}
    one, other = np.maximum(*staying.values()), np.minimum(*staying.values())
    pairs = pl.DataFrame({"one": one, "other": other}).filter(pl.col("one") != pl.col("other")).sort("one", "other")
    first = pairs.unique("one", keep="first", maintain_order=True)
    rows, others = (told[first.get_column(name)] for name in ("one", "other"))
    return pl.DataFrame(
        {
            ROW: rows.get_column(ROW),
            "_other_input": others.get_column(INPUT),
            "_other_record": others.get_column(RECORD),
        }
    ).sort(ROW)
