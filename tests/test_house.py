"""Law of the house: what the layout promises (who may import whom, who may touch files, how big things get).

Each law is a function from one module to its findings, and is tried here on a small bad sample and on a good one
before it is trusted with the repository. Does not belong here: anything ruff or mypy already says.
"""

from __future__ import annotations

import ast
import fnmatch
import functools
import importlib.metadata
import inspect
import io
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from schemas import errors

ROOT = Path(__file__).resolve().parents[1]
#: The standard library: this Python's, and `compression`, which is in that of 3.14.
STANDARD = {*sys.stdlib_module_names, "compression"}
FOLDERS = ("schemas", "tasks", "flows", "deployments")
TOP_LEVEL = {
    *FOLDERS, "tests", "pyproject.toml", "README.md", "Makefile", "requirements.lock", "LICENSE", "CHANGELOG.md",
    ".gitignore", ".pre-commit-config.yaml", ".ci",
}  # fmt: skip

#: What each folder may not import. Imports run deployments -> flows -> tasks -> schemas, and nothing imports tests.
NOT_FROM = {
    "schemas": ("tasks", "flows", "deployments", "tests"),
    "tasks": ("flows", "deployments", "tests"),
    "flows": ("deployments", "tests"),
    "deployments": ("tests",),
}
#: Who may import a library that reaches out of the process. Patterns as of fnmatch: `*` crosses folders.
ONLY_IN = {
    "prefect": ("flows/*", "deployments/*", "tasks/*/task.py"),
    "s3fs": ("tasks/store/*",),
    "fsspec": ("tasks/store/*",),
    "aiobotocore": ("tasks/store/*",),
    "botocore": ("tasks/store/*",),
    "deltalake": ("tasks/export/delta.py",),
    "duckdb": ("flows/demo*", "tasks/dedupe/entities/linkage.py"),
    "splink": ("tasks/dedupe/entities/linkage.py",),
    "pandas": ("flows/demo*",),
}
#: Of schemas and tasks, the modules that are not pure. Every other one takes values and gives values.
SHELL = (
    "schemas/registry.py",  # finds the declaring files
    "tasks/*/task.py",  # wraps a stage for Prefect
    "tasks/*/stage.py",  # reads from the store, calls the pure modules, writes to the store
    "tasks/store/*",
    "tasks/dedupe/partition.py",  # as stage
    "tasks/audit/ledger.py",  # reads how the partitions of the newest version stand
    "tasks/erasure/access.py",  # reads a person's records
    "tasks/erasure/copies.py",  # reads and writes copies of raw files
    "tasks/erasure/finding.py",  # reads all versions
    "tasks/erasure/journal.py",  # keeps what the store knows of its erasures
    "tasks/erasure/leftovers.py",  # reads and clears what is beside the versions
    "tasks/erasure/outside.py",  # asks the store which copies were made
    "tasks/erasure/rewrite.py",  # writes a partition's files anew
    "tasks/erasure/search.py",  # reads all versions
    "tasks/erasure/sweep.py",  # reads every object
    "tasks/ingest/listing.py",  # finds and opens raw files
    "tasks/ingest/bucket.py",  # does so in a bucket
    "tasks/ingest/workbook*.py",  # reads a workbook in a process of its own
    "tasks/export/delta.py",  # as stage
    "tasks/export/fit.py",  # as stage
    "tasks/export/load.py",  # reads what fit wrote
    "tasks/job.py",  # loads the declaration that it names
    "tasks/publish/commit.py",  # the one act of publishing is one of the store
    "tasks/publish/contract.py",  # hashes the code that gives a declaration its meaning
    "tasks/publish/likenesses.py",  # as survivors
    "tasks/publish/survivors.py",  # reads a version's partitions beside each other
    "tasks/publish/reconcile.py",  # reads the partitions that share keys, and writes them anew
    "tasks/publish/originals.py",  # opens raw files in the dump or in the archive
    "tasks/publish/release.py",  # as commit
    "tasks/publish/rollback.py",  # as commit
    "tasks/publish/verify.py",  # proves a version from its files alone
    "tasks/publish/written.py",  # reads back what was written
    "tasks/report/explain.py",  # finds one record in the ledger and in its dump
    "tasks/report/quarantine.py",  # reads the ledger
    "tasks/report/duplicates.py",  # as quarantine
)
#: Modules of files, programs and networks, of the clock and of chance; `pathlib` save its pure half.
IMPURE = (
    "os", "pathlib", "shutil", "tempfile", "glob", "fileinput", "mmap", "fcntl", "subprocess", "socket",
    "urllib.request", "http.client", "requests", "httpx", "time", "random", "secrets", "uuid", "tasks.store",
)  # fmt: skip
PURE_PATHS = ("pathlib.PurePath", "pathlib.PurePosixPath")
IMPURE_CALL = re.compile(
    r"open|(.*\.)(now|today|utcnow)|(.*\.)(scan|sink)_(parquet|csv|ndjson|ipc|lines|delta|iceberg)"
)

