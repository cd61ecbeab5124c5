import polars as pl
import pytest

from tasks.ingest.json_cells import cells_of


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("null", None),
        (None, None),
        ('"null"', "null"),
        ('""', ""),
        ("-1.50E3", "-1.50E3"),
        ("true", "true"),
        (r'"\"a\" \\n\n"', '"a" \\n\n'),
        (r'"\u0000\ud83d\ude00"', "\0\U0001f600"),
        ("[]", "[]"),
        ('[ 1.50, "a,  b" , {"c" : null} ]', '[1.50,"a,  b",{"c":null}]'),
        (r'["\u00e9", "\/", "\n\"  "]', r'["é","/","\n\"  "]'),
        (r'["\\u00e9", "a  b"]', r'["\\u00e9","a  b"]'),
    ],
)
def test_values_become_cells(value: str | None, cell: str | None) -> None:
    cells, valid = cells_of(pl.Series([value, "1"], dtype=pl.String), nested=True, escapes=True)
    assert cells.to_list() == [cell, "1"]
    assert valid.all()


def test_what_only_looks_like_a_nested_value_is_told() -> None:
    _, valid = cells_of(pl.Series(["[1 2]", None, "[1]", "[}", '"[}"']), nested=True, escapes=False)
    assert valid.to_list() == [False, True, True, False, True]
