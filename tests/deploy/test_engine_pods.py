"""Rendered pods under a real engine: `podman kube play` parses, mounts, confines and limits them.

`playable` removes what Debian's podman does not support; tests/deploy/test_pods.py covers that.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from scripts.chart.helm import NEWEST, helm_program
from tests.deploy.container import Image
from tests.deploy.engine import Engine, Running, podman
from tests.helm.chart import Chart, Object, Rendering
from tests.live import free_port
from tests.scripts.hub import HubImitation
from tests.servable import continued

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MODEL = "355M"
PROMPT = {"input_text": "a prompt", "length": "10", "temperature": "0"}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


@pytest.fixture(scope="module")
def engine(image: Image) -> Iterator[Engine]:
    with podman(image) as running:
        yield running


@pytest.fixture(scope="module")
def rendering(image: Image, hub: HubImitation) -> Rendering:
    repository, _, tag = image.name.rpartition(":")
    values = {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "apiKeys": {"existingSecret": "inkwell-keys"},
        "persistence": {"enabled": True},
        "models": {"download": [{"name": MODEL}], "hub": {"endpoint": hub.url}},
    }
    return Chart(helm_program(NEWEST)).render(values)


def create_volume(engine: Engine, claim: Object) -> None:
    """A volume as in a cluster: writable by fsGroup, and empty except for what new disks contain."""
    name = claim["metadata"]["name"]
    engine.run("volume", "create", "--opt", "o=uid=10001,gid=10001", name)
    Path(engine.run("volume", "inspect", "--format", "{{.Mountpoint}}", name), "lost+found").mkdir(mode=0o700)


def keys_folder(folder: Path, line: str) -> Path:
    """A folder instead of a Secret, readable by the service's user whatever the umask is here."""
    keys = folder / "keys"
    keys.mkdir()
    keys.chmod(0o755)
    (keys / "keys").write_text(line + "\n")
    (keys / "keys").chmod(0o644)
    return keys


def playable(pod: Object, name: str, port: int = 0, keys: Path = Path()) -> Object:
    """Adapt a pod, or the pod template of a Deployment or Job, so that podman 4.3 runs it on this machine's network.

    Unchanged, podman would publish the containers' ports on every address, use curl for probes, restart an init
    container after it succeeded if the pod's restart policy is Always, and provide Secrets as base64.
    """
    spec = pod["spec"] | {"hostNetwork": True, "restartPolicy": "Never"}
    for container in spec["containers"]:
        for field in ("ports", *PROBES):
            container.pop(field, None)
        for variable in container.get("env", []):
            if variable["name"] == "INKWELL_PORT":
                variable["value"] = str(port)
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            del volume["secret"]
            volume["hostPath"] = {"path": str(keys), "type": "Directory"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"] | {"name": name}, "spec": spec}


def play(engine: Engine, folder: Path, pod: Object) -> None:
    (folder / "pod.yaml").write_text(yaml.safe_dump(pod))
    engine.run("kube", "play", folder / "pod.yaml")


def played(engine: Engine, folder: Path, pod: Object) -> str:
    """Run its only container to a successful end and return its output."""
    play(engine, folder, pod)
    name = f"{pod['metadata']['name']}-{pod['spec']['containers'][0]['name']}"
    status, printed = engine.run("wait", name), engine.tried("logs", name)
    assert status == "0", printed.stdout + printed.stderr
    return printed.stdout


def test_a_release_downloads_serves_with_keys_and_drains(
    engine: Engine, image: Image, rendering: Rendering, tmp_path: Path
) -> None:
    printed = engine.run("run", "--rm", image.name, "python", "scripts/make_key.py", "alice")
    keys = keys_folder(tmp_path, re.search("file: *(.*)", printed)[1])
    create_volume(engine, rendering.one("PersistentVolumeClaim"))
    played(engine, tmp_path, playable(rendering.one("Job")["spec"]["template"], "download"))

    port = free_port()
    play(engine, tmp_path, playable(rendering.pod, "inkwell", port, keys))
    server = Running(engine, "inkwell-inkwell", f"http://127.0.0.1:{port}")
    server.wait_for("/readyz", 200)
    assert asked(server, "another").status_code == 401
    assert asked(server, re.search(r"once: *(\S+)", printed)[1]).text == continued(PROMPT["input_text"], 10)
    check_confinement(server, rendering.container)

    test = playable(rendering.one("Pod"), "test")
    test["spec"]["containers"][0]["args"][1] = server.url
    assert "/readyz 200" in played(engine, tmp_path, test)

    engine.run("pod", "stop", "--time", "60", "inkwell")
    assert server.state["ExitCode"] == 0, server.logs()


def asked(server: Running, key: str) -> requests.Response:
    """Send a request without a model name, which the chart's default model answers."""
    headers = {"Authorization": f"Bearer {key}"}
    return requests.get(f"{server.url}/text-generate", params=PROMPT, headers=headers, timeout=60)


def check_confinement(server: Running, container: dict[str, Any]) -> None:
    """The running process has the properties of the pod's security context."""
    status = server.execute("cat", "/proc/1/status").stdout
    assert re.search(r"CapBnd:\s0{16}$", status, re.M) and re.search(r"NoNewPrivs:\s1$", status, re.M)
    for path in ("/opt/inkwell/x", "/models/x", "/etc/inkwell/x"):
        assert "Read-only" in server.execute("touch", path).stderr
    assert container["resources"]["limits"]["memory"] == "4Gi"
    assert server.engine.run("container", "inspect", "--format", "{{.HostConfig.Memory}}", server.name) == str(4 << 30)
