"""Upload: a file of this machine becomes an object, which appears whole or not at all.

Belongs here: small files in one request, large ones in parts, several at once. Does not belong here: what is done when
there is an object already (s3).

The object is made on the condition that there is none, by the last request. A server checks each part against the hash
in its request's signature, and the whole against the parts.
"""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tasks.store.bucket import Upload
from tasks.store.patience import patiently, status
from tasks.store.s3_faults import answered

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tasks.store.bucket import Bucket

#: Bytes of a part; S3 takes parts from 5 MiB on, and ten thousand of them.
PART_BYTES = 16 << 20
_MOST_PARTS = 10_000
#: Parts under way at once, each in memory.
_AT_ONCE = 4

_NOT_FOUND, _LOST = 404, 412


def upload(bucket: Bucket, path: Path, key: str) -> str | None:
    """Makes an object of a file; its ETag, or None when there is an object of that key already.

    Raises:
        StoreError: the server fails for good; no object was made, or one whose answer was lost.
    """
    size = path.stat().st_size
    if size <= PART_BYTES:
        return bucket.put(key, path.read_bytes(), absent=True)
    if bucket.head(key) is not None:  # spares the sending of what would be refused
        return None
    begun = _begin(bucket, key)
    try:
        width = max(PART_BYTES, -(-size // _MOST_PARTS))
        return _complete(bucket, begun, size, list(_parts(bucket, begun, path, range(0, size, width), width)))
    except BaseException:
        bucket.abort(begun)
        raise


def _begin(bucket: Bucket, key: str) -> Upload:
    with answered("write", bucket.url(key)):
        answer = patiently(lambda _: bucket.client.call("create_multipart_upload", Bucket=bucket.name, Key=key))
    return Upload(key, answer["UploadId"])


def _parts(bucket: Bucket, begun: Upload, path: Path, starts: range, width: int) -> Iterable[dict[str, Any]]:
    """What the server answers to each part, in order."""

    def send(number: int, start: int) -> dict[str, Any]:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(width)
        named = {"Bucket": bucket.name, "Key": begun.key, "UploadId": begun.upload_id, "PartNumber": number}
        answer = patiently(lambda _: bucket.client.call("upload_part", Body=data, **named))
        return {"ETag": answer["ETag"], "PartNumber": number}

    with answered("write", bucket.url(begun.key)), concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            yield from pool.map(send, range(1, len(starts) + 1), starts)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _complete(bucket: Bucket, begun: Upload, size: int, parts: list[dict[str, Any]]) -> str | None:
    named = {"Bucket": bucket.name, "Key": begun.key, "UploadId": begun.upload_id, "IfNoneMatch": "*"}

    def attempt(failures: int) -> str | None:
        try:
            answer = bucket.client.call("complete_multipart_upload", MultipartUpload={"Parts": parts}, **named)
        except ClientError as error:
            # An attempt whose answer was lost ended the upload, so that there is none any more, and made the object.
            if failures and status(error) in (_NOT_FOUND, _LOST):
                found = bucket.head(begun.key)
                return found.etag if found and found.size == size and _ended(bucket, begun) else None
            if status(error) != _LOST:
                raise
            bucket.abort(begun)
            return None
        return str(answer["ETag"])

    with answered("write", bucket.url(begun.key)):
        return patiently(attempt)


def _ended(bucket: Bucket, begun: Upload) -> bool:
    return all(each.upload_id != begun.upload_id for each in bucket.uploads(begun.key))
