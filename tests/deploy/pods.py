"""Runs the containers of a rendered pod in the image on this machine, as a cluster node would.

Tests supply what a node would add: folders instead of volumes, and a port of this machine instead of the pod's own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.deploy.container import Container, Image, Mount, started

Volumes = Mapping[str, Path]  # by their names in the pod, except /tmp and /run, which every container has
LIMIT_S = 60


@contextmanager
def running(
    image: Image, part: dict[str, Any], volumes: Volumes, ready: str = "", **changed: str
) -> Iterator[Container]:
    """Run the container `part` of a pod until it prints `ready`; `changed` overrides variables."""
    variables = {item["name"]: item["value"] for item in part.get("env", []) if "value" in item} | changed
    mounts = [
        Mount(volumes[mount["name"]], mount["mountPath"], "ro" if mount.get("readOnly") else "rw")
        for mount in part.get("volumeMounts", [])
        if mount["name"] in volumes
    ]
    command = [*part.get("command", image.command), *part.get("args", [])]
    with started(image, command, variables, mounts, ready=ready) as container:
        yield container


def run(image: Image, part: dict[str, Any], volumes: Volumes, **changed: str) -> str:
    """Run it to its end and return its output; fails unless it succeeds."""
    with running(image, part, volumes, **changed) as container:
        assert container.outside.wait(LIMIT_S) == 0, container.logs()
        return container.logs()
