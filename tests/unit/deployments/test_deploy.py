import json
from pathlib import Path

import pytest

from deployments.deploy import main
from schemas.errors import EXIT_USAGE

TIDES = '''"""Tides."""

import pandera.polars as pa

from schemas import Dataset, Schedule, Source


class Tides(pa.DataFrameModel):
    metres: float


DATASET = Dataset(model=Tides, source=Source("{partition}.csv"), schedule=Schedule("5 1 * * *"))
'''


@pytest.fixture
def declarations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WINNOW_DATASETS", str(tmp_path))
    (tmp_path / "tides.py").write_text(TIDES)
    return tmp_path


def test_a_dry_run_needs_no_server_and_says_all(declarations: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(dry_run=True, as_json=True)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (tides,) = [each for each in said if each.get("deployment") == "nightly/nightly-tides"]
    assert tides["schedule"] == {"cron": "5 1 * * *", "timezone": "UTC", "slug": "nightly-tides"}
    assert tides["entrypoint"] == "flows.forms.nightly"
    assert sum("automation" in each for each in said) == 4


def test_one_wrong_declaration_keeps_none_of_the_others_back(
    declarations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (declarations / "wells.py").write_text(TIDES.replace("5 1 * * *", "5 1 * *"))
    with pytest.raises(SystemExit) as ended:
        main(dry_run=True)
    assert ended.value.code == EXIT_USAGE
    said = capsys.readouterr()
    assert "nightly/nightly-tides" in said.out
    assert "nightly/nightly-wells" not in said.out
    assert "wells.py" in said.err
    assert "is no cron" in said.err


def test_without_a_server_there_is_nothing_to_deploy_to(
    declarations: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == EXIT_USAGE
    assert "winnow serve" in capsys.readouterr().err
