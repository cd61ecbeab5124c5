"""S3 faults: what an S3 server may answer, told in words that a person can act on.

Belongs here: from an error of the client to `StoreError`. Does not belong here: trying again (patience), or the faults
of a disk (faults).

Only the name and the number of what the server answered are told: its whole answer may hold a key's id or a signature.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from schemas.errors import StoreError, shown
from tasks.store.patience import code, passes, seconds, status

if TYPE_CHECKING:
    from collections.abc import Iterator

_AGAIN = "Then run the same command again: what was published is untouched."
_KEYS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile, or the Prefect block."
_RIGHTS = "Let these credentials list the bucket, and get, put and delete objects below the store's prefix."
_REGION = "Set WINNOW_S3_REGION to the bucket's region."

#: What the server calls it -> what happened, what to do.
_WORDS = {
    "InvalidAccessKeyId": ("the server does not know the access key", _KEYS),
    "SignatureDoesNotMatch": ("the server refuses the secret key", _KEYS),
    "InvalidToken": ("the server refuses the session token", _KEYS),
    "ExpiredToken": ("the session token has run out", "Renew the credentials. " + _AGAIN),
    "AccessDenied": ("permission denied", _RIGHTS),
    "RequestTimeTooSkewed": ("this machine's clock is not the server's", "Set the clock (NTP). " + _AGAIN),
    "NoSuchBucket": ("there is no such bucket", "Check the URL and WINNOW_S3_ENDPOINT, or make the bucket."),
    "NoSuchKey": ("it is not there", "`winnow verify` says whether a published file is missing."),
    "PermanentRedirect": ("the bucket is in another region", _REGION),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", _REGION),
    "IllegalLocationConstraintException": ("the bucket is in another region", _REGION),
    "EntityTooLarge": ("the object is larger than the server takes", "Clean smaller partitions."),
    "QuotaExceeded": ("the storage quota is used up", "Free space or have the quota raised. " + _AGAIN),
    "XMinioStorageFull": ("the server's disk is full", "Free space there. " + _AGAIN),
    "InsufficientStorage": ("the server's disk is full", "Free space there. " + _AGAIN),
}
#: Where the server gave no name: an answer to HEAD has no body.
_BY_STATUS = {
    301: _WORDS["PermanentRedirect"],
    403: ("permission denied, or the credentials are wrong", f"{_RIGHTS} {_KEYS}"),
    404: _WORDS["NoSuchKey"],
    507: _WORDS["InsufficientStorage"],
}


@contextlib.contextmanager
def answered(action: str, what: str) -> Iterator[None]:
    """Turns errors of the S3 client that happen inside into `StoreError`; lets every other error through.

    Args:
        action: what was tried, as a verb: `write`.
        what: the key, or what a person calls the thing.

    Raises:
        StoreError: with the reason and what to do.
    """
    try:
        yield
    except (BotoCoreError, ClientError, ConnectionError, TimeoutError) as error:
        raise s3_error(action, what, error) from None  # the cause would show the request, signature and all


def s3_error(action: str, what: str, error: Exception) -> StoreError:
    """The error for a failure of the client.

    Example:
        >>> told = {"Error": {"Code": "NoSuchBucket"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
        >>> print(s3_error("list", "s3://dumps", ClientError(told, "ListObjectsV2")))
        can't list 's3://dumps': there is no such bucket. Check the URL and WINNOW_S3_ENDPOINT, or make the bucket.
    """
    reason, fix = _told(error)
    return StoreError(f"can't {action} {shown(what)}: {reason}", fix=fix)


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, NoCredentialsError):
        return "there are no credentials", _KEYS
    tried = f", and did so for {seconds():g} seconds" if passes(error) else ""
    if isinstance(error, ClientError):
        known = _WORDS.get(code(error)) or _BY_STATUS.get(status(error))
        return known or (f"the server answered {status(error)} {shown(code(error))}{tried}", f"Look there. {_AGAIN}")
    kind = type(error).__name__
    return f"the server can't be reached ({kind}){tried}", f"Check WINNOW_S3_ENDPOINT and the network. {_AGAIN}"
