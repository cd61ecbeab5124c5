import polars as pl
import pytest

from tasks.ingest.json_pattern import NESTED, STYLES, Style, object_pattern, styles_of

COMPACT, SPACED = Style(":", ",", ascii_only=False), Style(": ", ", ", ascii_only=False)


def groups(text: str, keys: list[str], style: Style = COMPACT) -> tuple[str | None, ...]:
    found = pl.Series([text]).str.extract_groups(object_pattern(keys, [], style)).struct.unnest()
    return found.select(f"g{number}" for number in range(len(keys))).row(0)


def test_keys_may_stand_in_any_order_and_be_absent() -> None:
    keys = ["id", "i", "idea", "", 'i"d']
    assert groups(r'{"idea":1,"i\"d":2,"":3}', keys) == (None, None, "1", "3", "2")
    assert groups('{"i": "x", "id": -1.5E+3}', keys, SPACED) == ("-1.5E+3", '"x"', None, None, None)
    assert groups('{"i":1, "id":2}', keys) == (None,) * 5


def test_keys_that_mean_something_in_a_pattern_mean_themselves() -> None:
    assert groups('{"a.b":1,"[x](":2,"#\x7f":3}', ["a.b", "[x](", "#\x7f"]) == ("1", "2", "3")
    assert groups('{"a-b":1}', ["a.b"]) == (None,)


@pytest.mark.parametrize("text", ["[]", "{}", '[1,{"a": [null]}]', '{"a": "]", "b" :[1 ,2]}', '[ "\\"" ]'])
def test_nested_values_are_told_from(text: str) -> None:
    assert pl.Series([text]).str.contains(NESTED).item()


@pytest.mark.parametrize("text", ["[", "[}", "[1,]", "[,1]", '{"a"}', "{1:2}", '{"a":1,}', "[01]", "[[[[1]]]]", "[1] "])
def test_what_only_looks_like_them(text: str) -> None:
    assert not pl.Series([text]).str.contains(NESTED).item()


def test_keys_beyond_ascii_may_be_escaped() -> None:
    assert styles_of(["a"], []) == [COMPACT, SPACED]
    assert styles_of(["a", "é"], []) == list(STYLES)
    assert groups(r'{"\u00e9":1}', ["é"], Style(":", ",", ascii_only=True)) == ("1",)


def test_keys_that_part_within_a_character_are_read_where_they_are_escaped() -> None:
    assert styles_of(["имя", "год"], []) == [style for style in STYLES if style.ascii_only]
    assert styles_of(["prénom", "prix", "âge"], []) == list(STYLES)
    assert styles_of(["é", "éa"], []) == list(STYLES)


@pytest.mark.parametrize("nested", [0, 1, 3])
@pytest.mark.parametrize(
    "letters", ["x", "ABC_abc-XYZ.xyz ", "Straße", "日本語のキー"], ids=["short", "ASCII", "some", "all"]
)
def test_as_many_keys_as_fit_are_matched(letters: str, nested: int) -> None:
    keys = [f"{number}{letters}" for number in range(20)]
    counts = [count for count in range(max(1, nested), 20) if styles_of(keys[:count], keys[:nested])]
    assert counts == list(range(max(1, nested), counts[-1] + 1))
    fitting = keys[: counts[-1]]
    for style in styles_of(fitting, keys[:nested]):
        members = (f'"{style.key(key)}{style.colon}"{number}"' for number, key in enumerate(fitting))
        found = groups(f"{{{style.comma.join(members)}}}", fitting, style)
        assert sorted(found) == sorted(f'"{number}"' for number in range(len(fitting)))
