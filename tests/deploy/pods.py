"""Containers of a pod that the chart rendered, run in the image on this machine as a node of a cluster would run them.

What a node adds is given by hand: folders in the place of volumes, and a port of this machine in the place of the
pod's own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.deploy.container import Container, Image, Mount, started

Volumes = Mapping[str, Path]  # by their names in the pod; those of /tmp and /run every container has anyway
LIMIT_S = 60


@contextmanager
def running(
    image: Image, part: dict[str, Any], volumes: Volumes, ready: str = "", **changed: str
) -> Iterator[Container]:
    """The container `part` of a pod, from when it prints `ready`; variables may be `changed`."""
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
    """What it prints until its end, which has to be a good one."""
    with running(image, part, volumes, **changed) as container:
        assert container.outside.wait(LIMIT_S) == 0, container.logs()
        return container.logs()