MODULE_LINES, FUNCTION_LINES = 300, 60
#: Words that say nothing about what a module knows.
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "process"}


@dataclass(frozen=True)
class Module:
    """One source file; `path` is relative to the root, with `/`."""

    path: str
    source: str

    @functools.cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(ast.parse(self.source)))

    def is_one_of(self, patterns: Iterable[str]) -> bool:
        return any(fnmatch.fnmatchcase(self.path, pattern) for pattern in patterns)

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of every import, in functions and for type checkers too, or by importlib."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
                yield from ((node.lineno, str(arg.value)) for arg in node.args[:1] if isinstance(arg, ast.Constant))


Finding = tuple[int, str]
Law = Callable[[Module], Iterator[Finding]]


def _within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


# --- the laws ---------------------------------------------------------------------------------------------------------


def imports_run_one_way(module: Module) -> Iterator[Finding]:
    forbidden = NOT_FROM[module.path.partition("/")[0]]
    yield from ((line, f"imports {name}") for line, name in module.imports() if _within(name, forbidden))


def libraries_stay_in_their_place(module: Module) -> Iterator[Finding]:
    for line, name in module.imports():
        library = name.partition(".")[0]
        if library in ONLY_IN and not module.is_one_of(ONLY_IN[library]):
            yield line, f"imports {library}, which only {', '.join(ONLY_IN[library])} may"


def wrappers_are_for_flows(module: Module) -> Iterator[Finding]:
    if module.path.startswith("tasks/") and not module.is_one_of(("tasks/*/task.py",)):
        for line, name in module.imports():
            if re.match(r"tasks\.\w+\.task\b", name):
                yield line, f"imports {name}, and Prefect with it"


def stages_are_pure(module: Module) -> Iterator[Finding]:
    if not module.path.startswith(("schemas/", "tasks/")) or module.is_one_of(SHELL):
        return
    for line, name in module.imports():
        if _within(name, IMPURE) and not _within(name, PURE_PATHS):
            yield line, f"imports {name}"
    for node in module.nodes:
        if isinstance(node, ast.Call) and IMPURE_CALL.fullmatch(called := ast.unparse(node.func)):
            yield node.lineno, f"calls {called}"


def dependencies_are_declared(module: Module) -> Iterator[Finding]:
    for line, name in module.imports():
        library = name.partition(".")[0]
        if library not in STANDARD and library not in FOLDERS:
            distributions = {canonicalize_name(found) for found in _distributions().get(library, ())}
            if not distributions & _declared():
                yield line, f"imports {library}, which pyproject.toml does not declare (dev does not count)"


def modules_say_what_they_hold(module: Module) -> Iterator[Finding]:
    if not ast.get_docstring(ast.parse(module.source)):
        yield 1, "has no docstring"


def modules_are_small(module: Module) -> Iterator[Finding]:
    """Lines of code: neither empty nor comment nor docstring, so that explaining costs nothing."""
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(module.source).readline):
        if token.type not in blank:
            lines.update(range(token.start[0], token.end[0] + 1))
    code = len(lines - _prose(module.nodes))
    if code > MODULE_LINES:
        yield 1, f"has {code} lines of code, {MODULE_LINES} at most"


