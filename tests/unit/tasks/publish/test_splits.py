"""Splits stay what they are, whatever is added, and no entity straddles them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DeclarationError
from schemas.fitness import Split
from schemas.policies import Near
from tasks.publish.splits import SPLIT_TYPE, assigned, clustered, point, stratified, with_split

SPLIT = Split(by="user", test=0.1, validation=0.2)
#: Of the entities below; equal to XXH3 of `salt + "\x1f" + key` by another implementation.
GOLDEN = [
    18383956619105599735,
    362675829607944414,
    5978778526279569167,
    18414245822354364370,
    6426435226816986460,
    1070085796427256428,
    9360396875719116576,
    6063466308781767940,
]


def rows_of(users: list[object], **columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame(
        {"_file": ["f" * 64] * len(users), "_record": range(1, len(users) + 1), "user": users, **columns}
    )


def split_of(users: list[object], split: Split = SPLIT) -> list[str]:
    return rows_of(users).select(assigned(split))["split"].to_list()


def test_points_are_these_for_ever() -> None:
    """Golden: whoever changes one of these moves records of published versions."""
    users = ["ann", "", "Å", "a much longer name than the others, so that another branch of the hash is taken"]
    plain = rows_of(users).select(point(Split(by="user", test=0.5)))
    salted = rows_of([7, -7]).select(point(Split(by="user", test=0.5, salt="2026")))
    pair = rows_of(["a", None], day=[dt.date(2026, 11, 30)] * 2).select(point(Split(by=("user", "day"), test=0.5)))
    assert plain.to_series().to_list() == GOLDEN[:4]
    assert salted.to_series().to_list() == GOLDEN[4:6]
    assert pair.to_series().to_list() == GOLDEN[6:]


def test_the_test_split_takes_the_lowest_points() -> None:
    frame = rows_of(list(range(5_000))).with_columns(point(SPLIT).alias("point"), assigned(SPLIT))
    bounds = frame.group_by("split").agg(pl.col("point").min().alias("low"), pl.col("point").max().alias("high"))
    (test,), (validation,), (train,) = (
        bounds.filter(pl.col("split") == name).rows() for name in ("test", "validation", "train")
    )
    assert test[2] < (1 << 64) // 10 < validation[1]
    assert validation[2] < (1 << 64) * 3 // 10 < train[1]


@given(st.lists(st.text(max_size=8), min_size=1, max_size=30), st.lists(st.text(max_size=8), max_size=30))
def test_what_is_added_moves_nothing(users: list[str], added: list[str]) -> None:
    assert split_of([*added, *users])[len(added) :] == split_of(list(users))


def test_a_thousand_versions_move_no_record() -> None:
    seen: dict[int, str] = {}
    for version in range(1_000):
        users = list(range(version * 7, version * 7 + 20))  # most of them came before
        for user, found in zip(users, split_of(list(users)), strict=True):
            assert seen.setdefault(user, found) == found
    assert len(seen) == 7_013


def test_adding_a_validation_split_moves_nothing_into_or_out_of_test() -> None:
    users: list[object] = list(range(2_000))
    before, after = split_of(users, Split(by="user", test=0.1)), split_of(users, SPLIT)
    assert [name == "test" for name in before] == [name == "test" for name in after]


def test_shares_are_as_declared() -> None:
    found = split_of(list(range(20_000)))
    # Five standard deviations of a binomial share.
    for name, share in SPLIT.shares.items():
        assert abs(found.count(name) / 20_000 - share) < 5 * (share * (1 - share) / 20_000) ** 0.5


def test_another_salt_is_another_split() -> None:
    users: list[object] = list(range(500))
    assert split_of(users) != split_of(users, Split(by="user", test=0.1, validation=0.2, salt="other"))


def test_a_row_without_its_key_is_an_entity_of_its_own() -> None:
    frame = rows_of([None] * 200).select(assigned(SPLIT))
    assert frame["split"].dtype == SPLIT_TYPE
    assert frame["split"].n_unique() == 3


def test_a_category_has_the_split_of_its_text() -> None:
    texts = rows_of(["a", "b", "c", None])
    as_categories = texts.with_columns(pl.col("user").cast(pl.Categorical))
    assert texts.select(assigned(SPLIT)).equals(as_categories.select(assigned(SPLIT)))


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_a_split_by_time_begins_at_its_moment(zone: str | None) -> None:
    split = Split(at="seen", validation_from="2026-10-01", test_from="2026-11-01T12:00:00+00:00")
    texts = ["2026-09-30T23:59:59.999999", "2026-10-01", "2026-11-01T12:00:00"]
    moments = [dt.datetime.fromisoformat(text) for text in texts]
    seen = pl.Series("seen", [*moments, None], pl.Datetime("ms" if zone else "us")).dt.replace_time_zone("UTC")
    column = seen.dt.convert_time_zone(zone) if zone else seen.dt.replace_time_zone(None)
    if zone:  # milliseconds hold no more than 999 thousandths
        column = column.dt.cast_time_unit("ms")
    frame = pl.DataFrame({"seen": column}).select(assigned(split))
    assert frame["split"].to_list() == ["train", "validation", "test", "train"]


def test_a_date_is_its_first_moment() -> None:
    frame = pl.DataFrame({"seen": [dt.date(2026, 10, 31), dt.date(2026, 11, 1)]})
    assert frame.select(assigned(Split(at="seen", test_from="2026-11-01")))["split"].to_list() == ["train", "test"]


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from("ab")), min_size=1, max_size=200), st.integers(1, 50))
def test_strata_do_not_depend_on_blocks_and_keep_entities_together(pairs: list[tuple[int, str]], size: int) -> None:
    split = Split(by="user", test=0.2, validation=0.2, stratify="kind")
    frame = rows_of([user for user, _ in pairs], kind=[kind for _, kind in pairs])
    whole = stratified(split, [frame], "p")
    parts = stratified(split, [frame[at : at + size] for at in range(0, frame.height, size)], "p")
    assert whole.equals(parts)
    found = with_split(split, frame, whole)
    assert found["split"].null_count() == 0
    assert found.group_by("user").agg(pl.col("split").n_unique())["split"].max() == 1


def test_each_stratum_has_its_share() -> None:
    split = Split(by="user", test=0.1, validation=0.1, stratify="kind")
    frame = rows_of(list(range(10_000)), kind=[user % 50 for user in range(10_000)])
    found = with_split(split, frame, stratified(split, [frame], "2026-11-30"))
    tests = found.group_by("kind").agg((pl.col("split") == "test").sum().alias("n"))["n"]
    # Of 200 in each stratum 20: a plain hash would be 4.2 off in one standard deviation.
    assert tests.min() >= 18  # type: ignore[operator]  # of whole numbers
    assert tests.max() <= 22  # type: ignore[operator]  # as above


def test_strata_of_one_row_are_test_as_often_as_declared() -> None:
    split = Split(by="user", test=0.1, stratify="kind")
    frame = rows_of(list(range(3_000)), kind=list(range(3_000)))
    found = with_split(split, frame, stratified(split, [frame], "p"))["split"].to_list()
    assert 220 <= found.count("test") <= 380


def test_a_partition_without_rows_has_no_entities() -> None:
    assert stratified(Split(by="user", test=0.1, stratify="kind"), [], "p").height == 0


# --- clusters of similar texts ----------------------------------------------------------------------------------------

NEAR = Split(by="user", test=0.2, validation=0.1, near=Near("text", jaccard=0.5))


def texts_of(clusters: int, copies: int) -> pl.DataFrame:
    """Of each text several nearly equal ones, each of another user; and as many that are like no other."""
    rng = np.random.default_rng(3)
    words = [f"w{number}" for number in range(900)]
    texts = [" ".join(rng.choice(words, 30)) for _ in range(2 * clusters)]
    alike = [f"{text} and copy {copy}" for text in texts[:clusters] for copy in range(copies)]
    every = [*alike, *texts[clusters:]]
    return rows_of(list(range(len(every))), text=every)


def test_similar_texts_are_in_one_split_and_others_stay_where_they_were() -> None:
    pytest.importorskip("scipy")
    frame = texts_of(150, 3)
    found = with_split(NEAR, frame, clustered(NEAR, [frame]))["split"].to_list()
    clusters = [found[at : at + 3] for at in range(0, 450, 3)]
    assert all(len(set(each)) == 1 for each in clusters)
    assert found[450:] == frame.select(assigned(NEAR))["split"].to_list()[450:]
    # The least point of three would be in test nearly half of the time.
    assert sum(each[0] == "test" for each in clusters) / 150 == pytest.approx(0.2, abs=0.1)
    parts = [frame[at : at + 70].sample(fraction=1, shuffle=True, seed=at) for at in range(0, frame.height, 70)]
    assert clustered(NEAR, parts[::-1]).equals(clustered(NEAR, [frame]))


def test_a_chain_of_texts_and_users_is_one_cluster() -> None:
    pytest.importorskip("scipy")
    texts = ["a b c d e f g h", "b c d e f g h i", "quite another text it is", "quite another text it was"]
    frame = rows_of(["ann", "bob", "bob", "cy"], text=[*texts[:2], *texts[2:]])
    for salt in "abcdefgh":
        split = Split(by="user", test=0.4, validation=0.3, salt=salt, near=Near("text", jaccard=0.4))
        assert with_split(split, frame, clustered(split, [frame]))["split"].n_unique() == 1
    assert clustered(NEAR, []).height == 0


@pytest.mark.parametrize(
    "more", [{"stratify": "kind"}, {"test": 0.0, "by": (), "at": "seen", "test_from": "2026-01-01"}]
)
def test_clusters_go_with_neither_strata_nor_time(more: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        Split(**({"by": "user", "test": 0.1, "near": Near("text", jaccard=0.5)} | more))  # type: ignore[arg-type]  # wrong on purpose
