"""Lift: what cleaning is worth to a model, on three real data sets with planted dirt beside their own.

Belongs here: the dirt, the declarations that clean it, the models, and the interval. Does not belong here: starting it
(fitness). Whatever comes out is printed.

Dirt is planted into the training rows alone: copies of records with another label (one in ten), numbers in another
unit or out of range, categories in other spellings, HTML and broken encodings in text, empty texts. In a second
experiment one label in ten is another one besides, and the declaration has `Labels(..., action="quarantine")` with its
defaults. The test set stays as it is. Both models see the same columns through the same encoders
(tasks/export/features), fitted on what each is fitted on; the raw one takes each cell that can be read, and leaves out
rows without a known label, as one does by hand. The interval is of a paired bootstrap over the test rows (2,000
resamples).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.benchmarks.measured import Parts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import polars as pl

    Work = Callable[[], Parts]

_HEAD = '''"""Lift: a training set."""
import pandera.polars as pa
import polars as pl

from schemas import Dataset, Dedupe, Drift, Labels, Source, steps


class Rows(pa.DataFrameModel):
    key: str
'''
_TAIL = """

DATASET = Dataset(
    model=Rows,
    source=Source("{{partition}}/*.csv", null_tokens=("", "?"), drift=Drift(extra="ignore")),
    steps=({steps}),
    dedupe=Dedupe(key=("key",)),
    labels={labels},
)
"""
#: Share of labels that are exchanged in the second experiment.
_WRONG = 0.1


class _Data(NamedTuple):
    """A data set.

    Attributes:
        train: all cells as text; `key` tells which record a row is a copy of.
        test: the same columns.
        label: the column that is to be told.
        numbers: columns of numbers.
        model: the fields of the declaration.
        steps: its steps.
    """

    train: pl.DataFrame
    test: pl.DataFrame
    label: str
    numbers: tuple[str, ...]
    model: str
    steps: str


def lifted(folder: Path, name: str, which: str = "rules") -> Work:
    """Fits a model on the raw dump and on the cleaned version, and tells both scores and the interval between."""
    logging.disable(logging.CRITICAL)

    def work() -> Parts:
        data = {"adult": _adult, "heart": _heart, "newsgroups": _newsgroups}[name]()
        labels = "None"
        if which == "labels":
            data = data._replace(train=_mislabelled(data.train, data.label))
            labels = f'Labels("{data.label}", action="quarantine")'
        raw = data.train.filter(data.train[data.label].is_in(data.test[data.label].unique().implode()))
        cleaned = _cleaned(folder / f"lift-{name}-{which}", data, labels)
        return Parts(answer=_compared(data, raw, cleaned))

    return work


# --- data and dirt ----------------------------------------------------------------------------------------------------


def _adult() -> _Data:
    import polars as pl

    from tests.archives import adult

    train, test = adult("data").with_row_index("key").cast({"key": pl.String}), adult("test")
    dirty = _planted(
        train, "income", {"sex": {"Female": "F", "Male": "male"}}, {"age": 10, "hours_per_week": 60}, seed=1
    )
    numbers = ("age", "education_num", "capital_gain", "capital_loss", "hours_per_week")
    fields = [
        "age: int = pa.Field(in_range={'min_value': 16, 'max_value': 100})",
        "education_num: int", "capital_gain: int", "capital_loss: int",
        "hours_per_week: int = pa.Field(in_range={'min_value': 1, 'max_value': 120})",
        *(f"{name}: str = pa.Field(nullable=True)" for name in ("workclass", "occupation", "native_country")),
        *(f"{name}: str" for name in ("education", "marital_status", "relationship", "race")),
        "sex: str = pa.Field(isin=['Female', 'Male'])", "income: str = pa.Field(isin=['<=50K', '>50K'])",
    ]  # fmt: skip
    steps = 'steps.strip("sex", "income"), steps.synonyms("sex", spellings={"F": "Female", "male": "Male"}),'
    return _Data(dirty, test, "income", numbers, _fields(fields), steps)


def _heart() -> _Data:
    import polars as pl

    from tests.archives import heart_disease

    rows = heart_disease().with_row_index("key").cast({"key": pl.String}).sample(fraction=1, shuffle=True, seed=4)
    train, test = rows.head(200), rows.tail(103)
    spelled = {"gender": {"female": "F", "male": "m"}}
    dirty = _planted(train, "diameter_narrowing", spelled, {"age": 12, "cholesterol": 100, "max_HR": 60}, seed=2)
    numbers = ("age", "rest_SBP", "cholesterol", "max_HR", "ST_by_exercise", "major_vessels_colored")
    fields = [
        "age: int = pa.Field(in_range={'min_value': 18, 'max_value': 100})", "rest_SBP: int",
        "cholesterol: int = pa.Field(in_range={'min_value': 50, 'max_value': 800})",
        "max_HR: int = pa.Field(in_range={'min_value': 40, 'max_value': 230})", "ST_by_exercise: float",
        "major_vessels_colored: float = pa.Field(nullable=True)", "gender: str = pa.Field(isin=['female', 'male'])",
        "chest_pain: str", "exerc_ind_ang: str", "thal: str = pa.Field(nullable=True)",
        "diameter_narrowing: str = pa.Field(isin=['0', '1'])",
    ]  # fmt: skip
    steps = 'steps.synonyms("gender", spellings={"F": "female", "m": "male"}),'
    return _Data(dirty, test, "diameter_narrowing", numbers, _fields(fields), steps)


def _newsgroups() -> _Data:
    import numpy as np
    import polars as pl

    from tests.archives import newsgroups

    train, test = newsgroups("train").with_row_index("key").cast({"key": pl.String}), newsgroups("test")
    rng = np.random.default_rng(3)
    dirty = _planted(train, "label", {}, {}, seed=3)
    page = "<div class=nav><a href=index.html>home</a> click here to subscribe to our newsletter</div> "
    kind = pl.Series("kind", rng.integers(0, 20, dirty.height))
    text = pl.when(kind == 0).then(pl.lit(page * 3)).when(kind == 1).then(pl.lit(page) + pl.col("text").str.head(40))
    dirty = dirty.with_columns(text.otherwise(pl.col("text")).alias("text"))
    fields = ["label: str", "text: str = pa.Field(no_html=True, words={'least': 3}, max_repetition=0.9)"]
    return _Data(dirty, test, "label", (), _fields(fields), 'steps.strip("text"),')


def _fields(fields: list[str]) -> str:
    return "".join(f"    {field}\n" for field in fields)


def _planted(
    train: pl.DataFrame, label: str, spelled: dict[str, dict[str, str]], units: dict[str, int], *, seed: int
) -> pl.DataFrame:
    """Copies with another label, other spellings, and numbers in another unit."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    values = train[label].unique().sort().to_list()
    copies = train.filter(pl.Series(rng.random(train.height) < 0.1))
    others = [
        values[(values.index(value) + 1 + rng.integers(0, len(values) - 1)) % len(values)] for value in copies[label]
    ]
    rows = pl.concat([train, copies.with_columns(pl.Series(label, others))])
    changes = []
    for name, spellings in spelled.items():
        hit = pl.Series(rng.random(rows.height) < 0.3)
        changes.append(pl.when(hit).then(pl.col(name).replace(spellings)).otherwise(pl.col(name)).alias(name))
    for name, factor in units.items():
        hit, number = pl.Series(rng.random(rows.height) < 0.08), pl.col(name).cast(pl.Float64, strict=False)
        changes.append(
            pl.when(hit).then((number * factor).cast(pl.Int64).cast(pl.String)).otherwise(pl.col(name)).alias(name)
        )
    return rows.with_columns(changes).sample(fraction=1, shuffle=True, seed=seed)


