"""Settings: where the store, the raw dumps and further declarations are.

Belongs here: reading the environment and one optional file into a typed record. Does not belong here: Prefect's own
settings, apart from where its database lies.

The environment wins over the file. msgspec checks the types: `winnow versions` is to answer at once, and
importing the usual settings library would take a good part of its second.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import tomllib
from pathlib import Path

import msgspec

from flows import credentials
from schemas.errors import SettingsError, UsageError, nearest, shown

_FILE = "winnow.toml"
_PREFIX = "WINNOW_"
_SPAN = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_OF_THE_STORE = ("s3_endpoint", "s3_region", "s3_profile", "s3_credentials_block", "s3_patience", "scratch")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings; each is also an environment variable, `WINNOW_` and its name in capitals."""

    store: str = ".winnow/store"
    """Root of the version store: a folder, or `s3://bucket/prefix`."""
    raw: str = ".winnow/raw"
    """Root below which the patterns of sources lie: a folder, or `s3://bucket/prefix`."""
    datasets: tuple[str, ...] = ()
    """Folders with further declarations; in the environment separated as in PATH."""
    s3_endpoint: str | None = None
    """URL of the S3 server; without it AWS's, or what AWS_ENDPOINT_URL names."""
    s3_region: str | None = None
    """Its region."""
    s3_profile: str | None = None
    """Profile in ~/.aws that has the credentials."""
    s3_credentials_block: str | None = None
    """Name of the Prefect block (AwsCredentials) that has them."""
    s3_patience: str | None = None
    """Seconds for which a failing request to S3 is tried again."""
    scratch: str | None = None
    """Folder on this machine for what a run keeps beside a store on S3."""

    hold_wait: str = "1h"
    """How long a run in the UI waits for an answer, when a gate holds it: 30m, 12h; 0s is not at all."""
    hold_keep: str = "30d"
    """How long what a gate holds can be released."""
    apart: str = "256"
    """MiB of raw files from which on a backfill gives a partition a run of its own."""

    signing_key: str = ".winnow/signing-key.pem"
    """Ed25519 private key in PEM that signs the receipts of erasures; made there when it is first needed."""

    @property
    def store_root(self) -> str:
        """The store's root: a URL, or an absolute folder, so that a worker in another one finds the same."""
        return _root(self.store)

    @property
    def raw_root(self) -> str:
        """The raw dumps' root, as the store's."""
        return _root(self.raw)

    @property
    def signing_key_path(self) -> Path:
        """The signing key, absolute."""
        return Path(self.signing_key).expanduser().absolute()

    @property
    def hold_wait_seconds(self) -> float:
        """Seconds of `hold_wait`."""
        return span_in(self.hold_wait).total_seconds()

    @property
    def hold_keep_seconds(self) -> float:
        """Seconds of `hold_keep`."""
        return span_in(self.hold_keep).total_seconds()

    @property
    def apart_bytes(self) -> int:
        """Bytes of `apart`.

        Raises:
            SettingsError: it is no number of MiB.
        """
        if not self.apart.isascii() or not self.apart.isdigit():
            raise SettingsError(f"WINNOW_APART is {shown(self.apart)}", expected="a whole number of MiB", fix="Set it.")
        return int(self.apart) << 20

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders with further declarations, absolute."""
        return tuple(Path(folder).expanduser().absolute() for folder in self.datasets)


def span_in(text: str) -> dt.timedelta:
    """A span of time as a person writes it.

    Raises:
        UsageError: it is none.

    Example:
        >>> span_in("36h"), span_in("1d")
        (datetime.timedelta(days=1, seconds=43200), datetime.timedelta(days=1))
    """
    found = _SPAN.fullmatch(text)
    if not found:
        raise UsageError(f"{shown(text)} is no span of time", expected="a number and s, m, h or d, like 36h")
    return dt.timedelta(**{_UNITS[found[2]]: int(found[1])})


def _root(place: str) -> str:
    return place.rstrip("/") if "://" in place else str(Path(place).expanduser().absolute())


def load_settings() -> Settings:
    """Reads the settings file, if there is one, and the environment.

    The file is `winnow.toml` in the current folder, or what WINNOW_SETTINGS names.

    What the store has to know of them is put into the environment.

    Raises:
        SettingsError: the named file is missing or no TOML, or a setting is unknown or of another type.
    """
    values: dict[str, object] = _file_values()
    for name in Settings.__struct_fields__:
        found = os.environ.get(_PREFIX + name.upper())
        if found:
            values[name] = [part for part in found.split(os.pathsep) if part] if name == "datasets" else found
    try:
        settings = msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        fix = "All settings are text; datasets is a list of paths."
        raise SettingsError(str(error), where=_FILE, fix=fix) from None
    for name in _OF_THE_STORE:
        # The store knows no settings file: it finds there what a worker in another process finds, too.
        if value := getattr(settings, name):
            os.environ.setdefault(_PREFIX + name.upper(), value)
    credentials.install()
    return settings


def _file_values() -> dict[str, object]:
    named = os.environ.get(_PREFIX + "SETTINGS")
    path = Path(named or _FILE)
    if not named and not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"can't be read: {error}", where=str(path)) from None
    for name in values:
        if name not in Settings.__struct_fields__:
            raise SettingsError(
                f"unknown setting {shown(name)}", where=str(path), fix=nearest(name, Settings.__struct_fields__)
            )
    return values


def prepare_prefect() -> None:
    """Settles, before Prefect is imported, what it reads from the environment at import.

    Its database lies beside the store unless the user said otherwise, so that `winnow serve` shows the runs that
    `winnow run` made; a cold machine gets longer than the 20 seconds it would wait for its embedded server; and
    nothing is reported to anyone outside.
    """
    if "PREFECT_HOME" not in os.environ:
        home = Path(".winnow/prefect").absolute()
        # Prefect makes its own folder, but not the one around it. Where neither can be made, Prefect says so.
        with contextlib.suppress(OSError):
            home.parent.mkdir(parents=True, exist_ok=True)
        os.environ["PREFECT_HOME"] = str(home)
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "tasks,flows")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
