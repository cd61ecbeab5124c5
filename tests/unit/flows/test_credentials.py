"""Keys for S3 out of a Prefect block: loaded when they are needed, in no message, and with words when they are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows import credentials
from schemas.errors import MissingExtraError, SettingsError
from tasks.store.access import Keys, access, load_blocks_with
from tasks.store.local import open_store

_ROOT = Path(__file__).parents[3]


@pytest.mark.prefect
def test_keys_come_out_of_a_block(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect_aws import AwsCredentials

    block = AwsCredentials(aws_access_key_id="block-key", aws_secret_access_key="block-secret")
    block.save("dumps", overwrite=True)
    monkeypatch.setenv("WINNOW_S3_CREDENTIALS_BLOCK", "dumps")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    credentials.install()
    options = access().storage_options
    assert (options["aws_access_key_id"], options["aws_secret_access_key"]) == ("block-key", "block-secret")
    assert "block-secret" not in f"{open_store('s3://bucket/x')!r} {access()!r} {vars(access())!r}"
    monkeypatch.setenv("WINNOW_S3_CREDENTIALS_BLOCK", "no-such-block")
    with pytest.raises(SettingsError, match="there is no AwsCredentials block 'no-such-block'"):
        open_store("s3://bucket/x")


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_aws", None)  # as Python has it for what can't be imported
    monkeypatch.setenv("WINNOW_S3_CREDENTIALS_BLOCK", "dumps")
    credentials.install()
    with pytest.raises(MissingExtraError, match=r"prefect-aws is not installed\. Install it with: pip install"):
        open_store("s3://bucket/x")


def test_where_no_flow_runs_a_block_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    load_blocks_with(lambda _: Keys("a", "b"))
    monkeypatch.setattr("tasks.store.access._loaders", [])
    monkeypatch.setenv("WINNOW_S3_CREDENTIALS_BLOCK", "nowhere")
    with pytest.raises(SettingsError, match="the Prefect block 'nowhere' can't be loaded here"):
        open_store("s3://bucket/x")


def test_nothing_is_imported_without_a_block() -> None:
    script = (
        "import sys; from flows.settings import load_settings; load_settings();"
        "print({'prefect', 'prefect_aws', 's3fs', 'fsspec', 'aiobotocore', 'botocore', 'boto3'} & {*sys.modules})"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=_ROOT, check=True, capture_output=True, text=True)
    assert told.stdout == "set()\n"


def test_secrets_are_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "some-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "some-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "some-token")
    store = open_store("s3://bucket/x")
    assert store.storage_options is not None
    assert store.storage_options["aws_session_token"] == "some-token"
    told = (
        f"{store!r} {vars(store)!r} {access()!r} {vars(access())!r} {Keys('some-key', 'some-secret', 'some-token')!r}"
    )
    assert "some-secret" not in told
    assert "some-token" not in told