def _mislabelled(train: pl.DataFrame, label: str) -> pl.DataFrame:
    """One label in ten exchanged for another; the copies of a record have one label as they had, or two."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(7)
    values = train[label].unique().sort().to_list()
    next_one = dict(zip(values, [*values[1:], values[0]], strict=True))
    keys = train["key"].unique().sort()
    wrong = keys.filter(pl.Series(rng.random(keys.len()) < _WRONG))
    is_wrong = pl.col("key").is_in(wrong.implode())
    return train.with_columns(pl.when(is_wrong).then(pl.col(label).replace(next_one)).otherwise(label).alias(label))


# --- cleaning, fitting, comparing -------------------------------------------------------------------------------------


def _cleaned(home: Path, data: _Data, labels: str) -> pl.DataFrame:
    """What Winnow publishes of the dump."""
    from flows.clean import PLAIN, clean
    from schemas.records import Role
    from tasks.job import Job
    from tasks.store.local import open_store
    from tasks.store.versions import open_version

    (home / "raw" / "p").mkdir(parents=True)
    data.train.write_csv(home / "raw" / "p" / "rows.csv")
    (home / "rows.py").write_text(_HEAD + data.model + _TAIL.format(steps=data.steps, labels=labels))
    clean(Job("rows", "p", str(home / "rows.py"), str(home / "raw"), str(home / "store"), run_id="r"), PLAIN)
    return open_version(open_store(str(home / "store")), "rows").scan(Role.CLEAN).collect()


def _typed(frame: pl.DataFrame, data: _Data) -> pl.DataFrame:
    """The columns of the declaration; cells that can't be read as numbers are missing."""
    import polars as pl

    names = [line.split(":")[0].strip() for line in data.model.splitlines()]
    numbers = [pl.col(name).cast(pl.Float64, strict=False) for name in data.numbers]
    return frame.select(names).with_columns(numbers)


def _compared(data: _Data, raw: pl.DataFrame, cleaned: pl.DataFrame) -> str:
    import numpy as np

    truth = data.test[data.label].to_numpy()
    right = [_predicted(data, _typed(train, data)) == truth for train in (raw, cleaned)]
    draws = np.random.default_rng(0).integers(0, truth.size, (2_000, truth.size))
    gain = right[1].astype(np.float64) - right[0]
    low, high = np.quantile(gain[draws].mean(axis=1), [0.025, 0.975])
    return (
        f"accuracy {right[0].mean():.4f} fitted on {raw.height:,} raw rows, {right[1].mean():.4f} on {cleaned.height:,}"
        f" cleaned ones: lift {gain.mean():+.4f}, 95 % interval {low:+.4f} to {high:+.4f}, {truth.size:,} test rows"
    )


def _predicted(data: _Data, train: pl.DataFrame) -> Any:  # noqa: ANN401  # an array of scikit-learn's
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from tasks.export.features import features_of, matrix

    if "text" in train.columns:
        model = make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=2), SGDClassifier(random_state=0))
        model.fit(train["text"].fill_null("").to_numpy(), train[data.label].to_numpy())
        return model.predict(data.test["text"].fill_null("").to_numpy())
    columns = [name for name in train.columns if name != data.label]
    features = features_of(train, columns, {})
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    model.fit(matrix(train, features), train[data.label].to_numpy())
    return model.predict(matrix(_typed(data.test, data), features))


CASES = {"lifted": lifted}
