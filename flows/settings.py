"""Settings: where the store, the raw dumps and further declarations are.

Belongs here: reading the environment and one optional file into a typed record. Does not belong here: Prefect's own
settings, apart from where its database lies.

The environment wins over the file. msgspec checks the types: `winnow versions` is to answer at once, and
importing the usual settings library would take a good part of its second.
"""

from __future__ import annotations

import contextlib
import os
import tomllib
from pathlib import Path

import msgspec

from schemas.errors import SettingsError, nearest, shown

_FILE = "winnow.toml"
_PREFIX = "WINNOW_"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings; each is also an environment variable, `WINNOW_` and its name in capitals."""

    store: str = ".winnow/store"
    """Root of the version store."""
    raw: str = ".winnow/raw"
    """Root below which the patterns of sources lie."""
    datasets: tuple[str, ...] = ()
    """Folders with further declarations; in the environment separated as in PATH."""

    signing_key: str = ".winnow/signing-key.pem"
    """Ed25519 private key in PEM that signs the receipts of erasures; made there when it is first needed."""

    @property
    def store_root(self) -> Path:
        """The store's root, absolute, so that a worker in another folder finds the same."""
        return Path(self.store).expanduser().absolute()

    @property
    def raw_root(self) -> Path:
        """The raw dumps' root, absolute."""
        return Path(self.raw).expanduser().absolute()

    @property
    def signing_key_path(self) -> Path:
        """The signing key, absolute."""
        return Path(self.signing_key).expanduser().absolute()

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders with further declarations, absolute."""
        return tuple(Path(folder).expanduser().absolute() for folder in self.datasets)


def load_settings() -> Settings:
    """Reads the settings file, if there is one, and the environment.

    The file is `winnow.toml` in the current folder, or what WINNOW_SETTINGS names.

    Raises:
        SettingsError: the named file is missing or no TOML, or a setting is unknown or of another type.
    """
    values: dict[str, object] = _file_values()
    for name in Settings.__struct_fields__:
        found = os.environ.get(_PREFIX + name.upper())
        if found:
            values[name] = [part for part in found.split(os.pathsep) if part] if name == "datasets" else found
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(
            str(error), where=_FILE, fix="All settings are paths; datasets is a list of them."
        ) from None


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
