"""The files around the image, checked without building anything: locks, Dockerfile, compose, Procfile."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from inkwell.apache.config import DRAIN_S
from tests.deploy.container import procfile_command
from tests.live import PROJECT_ROOT

DOCKER = PROJECT_ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
SCRIPTS = sorted(DOCKER.glob("*.sh"))


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A program of the test environment."""
    return subprocess.run(
        [Path(sys.executable).with_name(name), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def pins(text: str) -> dict[str, str]:
    """Map packages to versions, with normalised names."""
    found = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


REQUIRED = pins((PROJECT_ROOT / "requirements.txt").read_text())
LOCKS = {path.name: path.read_text() for path in DOCKER.glob("*.lock")}


def test_the_locks_have_every_requirement_at_its_version() -> None:
    locked = pins(LOCKS["requirements.lock"]) | pins(LOCKS["torch-cuda.lock"])
    assert {name: locked.get(name) for name in REQUIRED} == REQUIRED, "run make lock"


def test_torch_is_in_the_lock_of_cuda_alone_and_both_agree_on_the_rest() -> None:
    common, cuda = pins(LOCKS["requirements.lock"]), pins(LOCKS["torch-cuda.lock"])
    assert "torch" not in common and cuda["torch"] == REQUIRED["torch"]
    assert not [name for name in common if name.startswith(("nvidia-", "cuda-", "triton"))]
    assert {name for name in common.keys() & cuda.keys() if common[name] != cuda[name]} == set()


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_of_a_lock_has_a_hash(name: str) -> None:
    for entry in re.split(r"\n(?=\S)", LOCKS[name].strip())[1:]:
        assert "==" in entry and "--hash=sha256:" in entry, entry


def test_the_dockerfile_is_without_blemish() -> None:
    result = tool("hadolint", DOCKER / "Dockerfile")
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_executable_and_well_formed(path: Path) -> None:
    assert os.access(path, os.X_OK)
    subprocess.run(["sh", "-n", path], check=True)


def build(folder: Path, **engines: str) -> subprocess.CompletedProcess[str]:
    """`make image` on a machine with these engines, each the body of a script."""
    for name, body in engines.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    for name in ("sh", "dirname", "sed", "git", "id", "echo"):
        (folder / name).symlink_to(shutil.which(name))
    command = [DOCKER / "build.sh", "inkwell:mine", "--build-arg", "DEVICE=cuda"]
    return subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True, check=False)


TELLS = '[ "$1" = info ] || echo "${0##*/} $*"'


def test_an_image_is_built_with_the_first_engine_that_works(tmp_path: Path) -> None:
    said = build(tmp_path, docker="exit 1", podman=TELLS, buildah=TELLS).stdout
    assert "podman build --file docker/Dockerfile --tag inkwell:mine --build-arg VERSION=0." in said
    assert said.endswith("--format docker --build-arg DEVICE=cuda .\n")


def test_without_a_working_engine_a_line_says_so(tmp_path: Path) -> None:
    result = build(tmp_path, docker="exit 1")
    assert (result.returncode, result.stderr) == (1, "Found no working docker, podman or buildah\n")


def let_into_the_build() -> set[str]:
    """Return the files and folders that .dockerignore, which excludes everything, re-includes."""
    ignore = (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    return {line[1:].rstrip("/") for line in ignore if line.startswith("!")}


def test_scripts_in_the_image_find_there_what_they_import() -> None:
    scripts = {path for path in let_into_the_build() if path.startswith("scripts/")}
    for script in scripts:
        imported = re.findall(r"^\s*from scripts\.(\w+) import", (PROJECT_ROOT / script).read_text(), re.MULTILINE)
        assert {f"scripts/{name}.py" for name in imported} <= scripts, script


def test_the_dockerfile_asks_for_nothing_that_the_build_leaves_outside() -> None:
    """Everything that COPY names must be included by .dockerignore, or an engine does not find it."""
    let_in = let_into_the_build()
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {source for line in copies for source in line.split()}
    assert len(sources) > 5
    for source in sources:
        assert any(entry == source or entry.startswith(f"{source}/") or source.startswith(f"{entry}/")
                   for entry in let_in), source  # fmt: skip


def compose() -> dict[str, Any]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_compose_follows_the_specification() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    assert tool("check-jsonschema", *schema, DOCKER / "compose.yaml").returncode == 0


def test_the_schema_of_compose_finds_a_mistake(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((DOCKER / "compose.yaml").read_text().replace("read_only:", "readonly:"))
    assert tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", wrong).returncode == 1


def test_compose_mounts_files_that_exist_and_opens_no_port_to_others() -> None:
    for name, service in compose()["services"].items():
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:"), name
        sources = [volume.split(":")[0] for volume in service.get("volumes", ()) if volume.startswith(".")]
        assert all((DOCKER / source).is_file() for source in sources), sources


def test_compose_gives_a_drain_the_time_that_it_may_take() -> None:
    grace = compose()["services"]["inkwell"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) >= DRAIN_S + 20


def test_prometheus_and_grafana_find_each_other_and_the_service() -> None:
    services = compose()["services"]
    scraped = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scraped["static_configs"][0]["targets"] == ["inkwell:8000"]
    source = yaml.safe_load((DOCKER / "grafana/datasource.yaml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    assert {"inkwell", "prometheus", "grafana"} == set(services)
    folder = yaml.safe_load((DOCKER / "grafana/dashboards.yaml").read_text())["providers"][0]["options"]["path"]
    assert any(f":{folder}/inkwell.json:" in volume for volume in services["grafana"]["volumes"])


def test_heroku_starts_what_the_procfile_starts() -> None:
    manifest = yaml.safe_load((PROJECT_ROOT / "heroku.yml").read_text())
    assert procfile_command((PROJECT_ROOT / "Procfile").read_text(), "web")[-1] == manifest["run"]["web"]
    assert (PROJECT_ROOT / manifest["build"]["docker"]["web"]).is_file()


def test_a_host_without_a_port_gets_the_usual_one(tmp_path: Path) -> None:
    """Run the command with a fake `python` that only prints how it was called."""
    (tmp_path / "python").write_text('#!/bin/sh\necho "$INKWELL_HOST:$INKWELL_PORT $*"\n')
    (tmp_path / "python").chmod(0o755)
    command = procfile_command((PROJECT_ROOT / "Procfile").read_text(), "web")
    for variables, port in (({}, "8000"), ({"PORT": "5000"}, "5000")):
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **variables}
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert said == f"0.0.0.0:{port} -m inkwell\n"
