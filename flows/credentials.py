"""Credentials: keys for S3 out of a Prefect block.

Belongs here: the one place where the store's secrets meet the orchestrator. Does not belong here: every other way to
have them (tasks/store/access).

Prefect and prefect-aws are imported when a block is needed, and not before: commands that only read answer at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from schemas.errors import MissingExtraError, SettingsError, shown

if TYPE_CHECKING:
    from tasks.store.access import Keys


def install() -> None:
    """Lets the store load blocks; nothing is loaded or imported for a store in a folder."""
    if os.environ.get("WINNOW_S3_CREDENTIALS_BLOCK"):
        from tasks.store.access import load_blocks_with

        load_blocks_with(_keys_of)


def _keys_of(name: str) -> Keys:
    """The keys of an AwsCredentials block.

    Raises:
        MissingExtraError: prefect-aws is not installed.
        SettingsError: there is no such block, or it has no keys.
    """
    from flows.settings import prepare_prefect
    from tasks.store.access import Keys

    prepare_prefect()
    try:
        from prefect_aws import AwsCredentials
    except ImportError:
        raise MissingExtraError.of("prefect-aws", "aws") from None
    try:
        block = cast("AwsCredentials", AwsCredentials.load(name, _sync=True))  # type: ignore[call-arg]  # Prefect's decorator takes it
    except ValueError:
        fix = "Make it in Prefect's UI (Blocks, AWS Credentials), or set WINNOW_S3_CREDENTIALS_BLOCK to another."
        raise SettingsError(f"there is no AwsCredentials block {shown(name)}", fix=fix) from None
    # The block may name keys, a profile or a role; the session knows what follows from that.
    found = block.get_boto3_session().get_credentials()
    if found is None:
        fix = "Fill in its access key id and its secret access key, or a profile."
        raise SettingsError(f"the AwsCredentials block {shown(name)} leads to no keys", fix=fix)
    keys = found.get_frozen_credentials()
    return Keys(keys.access_key, keys.secret_key, keys.token)
