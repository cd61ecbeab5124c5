"""Coverage: counts are right, thin and missing groups are named, and too few rows are said to be too few."""

from __future__ import annotations

import polars as pl
import pytest

from schemas.audits import AuditResult, Verdict
from schemas.fitness import Coverage, Group, Split
from tasks.audit.coverage import coverage, next_to_collect
from tests.archives import adult, heart_disease

SEXES = {"sex": ("f", "m", "x"), "light": ("day", "night")}


def audited(
    rows: dict[str, list[object]], *groups: Group, split: Split | None = None, **settings: object
) -> AuditResult:
    return coverage(pl.LazyFrame(rows), Coverage(groups=groups, **settings), SEXES, split)  # type: ignore[arg-type]


def verdicts(result: AuditResult, scope: str = "") -> dict[str, str]:
    table = result.tables["groups"].filter(pl.col("scope") == scope)
    return dict(table.select("value", "verdict").rows())


def test_a_floor_in_rows_is_met_or_short_and_counts_a_declared_group_without_rows() -> None:
    result = audited({"sex": ["f"] * 7 + ["m"] * 10}, Group("sex", min_rows=10))
    assert verdicts(result) == {"f": "short by 3", "m": "met", "x": "short by 10"}
    assert next_to_collect(result) == [("sex = x", 10), ("sex = f", 3)]
    assert result.verdict is Verdict.STOP


def test_intersections_are_counted_where_no_row_is() -> None:
    result = audited({"sex": ["f", "m", "m"], "light": ["day", "day", None]}, Group(("sex", "light"), min_rows=1))
    assert verdicts(result) == {
        "f x day": "met", "f x night": "short by 1", "m x day": "met", "m x night": "short by 1",
        "x x day": "short by 1", "x x night": "short by 1", "m x (missing)": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("women", "men", "verdict"), [(90, 10, "met"), (2, 98, "short by 13"), (2, 18, "too few to tell")]
)
def test_a_floor_in_shares_is_judged_by_the_interval(women: int, men: int, verdict: str) -> None:
    result = audited({"light": ["day"] * women + ["night"] * men}, Group("light", min_share=0.13))
    assert verdicts(result)["day"] == verdict


def test_what_is_to_be_collected_is_enough() -> None:
    result = audited({"light": ["day"] * 2 + ["night"] * 998}, Group("light", min_share=0.1))
    ((_, short),) = next_to_collect(result)
    assert (2 + short) / (1_000 + short) >= 0.1 > (1 + short) / (999 + short)


def test_a_reference_is_held_against_all_intervals_at_once() -> None:
    group = Group("sex", reference={"f": 0.5, "m": 0.49, "x": 0.01})
    assert verdicts(audited({"sex": ["f"] * 520 + ["m"] * 475 + ["x"] * 5}, group)) == dict.fromkeys("fmx", "met")
    skewed = verdicts(audited({"sex": ["f"] * 200 + ["m"] * 800}, group))
    assert skewed["f"].startswith("short by")
    assert skewed["m"] == "more than its share"


def test_bands_hold_every_number_once() -> None:
    ages = [None, float("nan"), -1, 17.9, 18, 39, 40, 90]
    table = audited({"age": ages}, Group("age", bands={"age": (18, 40)})).tables["groups"]
    assert dict(table.select("value", "rows").rows()) == {
        "below 18": 2, "18 to below 40": 2, "40 and more": 2, "(missing)": 2,
    }  # fmt: skip


def test_labels_and_splits_are_counted_apart() -> None:
    rows = {
        "id": list(range(8)),
        "sex": ["f", "m"] * 4,
        "y": ["a"] * 4 + ["b"] * 4,
        "split": ["train"] * 6 + ["test"] * 2,
    }
    split = Split(by="id", test=0.5)
    result = audited(rows, Group("sex", min_rows=2, within_split=True), label="y", split=split)
    table = result.tables["groups"].filter(pl.col("group") == "sex")
    counted = {tuple(row[:3]): row[3] for row in table.select("scope", "scope_value", "value", "rows").rows()}
    assert counted["label", "a", "f"] == 2
    assert counted["split", "train", "m"] == 3
    assert counted["split", "test", "x"] == 0
    assert {f.subject for f in result.findings if "split" in f.subject} >= {"sex = f in split test"}


def test_an_uneven_split_is_told() -> None:
    rows = {"id": list(range(1_000)), "sex": ["f"] * 1_000, "split": ["train"] * 500 + ["test"] * 500}
    told = audited(rows, Group("sex"), split=Split(by="id", test=0.1)).findings
    assert {finding.subject: finding.verdict for finding in told} == {
        "split train": "less than its share", "split test": "more than its share",
    }  # fmt: skip


def test_a_value_that_is_not_declared_is_another_one() -> None:
    assert verdicts(audited({"sex": ["f", "<b>"]}, Group("sex"))) == {"f": "", "m": "", "x": "", "(other)": ""}


def test_the_order_of_rows_changes_nothing() -> None:
    rows = pl.DataFrame({"sex": ["f", "m", "m", "x"] * 50, "town": [f"t{n % 7}" for n in range(200)]})
    policy = Coverage(groups=(Group(("sex", "town"), min_rows=8),))
    first = coverage(rows.lazy(), policy, SEXES)
    second = coverage(rows.sample(fraction=1, shuffle=True, seed=1).lazy(), policy, SEXES)
    assert first.findings == second.findings
    assert first.tables["groups"].equals(second.tables["groups"])


def test_the_report_of_heart_disease_names_the_thin_groups() -> None:
    rows = heart_disease().select(
        "gender", pl.col("age").cast(pl.Int64), pl.col("diameter_narrowing").alias("disease"), "rest_ECG"
    )
    group = Group(("gender", "age", "disease"), bands={"age": (45, 55, 65)}, min_rows=10)
    declared = {"gender": ("female", "male"), "disease": ("0", "1")}
    result = coverage(rows.lazy(), Coverage(groups=(group, Group("rest_ECG", min_share=0.05))), declared)
    found = {finding.subject: finding for finding in result.findings}
    by_hand = rows.filter((pl.col("gender") == "female") & (pl.col("age") < 45) & (pl.col("disease") == "1")).height
    thin = found["gender x age x disease = female x below 45 x 1"]
    assert thin.verdict == f"short by {10 - by_hand}"
    assert thin.found == f"{by_hand} of 303 rows (0.33%, 0.03% to 3.41%)"
    assert found["rest_ECG = ST-T abnormal"].verdict.startswith("short by")


def test_the_report_of_adult_names_the_thin_groups() -> None:
    rows = adult().select("sex", "race", "income", pl.col("age").cast(pl.Int64))
    groups = (Group(("sex", "race", "income"), min_rows=100), Group("sex", reference={"Female": 0.508, "Male": 0.492}))
    declared = {"sex": ("Female", "Male"), "income": ("<=50K", ">50K")}
    result = coverage(rows.lazy(), Coverage(groups=groups), declared)
    found = {finding.subject: finding.verdict for finding in result.findings}
    assert found["sex x race x income = Female x Amer-Indian-Eskimo x >50K"] == "short by 88"
    assert found["sex x race x income = Female x Other x >50K"] == "short by 94"
    assert found["sex = Female"].startswith("short by 11,")
    assert len(next_to_collect(result)) == len([1 for verdict in found.values() if verdict.startswith("short")])
