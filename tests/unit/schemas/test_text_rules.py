"""Text rules: pandera itself agrees with what they compile to, and each does what it says."""

from __future__ import annotations

import pandera.errors
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas.text_rules  # noqa: F401  # registers them
from schemas.errors import DeclarationError
from schemas.rules import derive_rules
from tasks.validate.compile import compile_rules


class Posts(pa.DataFrameModel):
    text: str = pa.Field(
        no_html=True, no_mojibake=True, no_boilerplate=True, max_symbols=0.3, max_repetition={"share": 0.2},
        words={"least": 1, "most": 12}, no_email=True, no_phone=True, no_card=True, no_iban=True, no_ip=True,
        no_key=True, nullable=True,
    )  # fmt: skip


RULES = derive_rules(Posts)
COMPILED = compile_rules(Posts, RULES)


def broken(texts: list[str | None]) -> list[set[str]]:
    """The rules that each text breaks, in the one pass."""
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String}).with_columns(COMPILED.row_words())
    masks = frame["_mask0"].to_list()
    return [{rule.check for number, rule in enumerate(RULES) if mask >> number & 1} for mask in masks]


def by_pandera(texts: list[str | None]) -> list[set[str]]:
    """The same, as pandera judges."""
    found: list[set[str]] = [set() for _ in texts]
    try:
        Posts.validate(pl.DataFrame({"text": texts}, schema={"text": pl.String}), lazy=True)
    except pandera.errors.SchemaErrors as error:
        for check, row in error.failure_cases.select("check", "index").rows():
            found[row].add(check.partition("(")[0])
    return found


PIECES = [
    "a word ", "<b>", "</p>", "&nbsp;", "a < b", "ann@example.org ", "Ã©", "Â£", "â€™", "\ufffd", "!!! ", "é", "\n",
    "\x00", "All Rights Reserved", "212-555-0123 ", "4111 1111 1111 1111 ", "10.0.0.1 ", "one two three ", "日本語 ",
    "\N{PILE OF POO}",
]  # fmt: skip


@settings(max_examples=40)
@given(
    st.lists(st.one_of(st.none(), st.lists(st.sampled_from(PIECES), max_size=8).map("".join)), min_size=1, max_size=8)
)
def test_pandera_agrees(texts: list[str | None]) -> None:
    assert broken(texts) == by_pandera(texts)


def test_all_look_at_one_row_and_most_are_native() -> None:
    assert {part.rule.kind for part in COMPILED.parts} == {"row"}
    assert {part.rule.check for part in COMPILED.parts if part.how == "python"} == {
        f"no_{kind}" for kind in ("key", "email", "iban", "card", "ip", "phone")
    }


@pytest.mark.parametrize(
    ("check", "bad", "good"),
    [
        ("no_html", ["<p>x</p>", "a <br/> b", "x &amp; y", "&#39;s", "<!-- x -->", '<a href="x">'],
         ["a < b and c > d", "x <3 y", "R&D; no", "if a<b then", "AT&T"]),
        ("no_mojibake", ["grÃ¼n", "itâ€™s", "Â£5", "ÐŸÑ€", "ï»¿x", "x\ufffd", "ðŸ˜€"],
         ["café", "it’s", "£5", "Ångström", "São Paulo", "Привет", "ÀÉ", "Ã la", "naïve", "Ðe"]),
        ("no_boilerplate", ["Lorem IPSUM dolor", "© 2026. All rights reserved."], ["rights are reserved"]),
        ("max_symbols", ["!!!???", "a!b!c!"], ["Hello, world!", "日本語", "नमस्ते"]),
        ("max_repetition", ["buy now for less buy now for less"], ["to be or not to be", "a a"]),
        ("words", ["", " - ", " ".join("abcdefghijklm")], ["one", "don't"]),
    ],
)  # fmt: skip
def test_each_rule_tells_bad_from_good(check: str, bad: list[str], good: list[str]) -> None:
    assert [text for text, found in zip(bad, broken(bad), strict=True) if check not in found] == []
    assert [text for text, found in zip(good, broken(good), strict=True) if check in found] == []


def test_mojibake_of_many_languages_is_found() -> None:
    ftfy = pytest.importorskip("ftfy")
    texts = [
        "Müller grüßt",
        "déjà vu",
        "señor",
        "Größe",
        "smörgåsbord",
        "“quoted”",
        "naïveté",
        "Дом стоит",
        "€ 5",
        "ça va",
    ]
    wrong = [text.encode().decode("cp1252", "replace") for text in texts]
    assert all("no_mojibake" in found for found in broken(list(wrong)))
    assert not any("no_mojibake" in found for found in broken(list(texts)))
    assert not any(ftfy.fix_encoding(text) != text for text in texts)


def test_the_language_is_told_where_the_text_is_long_enough() -> None:
    pytest.importorskip("py3langid")

    class English(pa.DataFrameModel):
        text: str = pa.Field(language=["en"], nullable=True)

    rules = derive_rules(English)
    texts = [
        "The quick brown fox jumps over the lazy dog, and then it rests a while.",
        "Der schnelle braune Fuchs springt \u00fcber den faulen Hund, und dann ruht er sich aus.",
        "Ja", None,
    ]  # fmt: skip
    frame = pl.DataFrame({"text": texts}).with_columns(compile_rules(English, rules).row_words())
    assert [mask > 0 for mask in frame["_mask0"].to_list()] == [False, True, False, False]
    assert rules[0].reason == "must be in en"


@pytest.mark.parametrize(
    "field",
    [
        {"no_html": False},
        {"max_symbols": 3},
        {"no_boilerplate": "lorem"},
        {"language": ["english"]},
        {"max_repetition": True},
    ],
)
def test_what_can_not_be_meant_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        derive_rules(pa.DataFrameSchema({"text": pa.Column(str, checks=[_check(field)])}))


def _check(field: dict[str, object]) -> pa.Check:
    ((name, value),) = field.items()
    return pa.Check.REGISTERED_CUSTOM_CHECKS[name](value)  # type: ignore[no-any-return]  # pandera's registry


def test_a_reason_says_what_is_asked() -> None:
    assert {rule.check: rule.reason for rule in RULES}["max_symbols"] == "must be of symbols by at most 30%"
    assert {rule.check: rule.reason for rule in RULES}["words"] == "must have 1 to 12 words"
