"""Settings: places that are URLs stay as they are, and the store finds in the environment what the file says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.settings import load_settings
from schemas.errors import SettingsError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, and an environment that is afterwards as it was."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_folders_become_absolute_and_urls_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().store_root == str(tmp_path / ".winnow/store")
    monkeypatch.setenv("WINNOW_STORE", "s3://bucket/a/store/")
    monkeypatch.setenv("WINNOW_RAW", "s3://bucket")
    assert (load_settings().store_root, load_settings().raw_root) == ("s3://bucket/a/store", "s3://bucket")


def test_what_the_store_needs_is_put_into_the_environment_unless_it_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("winnow.toml").write_text('s3_endpoint = "http://127.0.0.1:9000"\ns3_region = "eu-north-1"\n')
    monkeypatch.setenv("WINNOW_S3_REGION", "eu-west-1")
    found = load_settings()
    assert (found.s3_endpoint, found.s3_region) == ("http://127.0.0.1:9000", "eu-west-1")
    assert os.environ["WINNOW_S3_ENDPOINT"] == "http://127.0.0.1:9000"
    assert os.environ["WINNOW_S3_REGION"] == "eu-west-1"


def test_a_misspelt_setting_is_refused_with_the_nearest_one() -> None:
    Path("winnow.toml").write_text('s3_endpiont = "http://127.0.0.1:9000"\n')  # typos: on purpose
    with pytest.raises(SettingsError, match="s3_endpoint"):
        load_settings()
