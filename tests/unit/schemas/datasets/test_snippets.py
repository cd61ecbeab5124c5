from collections.abc import Callable

import pytest

from schemas import Severity, registry

GOOD: dict[str, object] = {"snippet_id": "tweet_1", "rating": 1.5, "text": "So far, so good."}

RULES = """
    snippet_id.not_nullable snippet_id.str_matches
    rating.castable rating.not_nullable rating.in_range
    text.not_nullable text.str_length text.has_words text.no_entities
    record.duplicate_key record.extra_column record.missing_column
    text.conflict
"""


def test_rules_and_their_severities() -> None:
    rules = registry.load("snippets").rules
    assert [rule.id for rule in rules] == RULES.split()
    warned = {rule.id for rule in rules if rule.severity is Severity.WARN}
    assert warned == {"text.no_entities", "text.conflict"}
    assert {rule.severity for rule in rules if rule.id not in warned} == {Severity.QUARANTINE}


def test_texts_are_personal_and_described() -> None:
    dataset = registry.load("snippets")
    assert dataset.personal == {"text"}
    assert all(column.description for column in dataset.columns)


def test_no_text_means_missing_and_quotes_are_text() -> None:
    source = registry.load("snippets").source
    assert source.null_tokens == ()
    assert source.quote == ""


@pytest.mark.parametrize(
    "text", ["NA", "wow", 'she said "no"', "2 & 3", "AT&T; done", "Næs", "素晴らしい", "a < b", "٣", "x" * 1000]
)
def test_good_text_breaks_nothing(broken_by: Callable[..., set[str]], text: str) -> None:
    assert broken_by("snippets", GOOD | {"text": text}) - {"text.no_entities"} == set()


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("fish &amp; chips", True),
        ("&lt;3", True),
        ("&#39;tis", True),
        ("&#x2019;", True),
        ("2 & 3;", False),
        ("&;", False),
    ],
)
def test_entities_are_found(broken_by: Callable[..., set[str]], text: str, holds: bool) -> None:
    assert (broken_by("snippets", GOOD | {"text": text}) == {"text.no_entities"}) is holds


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"text": "!"}, {"text.has_words"}),
        ({"text": "..."}, {"text.has_words"}),
        ({"text": ""}, {"text.has_words", "text.str_length"}),
        ({"text": "x" * 1001}, {"text.str_length"}),
        ({"rating": 4.1}, {"rating.in_range"}),
        ({"snippet_id": "1_1"}, {"snippet_id.str_matches"}),
        ({"snippet_id": "tweet_1\n"}, {"snippet_id.str_matches"}),
    ],
)
def test_bad_snippet_breaks_these_rules_and_no_others(
    broken_by: Callable[..., set[str]], changes: dict[str, object], broken: set[str]
) -> None:
    assert broken_by("snippets", GOOD | changes) == broken
