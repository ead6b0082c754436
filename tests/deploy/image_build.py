"""Builds the project's image without an engine and without a registry, with the scripts that `make image` uses.

Uses temporary storage. This machine's pip configuration is passed to the build from outside, because the Dockerfile
does not depend on package indexes.
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
    """Build the image from scratch: base, packages, kernels, code, and the options in the build arguments."""
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
    """Provide an environment in which buildah stores images and containers in `folder`; remove them at the end."""
    driver = "overlay" if _overlays(folder) else "vfs"
    (folder / "storage.conf").write_text(STORAGE.format(driver=driver, folder=folder))
    variables = os.environ | {
        "ENGINE": "buildah", "BUILDAH_ISOLATION": "chroot", "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }  # fmt: skip
    try:
        yield variables
    finally:
        subprocess.run(["buildah", "rm", "--all"], env=variables, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["umount", "--quiet", folder / "graph/overlay"], check=False)  # buildah leaves it mounted


def pip_options(folder: Path) -> list[str]:
    """Return the options that pass this machine's pip configuration to the build, for torch as well if set."""
    listed = _output([sys.executable, "-m", "pip", "config", "list"], dict(os.environ))
    lines = (line.partition("=") for line in reversed(listed.splitlines()))  # variables come first and win
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
    """Return the folders named in a setting, since an index refers to files next to it; pip skips missing ones."""
    indexes = re.findall(r"file://(/\S+?)/?(?=\s|$)", text)
    named = [Path(index).parent for index in indexes] + [Path(word) for word in re.findall(r"(?:^|\s)(/\S+)", text)]
    return [str(path) for path in named if path.exists()]


def _overlays(folder: Path) -> bool:
    """Whether overlays can be mounted on this file system, which is faster than copying every layer."""
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
