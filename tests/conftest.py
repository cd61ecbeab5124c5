"""What every kind of test shares: isolation from the machine, how hard Hypothesis tries, and what may be skipped.

Belongs here: fixtures that at least two folders of tests use. Does not belong here: data and fixtures of one folder,
which stand beside the tests that use them.

Environment:
    WINNOW_REQUIRE_ALL=1: nothing may be skipped; a test that would be skipped fails and says what is missing.
    WINNOW_TEST_GOLDEN=write: golden files are written anew, to be read in a diff.
    WINNOW_TEST_PROFILE=thorough: Hypothesis tries many more examples, and others each time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tests.s3_server import S3Server

_ROOT = Path(__file__).resolve().parents[1]
_CORPORA = _ROOT.parent / "shared" / "corpora"

_OF_THE_TESTS = ("WINNOW_REQUIRE_ALL", "WINNOW_TEST_GOLDEN", "WINNOW_TEST_PROFILE")
_REQUIRE_ALL = os.environ.get("WINNOW_REQUIRE_ALL", "0") not in {"", "0"}

# No deadline: on a busy machine it fails tests for being slow, and pytest-timeout ends those that hang. The default
# profile tries the same examples every time, so that a change is judged by what it changed; finding new examples is
# the work of the thorough one.
settings.register_profile("quick", max_examples=50, derandomize=True, deadline=None, print_blob=True)
settings.register_profile("thorough", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("WINNOW_TEST_PROFILE", "quick"))


# --- isolation --------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Hides the machine's own settings, before any test module is imported: Prefect reads its own at import."""
    home = Path(tempfile.mkdtemp(prefix="winnow-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    for name in list(os.environ):
        if name.startswith(("WINNOW_", "PREFECT_", "AWS_")) and name not in _OF_THE_TESTS:
            del os.environ[name]
    os.environ |= {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "DO_NOT_TRACK": "1",
        # Credentials come from the test or not at all; without this botocore asks a cloud's metadata service.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "aws-credentials"),
    }


# --- what may be skipped ----------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under WINNOW_REQUIRE_ALL a skipped test is a failed one, however it was skipped."""
    report = yield
    if _REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """As for a test, for a whole module that skips itself."""
    report = yield
    if _REQUIRE_ALL and report.skipped:
        _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{reason}\nWINNOW_REQUIRE_ALL is set, so nothing may be skipped."


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of the corpora that nobody here wrote; they are not part of the repository."""
    if not _CORPORA.is_dir():
        pytest.skip("the corpora are not beside the repository (../shared/corpora)")
    return _CORPORA


@pytest.fixture(scope="session")
def needs_program() -> Callable[[str], Path]:
    """Gives the path of a program of the machine; skips the test where there is none of that name.

    Example:
        def test_page(needs_program):
            chromium = needs_program("chromium")
    """

    def find(name: str) -> Path:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"the program {name} is not on this machine")
        return Path(found)

    return find


# --- Prefect ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server with an empty database of its own, some 30 seconds to start; mark its tests `prefect`."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


# --- S3 ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server on this machine, some two seconds to start; mark its tests `s3`."""
    from tests.s3_server import S3Server

    server = S3Server(tmp_path_factory.mktemp("s3") / "data")
    server.start()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Server:
    """The server, and the environment in which the store finds it."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WINNOW_SCRATCH", str(tmp_path / "scratch"))
    return s3_server


@pytest.fixture
def bucket(s3: S3Server) -> str:
    """The URL of an empty bucket."""
    return f"s3://{s3.new_bucket()}"
