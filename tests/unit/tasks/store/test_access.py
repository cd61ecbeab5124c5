"""Access: as whom and where, by what S3 tools are told with; other tests take their keys from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import SettingsError
from tasks.store.access import access


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("[profile dumps]\nregion = eu-west-1\n")
    (tmp_path / "keys").write_text("[dumps]\naws_access_key_id = some-key\naws_secret_access_key = some-secret\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("WINNOW_S3_PROFILE", "dumps")


def test_a_profile_gives_keys_and_region(profile: None) -> None:
    options = access().storage_options
    assert (options["aws_access_key_id"], options["aws_secret_access_key"]) == ("some-key", "some-secret")
    assert options["aws_region"] == "eu-west-1"
    assert access().endpoint == "https://s3.eu-west-1.amazonaws.com"
    assert "aws_endpoint_url" not in options
    assert "some-secret" not in f"{access()!r} {vars(access())!r} {vars(access().client)!r}"


def test_what_is_said_for_winnow_goes_before_a_profile(profile: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_S3_REGION", "us-west-2")
    monkeypatch.setenv("WINNOW_S3_ENDPOINT", "http://127.0.0.1:9")
    options = access().storage_options
    assert (options["aws_region"], options["aws_endpoint_url"]) == ("us-west-2", "http://127.0.0.1:9")
    assert options["aws_allow_http"] == "true"


def test_an_endpoint_that_is_no_address_is_told(profile: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_S3_ENDPOINT", "nowhere")
    with pytest.raises(SettingsError, match="Check WINNOW_S3_ENDPOINT"):
        access()
