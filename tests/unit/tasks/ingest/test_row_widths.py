import io

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.ingest.row_widths import greatest_row


def greatest(columns: dict[str, pa.Array], *names: str, **options: object) -> int:
    stored = io.BytesIO()
    pq.write_table(pa.table(columns), stored, **options)
    return greatest_row(stored, pq.ParquetFile(stored), 0, names or list(columns))


def test_the_longest_value_of_each_dictionary_counts() -> None:
    texts = {"a": pa.array(["x" * 100, "y"] * 50), "b": pa.array(["z"] * 100)}
    assert greatest(texts) == 101
    assert greatest(texts, "b") == 1


def test_a_column_that_arrow_calls_a_dictionary_is_one_too() -> None:
    assert greatest({"a": pa.array(["x" * 100, "y"] * 50).dictionary_encode()}) == 100


def test_values_within_lists_structs_and_maps_count() -> None:
    nested = {
        "l": pa.array([["x" * 10]]),
        "s": pa.array([{"a": "x" * 100}]),
        "m": pa.array([[("k" * 1_000, "v" * 10_000)]], pa.map_(pa.string(), pa.string())),
    }
    assert greatest(nested) == 11_110


def test_values_of_a_fixed_length_take_it_in_every_row() -> None:
    assert greatest({"a": pa.array([b"x" * 64], pa.binary(64)), "n": pa.array([1])}) == 64


def test_a_group_without_rows_or_columns_takes_nothing() -> None:
    assert greatest({"a": pa.array([], pa.string())}) == 0
    assert greatest({"n": pa.array([1])}) == 0
