"""Scratch: the folder on this machine for what a store on S3 does not keep.

Belongs here: where it is, and that it is ours. Does not belong here: what lies in it (s3).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from schemas.errors import StoreError, shown
from tasks.store.faults import translated


def scratch_folder(url: str) -> Path:
    """The folder for a store: below what WINNOW_SCRATCH names, or below the system's temporary folder.

    A run that starts again on the same machine finds there, and clears, what a killed one left.

    Raises:
        StoreError: the folder can't be made, or belongs to somebody else.
    """
    named = os.environ.get("WINNOW_SCRATCH")
    # The temporary folder is everybody's: whoever made a folder of this name there could change what is staged.
    top = Path(named).absolute() if named else Path(tempfile.gettempdir(), f"winnow-{os.getuid()}")
    with translated("make", str(top)):
        top.mkdir(mode=0o700, parents=bool(named), exist_ok=True)
        if not named and top.lstat().st_uid != os.getuid():
            fix = "Set WINNOW_SCRATCH to a folder of yours."
            raise StoreError("the scratch folder belongs to somebody else", where=shown(top), fix=fix)
    return top / hashlib.sha256(url.encode()).hexdigest()[:16]
