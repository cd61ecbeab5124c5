"""The files for real use that can't be run here: what they name is there, and what they promise is in them.

yamllint reads the YAML; no linter of Dockerfiles is at hand, so what matters is asked here.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deployments"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
YAML = sorted(FOLDER.glob("*.yaml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: What is started in a container, and where it comes from: our entry points, and Prefect's, which the lock brings.
PROGRAMS = {*PROJECT["scripts"], "prefect", "python"}
#: Images of others, each with the version that it is pinned to.
IMAGE = re.compile(r"[a-z0-9./-]+:[A-Za-z0-9_.-]*\d[A-Za-z0-9_.-]*")
SECRET = re.compile(r"(?i)(password|secret|auth|token|key)")
#: How a file may give a secret: by the name of a variable that must be set.
REQUIRED = re.compile(r".*\$\{\w+:\?[^}]+\}.*")


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", "\n".join(x for x in DOCKERFILE.splitlines() if not x.startswith("#")))
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.splitlines() if line]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(at for at, (name, _) in enumerate(found) if name == "FROM") :]


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    return read


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8")))


def test_there_are_files() -> None:
    assert {path.name for path in YAML} >= {"prefect.yaml", "compose.yaml", "kubernetes.yaml"}


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_yaml_is_in_order(path: Path) -> None:
    rules = (
        "{extends: default, rules: {line-length: {max: 120}, braces: {max-spaces-inside: 0},"
        " comments-indentation: disable, comments: {min-spaces-from-content: 1}}}"
    )
    lint = [sys.executable, "-m", "yamllint", "--strict", "-d", rules, str(path)]
    done = subprocess.run(lint, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# --- the image --------------------------------------------------------------------------------------------------------


def test_the_base_image_is_pinned_to_a_python_that_winnow_takes() -> None:
    (base,) = (value for name, value in instructions() if name == "ARG")
    found = re.fullmatch(r"PYTHON=python:(3\.\d+)\.\d+-slim-\w+", base)
    assert found
    assert tuple(map(int, found[1].split("."))) >= (3, 11)
    assert {value.split(" ")[0] for name, value in instructions() if name == "FROM"} == {"${PYTHON}"}


def test_it_does_not_run_as_root_and_says_how_it_is() -> None:
    names = [name for name, _ in last_stage()]
    (user,) = (value for name, value in last_stage() if name == "USER")
    assert int(user) > 0
    assert names.index("USER") < names.index("CMD")
    (health,) = (value for name, value in last_stage() if name == "HEALTHCHECK")
    code = json.loads(health[health.index("CMD ") + 4 :])
    assert code[:2] == ["python", "-c"]
    compile(code[2], "healthcheck", "exec")


def test_what_it_copies_is_here() -> None:
    copied = [value.split() for name, value in instructions() if name == "COPY" and "--from" not in value]
    for *sources, _ in copied:
        for source in sources:
            assert (ROOT / source).exists(), source
    assert {"schemas", "tasks", "flows", "deployments", "requirements.lock"} <= {x for y in copied for x in y}


def test_every_package_is_checked_against_its_hash() -> None:
    installs = [part for name, value in instructions() if name == "RUN" for part in value.split("&&") if "pip" in part]
    assert len(installs) == 3
    assert all(
        "--require-hashes" in each or each.rstrip().endswith("--no-deps --no-build-isolation .") for each in installs
    )


def test_it_holds_no_secret_and_reports_nowhere() -> None:
    settings = dict(pair.split("=", 1) for name, value in last_stage() if name == "ENV" for pair in shlex.split(value))
    assert settings["DO_NOT_TRACK"] == "1"
    assert settings["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    secrets = {name for name in settings if SECRET.search(name)} - {"WINNOW_SIGNING_KEY"}  # the path of one
    assert secrets == set()


# --- compose ----------------------------------------------------------------------------------------------------------


def test_images_are_pinned_and_programs_are_known() -> None:
    for name, service in compose()["services"].items():
        assert IMAGE.fullmatch(service["image"]), name
        if service["image"].startswith("winnow:"):
            assert service["image"] == f"winnow:{PROJECT['version']}"
            assert (FOLDER / service["build"]["context"] / service["build"]["dockerfile"]).samefile(
                FOLDER / "Dockerfile"
            )
            assert service.get("command", ["prefect"])[0] in PROGRAMS, name
    (command,) = (value for name, value in last_stage() if name == "CMD")
    assert json.loads(command)[0] in PROGRAMS


def test_every_service_that_stays_has_a_health_check() -> None:
    for name, service in compose()["services"].items():
        if service["restart"] != "no":
            # The worker's is the image's own.
            assert "healthcheck" in service or name == "worker"


def test_secrets_come_from_outside_and_must_be_there() -> None:
    seen = 0
    for service in compose()["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name) or ("://" in str(value) and "PASSWORD" in str(value)):
                assert REQUIRED.fullmatch(value), name
                seen += 1
    assert seen >= 8
    example = (FOLDER / "example.env").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+):\?", (FOLDER / "compose.yaml").read_text(encoding="utf-8")))
    assert asked == {line[:-1] for line in example.splitlines() if re.fullmatch(r"\w+=", line)}


def test_the_server_is_guarded_and_only_this_machine_reaches_it() -> None:
    server = compose()["services"]["server"]
    assert server["environment"]["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] == "true"
    assert "PREFECT_SERVER_API_AUTH_STRING" in server["environment"]
    assert all(port.startswith("127.0.0.1:") for port in server["ports"])
    others = [service.get("ports") for name, service in compose()["services"].items() if name != "server"]
    assert others == [None] * len(others)


# --- kubernetes -------------------------------------------------------------------------------------------------------


def test_the_worker_of_kubernetes_is_no_root_and_its_secrets_are_a_secrets() -> None:
    (deployment,) = (each for each in manifests() if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert IMAGE.fullmatch(container["image"])
    assert container["command"][0] in PROGRAMS
    assert "livenessProbe" in container
    assert {"secretRef": {"name": "winnow"}} in container["envFrom"]
    (settings,) = (each["data"] for each in manifests() if each["kind"] == "ConfigMap")
    assert not any(SECRET.search(name) for name in settings)
    pool = container["command"][container["command"].index("--pool") + 1]
    assert f"--pool {pool}" in (FOLDER / "kubernetes.yaml").read_text(encoding="utf-8").split("---")[1]


def test_the_job_of_a_run_is_the_image_without_root_and_with_limits() -> None:
    template = json.loads((FOLDER / "kubernetes-job.json").read_text(encoding="utf-8"))
    variables, job = template["variables"]["properties"], template["job_configuration"]["job_manifest"]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert variables["image"]["default"].endswith(f"/winnow:{PROJECT['version']}")
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["envFrom"] == [{"configMapRef": {"name": "winnow"}}, {"secretRef": {"name": "winnow"}}]
    assert container["resources"]["limits"]["memory"]
    # Whatever the template asks for is one of its variables.
    asked = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    assert asked == variables.keys()
