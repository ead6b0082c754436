"""Builds the project's image without an engine and without a registry, with the scripts that `make image` uses.

Storage of its own, which goes when the block ends. pip's configuration on this machine is given to the build from the
outside: which indexes there are is no business of the Dockerfile.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.container import Image, read_config
from tests.live import PROJECT_ROOT

TAG = "localhost/inkwell:test"
PIP_DIR = "/mnt/pip"  # in the build
STORAGE = """
[storage]
driver = "{driver}"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


@contextmanager
def built_image(*arguments: str) -> Iterator[Image]:
    """The image, built from nothing: base, packages, kernels, code, and whatever the arguments of the build ask for."""
    assert os.geteuid() == 0, "the image is built and run without an engine, which needs root"
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, storage(Path(folder)) as variables:
        run = {"env": variables, "check": True, "stdin": subprocess.DEVNULL}
        subprocess.run([PROJECT_ROOT / "docker/base.sh"], **run)
        options = pip_options(Path(folder, "pip"))
        subprocess.run([PROJECT_ROOT / "docker/build.sh", TAG, "--jobs", "3", *options, *arguments], **run)
        root = _output(["buildah", "mount", _output(["buildah", "from", "--pull-never", TAG], variables)], variables)
        config = read_config(_output(["buildah", "inspect", "--type", "image", TAG], variables))
        yield Image(Path(root), config, TAG, variables)


@contextmanager
def storage(folder: Path) -> Iterator[dict[str, str]]:
    """The environment with which buildah keeps its images and containers in `folder`, and their end."""
    driver = "overlay" if _overlays(folder) else "vfs"
    (folder / "storage.conf").write_text(STORAGE.format(driver=driver, folder=folder))
    variables = os.environ | {
        "ENGINE": "buildah", "BUILDAH_ISOLATION": "chroot", "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }  # fmt: skip
    try:
        yield variables
    finally:
        subprocess.run(["buildah", "rm", "--all"], env=variables, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["umount", "--quiet", folder / "graph/overlay"], check=False)  # buildah leaves it as a mount


def pip_options(folder: Path) -> list[str]:
    """How the build gets this machine's configuration of pip; torch comes from where that says, if it says anything."""
    listed = _output([sys.executable, "-m", "pip", "config", "list"], dict(os.environ))
    lines = (line.partition("=") for line in reversed(listed.splitlines()))  # variables come first there, and count
    settings = {name.split(".")[-1]: str(ast.literal_eval(value)) for name, _, value in lines}
    places = {name: settings[name] for name in ("index-url", "extra-index-url", "find-links") if settings.get(name)}
    folder.mkdir()
    volumes = [f"{folder}:{PIP_DIR}", f"{folder / 'pip.conf'}:/etc/pip.conf"]
    volumes += [f"{path}:{path}" for path in sorted({local for text in places.values() for local in _local(text)})]
    if certificates := settings.get("cert"):
        shutil.copy(certificates, folder / "ca.crt")
        places["cert"] = f"{PIP_DIR}/ca.crt"
    rows = [f"{name} = {' '.join(value.split())}\n" for name, value in places.items()]
    (folder / "pip.conf").write_text("[global]\n" + "".join(rows))
    arguments = ["--build-arg", "TORCH_INDEX="] if places.keys() - {"cert"} else []
    return [*arguments, *(part for volume in volumes for part in ("--volume", f"{volume}:ro"))]


def _local(text: str) -> list[str]:
    """Folders that the words of a setting name; an index refers to files beside itself. pip skips what is not there."""
    indexes = re.findall(r"file://(/\S+?)/?(?=\s|$)", text)
    named = [Path(index).parent for index in indexes] + [Path(word) for word in re.findall(r"(?:^|\s)(/\S+)", text)]
    return [str(path) for path in named if path.exists()]


def _overlays(folder: Path) -> bool:
    """Whether overlays can be mounted on this file system, which is quicker than a copy of every layer."""
    for name in ("lower", "upper", "work", "merged"):
        (folder / name).mkdir()
    options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, folder / "merged"]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        return False
    subprocess.run(["umount", folder / "merged"], check=True)
    return True


def _output(command: list[str], variables: dict[str, str]) -> str:
    return subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