def functions_are_small(module: Module) -> Iterator[Finding]:
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = len(_span(node) - _prose(node.body))
            if lines > FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {lines} lines, {FUNCTION_LINES} at most"


def errors_have_one_home(module: Module) -> Iterator[Finding]:
    """A private one never leaves its module, so it is free."""
    if module.path == "schemas/errors.py":
        return
    for node in module.nodes:
        if isinstance(node, ast.ClassDef):
            exception = any(ast.unparse(base).endswith(("Error", "Exception")) for base in node.bases)
            if exception and not node.name.startswith("_"):
                yield node.lineno, f"{node.name} is an exception; those stand in schemas/errors.py"


def _span(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def _prose(nodes: Iterable[ast.AST]) -> set[int]:
    """Lines of docstrings: a module's, class's, function's or attribute's."""
    return {
        line
        for node in nodes
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in _span(node)
    }


@functools.cache
def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


@functools.cache
def _declared() -> frozenset[str]:
    """Names of what an installed Winnow can import: the dependencies and every extra but dev."""
    extras = [text for extra, texts in _project()["optional-dependencies"].items() if extra != "dev" for text in texts]
    return frozenset(canonicalize_name(Requirement(text).name) for text in [*_project()["dependencies"], *extras])


_distributions = functools.cache(importlib.metadata.packages_distributions)

LAWS: tuple[Law, ...] = (
    imports_run_one_way, libraries_stay_in_their_place, wrappers_are_for_flows, stages_are_pure,
    dependencies_are_declared, modules_say_what_they_hold, modules_are_small, functions_are_small, errors_have_one_home,
)  # fmt: skip


# --- the laws can fail ------------------------------------------------------------------------------------------------

BROKEN = [
    (imports_run_one_way, "schemas/a.py", "from tasks.ingest import csv"),
    (imports_run_one_way, "schemas/a.py", "def f():\n    import flows"),
    (imports_run_one_way, "tasks/ingest/task.py", "import importlib\nimportlib.import_module('flows.cli')"),
    (imports_run_one_way, "flows/nightly.py", "from deployments import deploy"),
    (imports_run_one_way, "deployments/deploy.py", "from tests import conftest"),
    (libraries_stay_in_their_place, "tasks/ingest/csv.py", "from prefect import task"),
    (libraries_stay_in_their_place, "schemas/dataset.py", "import prefect.runtime"),
    (libraries_stay_in_their_place, "tasks/ingest/listing.py", "import s3fs"),
    (libraries_stay_in_their_place, "tasks/ingest/bucket.py", "from botocore.exceptions import ClientError"),
    (libraries_stay_in_their_place, "flows/cli.py", "import pandas as pd"),
    (wrappers_are_for_flows, "tasks/publish/commit.py", "from tasks.ingest.task import ingest"),
    (stages_are_pure, "tasks/dedupe/exact.py", "import os.path"),
    (stages_are_pure, "tasks/dedupe/exact.py", "from pathlib import Path"),
    (stages_are_pure, "tasks/dedupe/exact.py", "from tasks.store.local import Store"),
    (stages_are_pure, "tasks/dedupe/exact.py", "with open('x') as file: pass"),
    (stages_are_pure, "tasks/dedupe/exact.py", "import polars as pl\nframe = pl.scan_parquet('x')"),
    (stages_are_pure, "tasks/audit/gates.py", "import datetime as dt\nnow = dt.datetime.now(dt.UTC)"),
    (stages_are_pure, "schemas/policies.py", "import random"),
    (dependencies_are_declared, "tasks/audit/drift.py", "import pytest"),
    (dependencies_are_declared, "tasks/audit/drift.py", "import a_library_that_is_not_there"),
    (modules_say_what_they_hold, "tasks/a.py", "# a comment is no docstring\nx = 1"),
    (modules_are_small, "tasks/a.py", "x = 1\n" * (MODULE_LINES + 1)),
    (functions_are_small, "tasks/a.py", "def f():\n" + "    x = 1\n" * FUNCTION_LINES),
    (functions_are_small, "tasks/a.py", "class A:\n    async def f(self):\n" + "        x = 1\n" * FUNCTION_LINES),
    (errors_have_one_home, "tasks/a.py", "class Odd(ValueError): pass"),
]
KEPT = [
    (imports_run_one_way, "tasks/ingest/csv.py", "from schemas.errors import HeaderError\nimport tasks_of_others"),
    (libraries_stay_in_their_place, "tasks/ingest/task.py", "from prefect import task"),
    (libraries_stay_in_their_place, "flows/nightly.py", "import prefect"),
    (libraries_stay_in_their_place, "tasks/store/client.py", "import s3fs, fsspec.asyn"),
    (wrappers_are_for_flows, "flows/nightly.py", "from tasks.ingest.task import ingest"),
    (stages_are_pure, "tasks/dedupe/exact.py", "import io, re\nfrom pathlib import PurePosixPath\nx = known(opened())"),
    (stages_are_pure, "tasks/dedupe/stage.py", "from tasks.store.local import Store"),
    (stages_are_pure, "tasks/store/local.py", "import os"),
    (dependencies_are_declared, "tasks/a.py", "import ast, polars as pl\nimport pandera.polars\nfrom tasks import b"),
    (modules_say_what_they_hold, "tasks/a.py", '"""What it holds."""'),
    (
        modules_are_small,
        "tasks/a.py",
        '"""' + "Prose.\n" * 400 + '"""\n' + "# prose\n\n" * 300 + "x = 1\n" * MODULE_LINES,
    ),
    (functions_are_small, "tasks/a.py", 'def f():\n    """Prose.\n\n\n"""\n' + "    x = 1\n" * (FUNCTION_LINES - 1)),
    (errors_have_one_home, "schemas/errors.py", "class Odd(ValueError): pass"),
    (errors_have_one_home, "tasks/a.py", "class _Odd(ValueError): pass\nclass Errors(list): pass"),
]


def test_each_law_has_a_sample_of_both_kinds() -> None:
    assert {law for law, *_ in BROKEN} == {law for law, *_ in KEPT} == set(LAWS)


@pytest.mark.parametrize(("law", "path", "source"), BROKEN)
def test_a_broken_law_is_found(law: Law, path: str, source: str) -> None:
    assert list(law(Module(path, source)))


@pytest.mark.parametrize(("law", "path", "source"), KEPT)
def test_a_kept_law_is_left_alone(law: Law, path: str, source: str) -> None:
    assert list(law(Module(path, source))) == []


# --- the repository keeps them ----------------------------------------------------------------------------------------


def _paths(*folders: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py"))


@functools.cache
def _modules() -> tuple[Module, ...]:
    return tuple(Module(path, (ROOT / path).read_text(encoding="utf-8")) for path in _paths(*FOLDERS))


def test_there_are_modules_to_judge() -> None:
    assert {"schemas", "tasks", "flows"} <= {module.path.partition("/")[0] for module in _modules()}


@pytest.mark.parametrize("law", LAWS)
def test_every_module_keeps_the_law(law: Law) -> None:
    findings = [f"{module.path}:{line} {what}" for module in _modules() for line, what in law(module)]
    assert not findings, "\n".join(["", *findings])


# --- names and places -------------------------------------------------------------------------------------------------


def _empty_names(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if EMPTY_WORDS & set(re.split(r"[/_.]", path))]


def test_names_say_what_is_known() -> None:
    assert _empty_names(["tasks/store/path_utils.py", "tasks/helpers/a.py"]) != []
    assert _empty_names(["tasks/dedupe/processed.py"]) == []
    assert _empty_names(_paths(*FOLDERS, "tests")) == []


def _without_source(tests: Iterable[str], sources: set[str]) -> list[str]:
    """Unit tests that mirror neither a module nor (test_<package>.py beside the package's folder) a package."""
    strays = []
    for test in tests:
        mirrored = PurePosixPath(test).relative_to("tests/unit")
        module = mirrored.with_name(mirrored.name.removeprefix("test_"))
        if not {str(module), str(module.with_suffix("") / "__init__.py")} & sources:
            strays.append(test)
    return strays


def test_every_unit_test_mirrors_a_source_file() -> None:
    assert _without_source(["tests/unit/tasks/ingest/test_gone.py"], {"tasks/ingest/csv.py"}) != []
    assert _without_source(["tests/unit/tasks/ingest/test_csv.py"], {"tasks/ingest/csv.py"}) == []
    assert _without_source(["tests/unit/tasks/test_ingest.py"], {"tasks/ingest/__init__.py"}) == []
    tests = [path for path in _paths("tests/unit") if not path.endswith("/conftest.py")]
    assert _without_source(tests, set(_paths(*FOLDERS))) == []


def test_tests_are_no_package() -> None:
    assert [path for path in _paths("tests") if path.endswith("__init__.py")] == []


def _strays(files: Iterable[str]) -> set[str]:
    return {file.partition("/")[0] for file in files} - TOP_LEVEL


def test_the_top_level_holds_only_what_is_agreed() -> None:
    assert _strays(["notes.txt", "docs/a.md", "tasks/a.py"]) == {"notes.txt", "docs"}
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, so there is no list of its files")
    listing = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    assert _strays(filter(None, files)) == set()


# --- errors -----------------------------------------------------------------------------------------------------------

ERRORS = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, BaseException)]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_a_winnow_error_that_exits_with_its_kind(error: type[errors.WinnowError]) -> None:
    assert issubclass(error, errors.WinnowError)
    assert error.exit_code in {errors.EXIT_STOPPED, errors.EXIT_USAGE, errors.EXIT_ENVIRONMENT}


