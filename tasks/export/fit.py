"""Fit: a version as files that a model is fitted on.

Belongs here: which files, and writing them. Does not belong here: what columns become (features), reading them (load),
or copies of the published files (stage).

    features.json                        columns, kinds, categories, classes: all that was learnt, from train alone
    train-x.npy train-y.npy              sklearn (float64, as they are) and torch (float32, standardised)
    train-text.parquet                   the columns of text, where there are any
    train.parquet                        hf: typed columns, the label as ClassLabel
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import UsageError, shown
from schemas.fitness import TEST, TRAIN, VALIDATION
from schemas.records import LINEAGE, Role
from tasks.export.features import Feature, Label, classes, features_of, label_of, matrix
from tasks.export.load import DESCRIPTION, Description
from tasks.export.report import ExportReport
from tasks.export.stage import record_of
from tasks.store.documents import encoded
from tasks.store.exports import under_way
from tasks.store.faults import legible, translated
from tasks.store.outside import appearing, check_free, write
from tasks.store.sinks import ROW_GROUP
from tasks.store.versions import Snapshot

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from schemas.dataset import Dataset
    from schemas.records import Manifest
    from tasks.store.home import Store

Form = Literal["sklearn", "torch", "hf"]


def export_fit(
    store: Store,
    manifest: Manifest,
    folder: str,
    dataset: Dataset,
    *,
    now: dt.datetime,
    form: Form,
    label: str | None = None,
    dry_run: bool = False,
) -> ExportReport:
    """Writes a version's rows as a model wants them, into a new folder, which appears whole or not at all.

    Args:
        store: where the version lies.
        manifest: the version.
        folder: where to; nothing may be there, or an empty folder.
        dataset: the declaration: splits, keys and categories.
        now: with a time zone.
        form: for which library.
        label: the column that is to be told; None takes the declared one.
        dry_run: say what would be written, and write nothing.

    Raises:
        UsageError: there is something in the folder, no label is known, or the train split is empty.
        StoreError: a file can't be read, or the folder can't be written.
    """
    target = check_free(folder)
    splits = _splits(store, manifest, dataset)
    column = label or declared_label(dataset)
    learnt = label_of(splits[TRAIN], column, dataset.categories)
    keys = {*_keys(dataset), *LINEAGE, column, *([dataset.split.column] if dataset.split else ())}
    columns = [name for name in splits[TRAIN].columns if name not in keys]
    if not columns:
        raise UsageError("no column is left to be a feature", where=manifest.dataset)
    features = features_of(splits[TRAIN], columns, dataset.categories)
    known = {name: frame.filter(classes(frame[column], learnt).is_not_null()) for name, frame in splits.items()}
    description = Description(
        dataset=manifest.dataset,
        version=manifest.version,
        digest=manifest.digest,
        form=form,
        label=learnt,
        features=features,
        rows={name: frame.height for name, frame in known.items()},
        without_label=sum(frame.height for frame in splits.values()) - sum(frame.height for frame in known.values()),
    )
    record = record_of([manifest], target, Role.CLEAN.value, form, now)
    size = files = 0
    if not dry_run:
        with under_way(store, record), appearing(target) as filling:
            for name, frame in known.items():
                _write(filling, name, frame, description)
            write(filling / DESCRIPTION, encoded(description) + b"\n")
            with translated("read", str(target)):
                sizes = [path.stat().st_size for path in filling.iterdir()]
            files, size = len(sizes), sum(sizes)
    return ExportReport(
        dataset=manifest.dataset,
        versions=(manifest.version,),
        folder=str(target),
        format=form,
        roles=(Role.CLEAN.value,),
        dry_run=dry_run,
        export="" if dry_run else record.export,
        files=files,
        size=size,
        left_out=tuple(sorted(keys - {column} - set(LINEAGE))),
    )


def declared_label(dataset: Dataset) -> str:
    """The column that the declaration says is to be told.

    Raises:
        UsageError: it says none.
    """
    if dataset.labels is not None:
        return dataset.labels.column
    policies = (dataset.leakage, dataset.coverage, dataset.shift)
    found = next((policy.label for policy in policies if policy is not None and policy.label), None)
    if found is None:
        fix = "Name it: --label COLUMN, or Labels(...) in the declaration."
        raise UsageError("no label is declared", where=dataset.name, fix=fix)
    return found


def _keys(dataset: Dataset) -> Collection[str]:
    """Columns that tell rows, entities and people apart; no model should be fitted on them."""
    ignored = dataset.leakage.ignore if dataset.leakage else ()
    split = dataset.split.keys if dataset.split else ()
    return {*(dataset.dedupe.key if dataset.dedupe else ()), *dataset.subjects, *split, *ignored}


def _splits(store: Store, manifest: Manifest, dataset: Dataset) -> Mapping[str, pl.DataFrame]:
    with legible(f"the clean tables of {manifest.dataset}"):
        rows = Snapshot(store, manifest).scan(Role.CLEAN).collect(engine="streaming")
    column = dataset.split.column if dataset.split else ""
    without = rows.height if column not in rows.columns else rows[column].null_count()
    if column and without:
        told = f"{without:,} of {rows.height:,} rows of version {manifest.version} have no {shown(column)}"
        fix = "They were cleaned before it was declared: winnow backfill --stale cleans them again."
        raise UsageError(told, where=manifest.dataset, fix=fix)
    named = rows.with_columns(pl.col(column).cast(pl.String) if column else pl.lit(TRAIN).alias("_split"))
    parts = named.partition_by(column or "_split", as_dict=True)
    splits = {name: parts[name,].drop("_split", strict=False) for name in (TRAIN, VALIDATION, TEST) if (name,) in parts}
    if TRAIN not in splits:
        raise UsageError("the train split has no rows", where=manifest.dataset)
    return splits


def _write(folder: Path, split: str, frame: pl.DataFrame, description: Description) -> None:
    told = classes(frame[description.label.column], description.label)
    with translated("write", str(folder)):
        if description.form == "hf":
            _write_hf(folder / f"{split}.parquet", frame, told, description)
            return
        small = description.form == "torch"
        kind = np.int64 if description.label.classes else np.float32 if small else np.float64
        np.save(folder / f"{split}-y.npy", told.to_numpy().astype(kind))
        if any(feature.names for feature in description.features):
            numbers = matrix(frame, description.features, standard=small)
            np.save(folder / f"{split}-x.npy", numbers.astype(np.float32 if small else np.float64))
        texts = [feature.column for feature in description.features if feature.kind == "text"]
        if texts:
            frame.select(texts).write_parquet(folder / f"{split}-text.parquet", row_group_size=ROW_GROUP)


def _write_hf(path: Path, frame: pl.DataFrame, told: pl.Series, description: Description) -> None:
    columns = [_as_hf(frame[feature.column], feature) for feature in description.features]
    table = pl.DataFrame([*columns, told.alias(description.label.column)]).to_arrow()
    table = table.cast(pa.schema([field.with_type(_small(field.type)) for field in table.schema]))
    types: dict[str, Any] = {field.name: {"dtype": _hf_name(field.type), "_type": "Value"} for field in table.schema}
    for feature in description.features:
        if feature.kind == "category":
            types[feature.column] = {"names": list(feature.categories), "_type": "ClassLabel"}
    types[description.label.column] = _hf_label(description.label)
    told_types = json.dumps({"info": {"features": types}})
    pq.write_table(table.replace_schema_metadata({"huggingface": told_types}), path, row_group_size=ROW_GROUP)


def _as_hf(column: pl.Series, feature: Feature) -> pl.Series:
    if feature.kind != "category":
        return column.cast(pl.Float64) if isinstance(column.dtype, pl.Decimal) else column
    codes = {value: code for code, value in enumerate(feature.categories)}
    return column.cast(pl.String).replace_strict(codes, default=None, return_dtype=pl.Int64)


def _hf_label(label: Label) -> dict[str, Any]:
    return (
        {"names": list(label.classes), "_type": "ClassLabel"}
        if label.classes
        else {"dtype": "float64", "_type": "Value"}
    )


def _small(kind: pa.DataType) -> pa.DataType:
    """The type without polars' large offsets, which other readers call by other names."""
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def _hf_name(kind: pa.DataType) -> str:
    names = {"double": "float64", "float": "float32"}
    if pa.types.is_date(kind):
        return "date32"
    return names.get(str(kind), str(kind))
