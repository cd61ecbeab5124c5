"""Bucket: the few requests of S3 that the store and the raw dumps are made of.

Belongs here: each request, tried again while its failure may pass, with its answer as a small record. Does not belong
here: what keys mean, large files (upload, ranges), or whether a server keeps its word (probe).

A conditional request whose answer was lost is tried again like any other. Where it is then refused, the object is
looked at: if it is the one that was sent, the first attempt made it.
"""

from __future__ import annotations

import datetime as dt
import email.utils
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from tasks.store.patience import code, patiently, status
from tasks.store.s3_faults import answered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tasks.store.access import Access
    from tasks.store.client import Body, Client

T = TypeVar("T")

_NOT_FOUND, _CONFLICT, _LOST = 404, 409, 412
#: Objects that one request lists or deletes at most.
_AT_ONCE = 1000


@dataclass(frozen=True)
class Facts:
    """What the server says of an object.

    Attributes:
        size: its bytes.
        etag: another one means another content.
        modified: when it was made, by the server's clock.
        now: when the server said so, by the same clock.
    """

    size: int
    etag: str
    modified: dt.datetime
    now: dt.datetime


@dataclass(frozen=True)
class Listed:
    """An object, or with a delimiter what objects have in common up to it, which ends in the delimiter."""

    key: str


@dataclass(frozen=True)
class Upload:
    """An upload in parts that was begun and not yet ended."""

    key: str
    upload_id: str
    initiated: dt.datetime | None = None


