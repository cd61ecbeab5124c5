from collections.abc import Callable

import pytest

from schemas import Severity, registry

#: A made-up aircraft.
GOOD: dict[str, object] = {
    "tailnum": "N123AB",
    "year": 2004,
    "type": "Fixed wing multi engine",
    "manufacturer": "AIRBUS",
    "model": "A320-214",
    "engines": 2,
    "seats": 182,
    "speed": None,
    "engine": "Turbo-fan",
}

RULES = """
    tailnum.not_nullable tailnum.str_matches
    year.castable year.in_range
    type.not_nullable type.isin
    manufacturer.not_nullable manufacturer.str_length
    model.not_nullable model.str_length
    engines.castable engines.not_nullable engines.in_range
    seats.castable seats.not_nullable seats.in_range
    speed.castable speed.in_range
    engine.not_nullable engine.isin
    engines_fit_type twin_jet_has_two fan_is_modern embraer_190_is_large
    record.duplicate_key record.extra_column record.missing_column
    year.expect engines.expect
    tailnum.conflict
"""


def test_rules_and_their_severities() -> None:
    rules = registry.load("planes").rules
    assert [rule.id for rule in rules] == RULES.split()
    other = {rule.id: rule.severity for rule in rules if rule.severity is not Severity.QUARANTINE}
    assert other == {
        "fan_is_modern": Severity.WARN,
        "embraer_190_is_large": Severity.WARN,
        "year.expect": Severity.FAIL,
        "engines.expect": Severity.FAIL,
    }


def test_every_column_is_described() -> None:
    assert all(column.description for column in registry.load("planes").columns)


def test_names_of_private_builders_are_personal() -> None:
    assert registry.load("planes").personal == {"manufacturer"}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="airliner"),
        pytest.param({"year": None}, id="year not known"),
        pytest.param({"model": "A340-313", "engines": 4}, id="model with four engines"),
        pytest.param({"model": "MD-11", "engines": 3}, id="model with three engines"),
        pytest.param({"type": "Fixed wing single engine", "engines": 1, "model": "172N"}, id="one engine"),
        pytest.param({"type": "Rotorcraft", "engines": 1, "model": "206B"}, id="rotorcraft with one engine"),
        pytest.param({"model": "ERJ 190-100 IGW", "seats": 100}, id="large Embraer"),
        pytest.param({"engine": "Reciprocating", "year": 1956, "model": "DC-7BF", "engines": 4}, id="veteran"),
    ],
)
def test_good_aircraft_breaks_nothing(broken_by: Callable[..., set[str]], changes: dict[str, object]) -> None:
    assert broken_by("planes", GOOD | changes) == set()


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"engines": 3}, {"twin_jet_has_two"}),
        ({"engines": 1}, {"twin_jet_has_two", "engines_fit_type"}),
        ({"type": "Fixed wing single engine"}, {"engines_fit_type"}),
        ({"year": 1965}, {"fan_is_modern"}),
        ({"year": 0, "engine": "Turbo-jet"}, {"year.in_range"}),
        ({"model": "ERJ 190-100 IGW", "seats": 20}, {"embraer_190_is_large"}),
        ({"seats": 0}, {"seats.in_range"}),
        ({"tailnum": "N3ALAA"}, {"tailnum.str_matches"}),
        ({"engine": "Warp"}, {"engine.isin"}),
        ({"speed": 7000}, {"speed.in_range"}),
    ],
)
def test_bad_aircraft_breaks_these_rules_and_no_others(
    broken_by: Callable[..., set[str]], changes: dict[str, object], broken: set[str]
) -> None:
    assert broken_by("planes", GOOD | changes) == broken
