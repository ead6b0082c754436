"""Renders the chart with values for tests, and finds its objects by kind."""

import tempfile
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from scripts.chart.helm import run_helm, template

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "helm"
FEATURES = sorted((FOLDER / "ci").glob("*-values.yaml"))
OPEN = {"open": True}  # the minimum that the chart requires

Object = dict[str, Any]


class Rendering:
    """The objects of one rendering."""

    def __init__(self, text: str) -> None:
        self.objects: list[Object] = [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]

    def all(self, kind: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Object:
        (found,) = (item for item in self.all(kind) if name in (None, item["metadata"]["name"]))
        return found

    @property
    def names(self) -> list[str]:
        return [f"{item['kind']}/{item['metadata']['name']}" for item in self.objects]

    @cached_property
    def pod(self) -> Object:
        """The specification of the service's pods."""
        return self.one("Deployment")["spec"]["template"]

    @property
    def container(self) -> Object:
        return next(item for item in self.pod["spec"]["containers"] if item["name"] == "inkwell")

    @property
    def wait(self) -> Object:
        """The init container that waits for models."""
        return next(item for item in self.pod["spec"]["initContainers"] if item["name"] == "wait-for-models")

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of the service that have a plain value."""
        return {item["name"]: item["value"] for item in self.container["env"] if "value" in item}

    @property
    def labels(self) -> dict[str, Object]:
        """The labels of every object, by kind and name."""
        return dict(zip(self.names, (item["metadata"]["labels"] for item in self.objects), strict=True))

    def pods(self) -> list[Object]:
        """The specification of every pod: the service's, the Jobs', the test's."""
        templated = [item["spec"]["template"]["spec"] for item in self.all("Deployment") + self.all("Job")]
        return templated + [item["spec"] for item in self.all("Pod")]


@dataclass(frozen=True)
class Chart:
    """A chart folder and a helm binary."""

    program: Path
    folder: Path = FOLDER

    def render(self, values: Object) -> Rendering:
        """Render with these values; raises HelmError with helm's message if they are rejected."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(values, file)
            file.flush()
            return Rendering(template(self.program, self.folder, Path(file.name)))

    def render_file(self, values: Path) -> Rendering:
        """Render once per file of values; tests must not modify the result."""
        return _rendering(self.program, self.folder, values)

    def lint(self, values: Path) -> str:
        return run_helm(self.program, "lint", "--strict", str(self.folder), "--values", str(values))


@cache
def _rendering(program: Path, folder: Path, values: Path) -> Rendering:
    return Rendering(template(program, folder, values))
