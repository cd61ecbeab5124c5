import pytest

from schemas.errors import DeclarationError, UnknownNameError
from schemas.policies import Limits, Schedule, Source


def test_the_limits_suit_real_data() -> None:
    limits = Source("{partition}").limits
    assert limits.max_columns >= 5_000
    assert limits.max_cell_bytes >= 50 << 20
    assert limits.max_record_bytes >= 50 << 20
    assert limits.max_text_bytes is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_record_bytes", 0),
        ("max_record_bytes", 1 << 32),
        ("max_cell_bytes", 0),
        ("max_columns", 0),
        ("max_ratio", 0.5),
        ("max_ratio", float("inf")),
        ("max_ratio", float("nan")),
        ("max_text_bytes", 0),
        ("max_window_bytes", 1 << 10),
        ("max_window_bytes", (1 << 31) + 1),
        ("max_columns", "many"),
    ],
)
def test_an_impossible_limit_is_refused_by_its_name(setting: str, value: object) -> None:
    with pytest.raises(DeclarationError, match=rf"Limits\({setting}\)"):
        Limits(**{setting: value})  # type: ignore[arg-type]


def test_an_unknown_limit_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="max_columns"):
        Limits(max_column=3)  # type: ignore[call-arg]


@pytest.mark.parametrize("cron", ["* * * * *", "15 2 * * *", "*/5 0-6 1,15 jan-mar mon", "0 0 1 1 7"])
def test_a_cron_has_five_fields(cron: str) -> None:
    assert Schedule(cron).timezone == "UTC"


@pytest.mark.parametrize("cron", ["", "15 2 * *", "15 2 * * * *", "@daily", "a b c d -", "15 2 * * *\n* * * * *"])
def test_what_is_no_cron_is_refused(cron: str) -> None:
    with pytest.raises(DeclarationError, match=r"Schedule\(cron\)"):
        Schedule(cron)


def test_an_unknown_zone_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Europe/Berlin"):
        Schedule("15 2 * * *", timezone="Europe/Berln")
