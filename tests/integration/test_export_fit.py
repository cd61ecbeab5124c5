"""Exports for fitting: a model is fitted on each in three lines, and nothing is learnt from the test split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flows.clean import PLAIN, clean
from schemas.errors import UsageError
from schemas.records import Role
from tasks.export.fit import export_fit
from tasks.export.load import described, load
from tasks.export.report import ExportReport
from tasks.job import Job
from tasks.store.exports import read_exports
from tasks.store.local import open_store
from tasks.store.versions import open_version
from tests.archives import newsgroups
from tests.partitions import NOW

LOANS = '''"""Loans: who paid back."""
import pandera.polars as pa
import polars as pl

from schemas import Dataset, Leakage, Source, Split


class Loans(pa.DataFrameModel):
    customer: int
    opened: pl.Date
    amount: float = pa.Field(nullable=True)
    purpose: str = pa.Field(isin=["car", "house", "boat"])
    home: bool
    note: str = pa.Field(nullable=True)
    paid: str = pa.Field(isin=["no", "yes"], nullable=True)


DATASET = Dataset(
    model=Loans,
    source=Source("{partition}/*.csv", null_tokens=("",)),
    split=Split(by="customer", test=0.3),
    leakage=Leakage(label="paid", action="warn"),
)
'''
POSTS = '''"""Posts: a text and its newsgroup."""
import pandera.polars as pa

from schemas import Dataset, Source, Split


class Posts(pa.DataFrameModel):
    id: int
    label: str
    text: str


DATASET = Dataset(model=Posts, source=Source("{partition}/*.csv"), split=Split(by="id", test=0.2))
'''


def job_for(home: Path, declaration: str, rows: pl.DataFrame) -> Job:
    (home / "raw" / "p").mkdir(parents=True, exist_ok=True)
    (home / "loans.py").write_text(declaration)
    rows.write_csv(home / "raw" / "p" / "rows.csv")
    return Job("loans", "p", str(home / "loans.py"), str(home / "raw"), str(home / "store"), run_id="r")


def exported(job: Job, folder: Path, form: Any, **options: Any) -> ExportReport:  # noqa: ANN401  # as export_fit has them
    store = open_store(job.store_root)
    manifest = open_version(store, "loans").manifest
    return export_fit(store, manifest, str(folder), job.load(), now=NOW, form=form, **options)


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory) -> Job:
    rng = np.random.default_rng(1)
    size = 600
    paid = rng.random(size) < 0.5
    amount = np.where(paid, 1.0, 3.0) + rng.normal(size=size)
    rows = pl.DataFrame(
        {
            "customer": rng.integers(0, 300, size),
            "opened": pl.Series(rng.integers(18_000, 20_000, size)).cast(pl.Int32).cast(pl.Date),
            "amount": pl.Series(amount).set(pl.Series(rng.random(size) < 0.1), None),
            "purpose": rng.choice(["car", "house"], size),
            "home": rng.random(size) < 0.5,
            "note": [f"note {n} of some length" for n in range(size)],
            "paid": pl.Series(np.where(paid, "yes", "no")).set(pl.Series(np.arange(size) < 7), None),
        }
    )
    job = job_for(tmp_path_factory.mktemp("loans"), LOANS, rows)
    assert clean(job, PLAIN).published
    return job


def test_a_model_of_scikit_learn_is_fitted_in_three_lines(loans: Job, tmp_path: Path) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    report = exported(loans, tmp_path / "out", "sklearn")
    x, y = load(tmp_path / "out", "train")
    model = linear.LogisticRegression(max_iter=2_000).fit(x[:, 1:], y)
    assert model.score(*(part[:, 1:] if part.ndim > 1 else part for part in load(tmp_path / "out", "test"))) > 0.75
    assert (x.dtype, y.dtype) == (np.float64, np.int64)
    assert np.isfinite(x).all()
    assert report.left_out == ("customer", "split")
    found = described(tmp_path / "out")
    assert found.label.classes == ("no", "yes")
    assert found.without_label == 7
    assert [feature.kind for feature in found.features] == ["time", "number", "category", "boolean", "text"]
    assert "purpose = boat" in found.features[2].names
    assert x.shape[1] == sum(len(feature.names) for feature in found.features)


def test_all_is_learnt_from_the_train_split_alone(loans: Job, tmp_path: Path) -> None:
    exported(loans, tmp_path / "out", "sklearn")
    rows = open_version(open_store(loans.store_root), "loans").scan(Role.CLEAN).collect()
    train = rows.filter(pl.col("split") == "train")
    amount = described(tmp_path / "out").features[1]
    assert amount.fill == train["amount"].median() != rows["amount"].median()
    assert amount.mean == pytest.approx(train["amount"].fill_null(amount.fill).mean())


def test_tensors_are_mapped_and_standardised(loans: Job, tmp_path: Path) -> None:
    exported(loans, tmp_path / "out", "torch")
    x, y = load(tmp_path / "out", "train")
    assert isinstance(x, np.memmap)
    # What torch.from_numpy asks for: native, contiguous, writable; a change does not reach the file.
    assert (x.dtype, y.dtype, x.flags.c_contiguous, x.flags["W"]) == (
        np.float32,
        np.int64,
        True,
        True,
    )  # typos: on purpose
    rows = open_version(open_store(loans.store_root), "loans").scan(Role.CLEAN).collect()
    whole = rows.filter(pl.col("split") == "train")
    assert abs(x[:, 1].mean()) < 0.1
    assert x.shape[0] == whole.filter(pl.col("paid").is_not_null()).height
    x[0, 0] = 99
    assert load(tmp_path / "out", "train")[0][0, 0] != 99


def test_hugging_face_reads_types_and_classes(loans: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets")
    exported(loans, tmp_path / "out", "hf")
    read = datasets.load_dataset("parquet", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert set(read) == {"train", "test"}
    features = read["train"].features
    assert features["paid"].names == ["no", "yes"]
    assert features["purpose"].names == ["car", "house", "boat"] or features["purpose"].names == [
        "boat",
        "car",
        "house",
    ]
    assert features["amount"].dtype == "float64"
    assert features["note"].dtype == "string"
    assert "customer" not in features
    rows = open_version(open_store(loans.store_root), "loans").scan(Role.CLEAN).collect()
    test = rows.filter(pl.col("split") == "test", pl.col("paid").is_not_null())
    assert read["test"]["note"][:] == test["note"].to_list()
    assert [features["paid"].names[code] for code in read["test"]["paid"][:]] == test["paid"].to_list()


@pytest.mark.parametrize("form", ["sklearn", "torch", "hf"])
def test_the_same_version_gives_the_same_bytes(loans: Job, tmp_path: Path, form: str) -> None:
    for name in ("a", "b"):
        exported(loans, tmp_path / name, form)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert [(tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files] == [
        True
    ] * len(files)


def test_texts_are_given_as_they_are(tmp_path: Path) -> None:
    feature_extraction = pytest.importorskip("sklearn.feature_extraction.text")
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    rows = newsgroups("train").filter(pl.col("label").is_in(["sci.space", "rec.autos"])).with_row_index("id")
    job = job_for(tmp_path, POSTS, rows.select("id", "label", "text"))
    clean(job, PLAIN)
    exported(job, tmp_path / "out", "sklearn", label="label")
    x, y = load(tmp_path / "out", "train")
    model = make_pipeline(feature_extraction.TfidfVectorizer(), MultinomialNB()).fit(x, y)
    assert model.score(*load(tmp_path / "out", "test")) > 0.9


def test_the_store_knows_of_the_copy(loans: Job, tmp_path: Path) -> None:
    before = len(read_exports(open_store(loans.store_root), "loans"))
    report = exported(loans, tmp_path / "out", "sklearn")
    records = read_exports(open_store(loans.store_root), "loans")
    assert len(records) == before + 1
    assert report.export in {record.export for record in records}
    assert exported(loans, tmp_path / "dry", "sklearn", dry_run=True).export == ""
    assert not (tmp_path / "dry").exists()


def test_what_can_not_be_meant_is_told(loans: Job, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column"):
        exported(loans, tmp_path / "out", "sklearn", label="settled")
    with pytest.raises(UsageError, match="no export for fitting"):
        load(tmp_path / "nothing")
    exported(loans, tmp_path / "out", "sklearn")
    with pytest.raises(UsageError, match="expected test or train"):
        load(tmp_path / "out", "validation")
    with pytest.raises(UsageError, match="something already"):
        exported(loans, tmp_path / "out", "torch")