class Bucket:
    """A bucket of an S3 server. Every method raises `StoreError` when the server fails for good."""

    def __init__(self, name: str, access: Access) -> None:
        self.name, self.access = name, access

    @property
    def client(self) -> Client:
        """Whatever asks for something that is not below asks by it."""
        return self.access.client

    def url(self, key: str) -> str:
        """The object's URL; for messages, and for polars."""
        return f"s3://{self.name}/{key}"

    def put(self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None) -> str | None:
        """Makes an object at once; None when its condition does not hold, else its ETag.

        Args:
            key: whose object.
            data: its bytes.
            absent: only if there is none.
            etag: only if it is this one.
        """
        condition: dict[str, str] = {"IfNoneMatch": "*"} if absent else {}
        if etag is not None:
            condition["IfMatch"] = etag

        def attempt(failures: int) -> str | None:
            try:
                answer = self.client.call("put_object", Bucket=self.name, Key=key, Body=data, **condition)
                return str(answer["ETag"])
            except ClientError as error:
                # AWS answers 404 where a condition names an object that is gone; without one it is the bucket.
                if status(error) != _LOST and not (etag and status(error) == _NOT_FOUND and not _no_bucket(error)):
                    raise
            # Refused: by what an attempt made whose answer was lost, if there was one.
            found = self.get(key) if failures else None
            return found[1].etag if found and found[0] == data else None

        with answered("write", self.url(key)):
            return patiently(attempt)

    def get(self, key: str) -> tuple[bytes, Facts] | None:
        """A small object and what is said of it; None when there is none."""

        def attempt(_failures: int) -> tuple[bytes, Facts]:
            data, answer = self.client.fetch(Bucket=self.name, Key=key)
            return data, _facts(answer)

        with answered("read", self.url(key)):
            return _unless_missing(attempt)

    def head(self, key: str) -> Facts | None:
        """What is said of an object; None when there is none."""
        with answered("read", self.url(key)):
            return _unless_missing(lambda _: _facts(self.client.call("head_object", Bucket=self.name, Key=key)))

    def body(self, key: str, start: int, stop: int, etag: str) -> Body | None:
        """A stream of a part of an object; one attempt, and errors as they are. None when it is another object now."""
        try:
            span = f"bytes={start}-{stop - 1}"
            return self.client.stream(Bucket=self.name, Key=key, Range=span, IfMatch=etag)
        except ClientError as error:
            if status(error) != _LOST:
                raise
            return None

    def check(self) -> None:
        """Sees that there is such a bucket and that it may be listed.

        Raises:
            StoreError: there is none, or it may not be.
        """
        with answered("use", f"s3://{self.name}"):
            patiently(lambda _: self.client.call("list_objects_v2", Bucket=self.name, MaxKeys=1))

    def now(self) -> dt.datetime:
        """What time it is by the server's clock."""
        with answered("use", f"s3://{self.name}"):
            answer = patiently(lambda _: self.client.call("list_objects_v2", Bucket=self.name, MaxKeys=1))
        return _date(answer) or dt.datetime.now(dt.UTC)

    def list(self, prefix: str, *, after: str = "", delimiter: str = "", most: int | None = None) -> Iterator[Listed]:
        """Objects whose keys begin with a prefix, in the order of their keys, page after page.

        Args:
            prefix: any text.
            after: only greater keys.
            delimiter: what keys have in common up to this stands for all of them.
            most: how many are wanted; no more are asked for at once.
        """
        asked: dict[str, Any] = {"Bucket": self.name, "Prefix": prefix, "Delimiter": delimiter, "StartAfter": after}
        asked = {name: value for name, value in asked.items() if value}
        if most is not None:
            asked["MaxKeys"] = max(1, min(most, _AT_ONCE))
        while True:
            with answered("list", self.url(prefix)):
                page = patiently(lambda _: self.client.call("list_objects_v2", **asked))
            yield from (Listed(each["Key"]) for each in page.get("Contents", ()))
            yield from (Listed(each["Prefix"]) for each in page.get("CommonPrefixes", ()))
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, keys: Sequence[str]) -> None:
        """Removes objects; it is no error when one is not there."""
        for start in range(0, len(keys), _AT_ONCE):
            each = keys[start : start + _AT_ONCE]
            with answered("delete", self.url(each[0])):
                if len(each) == 1:
                    patiently(lambda _: self.client.call("delete_object", Bucket=self.name, Key=each[0]))  # noqa: B023  # at once
                else:
                    patiently(lambda _: self._delete_many(each))  # noqa: B023  # at once

    def _delete_many(self, keys: Sequence[str]) -> None:
        named = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = self.client.call("delete_objects", Bucket=self.name, Delete=named)
        for failed in answer.get("Errors", ()):
            # The whole was answered with 200: what failed in it is raised as if it had been asked for alone.
            told = {"Error": {"Code": failed.get("Code", "")}, "ResponseMetadata": {"HTTPStatusCode": _CONFLICT}}
            raise ClientError(told, "DeleteObjects")

    def uploads(self, prefix: str) -> Iterator[Upload]:
        """Uploads in parts that were begun below a prefix and not ended."""
        asked: dict[str, Any] = {"Bucket": self.name, "Prefix": prefix}
        while True:
            with answered("list the uploads of", self.url(prefix)):
                page = patiently(lambda _: self.client.call("list_multipart_uploads", **asked))  # noqa: B023  # called at once
            for each in page.get("Uploads", ()):
                yield Upload(each["Key"], each["UploadId"], each["Initiated"].astimezone(dt.UTC))
            if not page.get("IsTruncated"):
                return
            asked |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def abort(self, upload: Upload) -> None:
        """Ends an upload in parts and throws its parts away; it is no error when it has ended."""

        def attempt(_failures: int) -> None:
            self.client.call("abort_multipart_upload", Bucket=self.name, Key=upload.key, UploadId=upload.upload_id)

        with answered("end an upload to", self.url(upload.key)):
            _unless_missing(attempt)


def _unless_missing(attempt: Callable[[int], T]) -> T | None:
    try:
        return patiently(attempt)
    except ClientError as error:
        if status(error) != _NOT_FOUND or _no_bucket(error):
            raise
        return None


def _no_bucket(error: ClientError) -> bool:
    return code(error) == "NoSuchBucket"


def _facts(answer: Mapping[str, Any]) -> Facts:
    modified = answer["LastModified"].astimezone(dt.UTC)
    return Facts(answer["ContentLength"], answer["ETag"], modified, _date(answer) or modified)


def _date(answer: Mapping[str, Any]) -> dt.datetime | None:
    told = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return email.utils.parsedate_to_datetime(told).astimezone(dt.UTC) if told else None