# --- the lock ---------------------------------------------------------------------------------------------------------

_PINNED = re.compile(
    r"^([\w.-]+)(?:\[[^]]*])?==([^\s;]+).*\\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", re.MULTILINE
)


def _pins(lock: str) -> dict[str, str]:
    """Version of each package that is pinned and has at least one hash."""
    return {canonicalize_name(found[1]): found[2] for found in _PINNED.finditer(lock)}


def _not_held(requirements: Iterable[str], pins: dict[str, str]) -> list[str]:
    wanted = [Requirement(text) for text in requirements]
    return [str(one) for one in wanted if not one.specifier.contains(pins.get(canonicalize_name(one.name), "0"))]


def test_the_lock_holds_every_declared_dependency() -> None:
    sample = f"a==1.2 \\\n    --hash=sha256:{'0' * 64}\n    # via b\nb==3\n"
    assert _pins(sample) == {"a": "1.2"}
    assert _not_held(["a>=1", "a<1.2", "b>=1"], _pins(sample)) == ["a<1.2", "b>=1"]
    declared = [
        *_project()["dependencies"],
        *(x for extra in _project()["optional-dependencies"].values() for x in extra),
    ]
    assert _not_held(declared, _pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))) == [], "run `make lock`"


@pytest.mark.parametrize("lock", ["requirements.lock", ".ci/build.lock", ".ci/data.lock", ".ci/bench.lock"])
def test_a_lock_pins_all_with_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    named = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)(?:\[[^]]*])?==", text, re.MULTILINE)}
    assert named == _pins(text).keys() != set()
    assert "://" not in text


# --- the settings of the tests themselves -----------------------------------------------------------------------------

SKIPPING = {
    "test_program.py": "def test_a(needs_program): needs_program('no-such-program')",
    "test_mark.py": "import pytest\n@pytest.mark.skip(reason='not today')\ndef test_a(): pass",
    "test_module.py": "import pytest\npytest.skip('never', allow_module_level=True)",
    "test_expected.py": "import pytest\n@pytest.mark.xfail\ndef test_a(): assert False",
}


@pytest.mark.parametrize(
    ("require_all", "outcome"), [("0", "3 skipped, 1 xfailed in"), ("1", "1 failed, 1 xfailed, 2 errors in")]
)
def test_nothing_is_skipped_where_all_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_all: str, outcome: str
) -> None:
    monkeypatch.setenv("WINNOW_REQUIRE_ALL", require_all)
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for name, source in SKIPPING.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
    pytest_itself = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "--continue-on-collection-errors"]
    run = subprocess.run(pytest_itself, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert outcome in run.stdout.splitlines()[-1], run.stdout
    assert "no-such-program" in run.stdout
