"""Renders the plain kustomize manifests of k8s/ from the chart.

Objects that are the same in all overlays go into the base; the others, such as the Deployment, into each overlay.
Returns file contents by path; writes nothing.
"""

from pathlib import Path
from typing import Any

import yaml

from scripts.chart.helm import template

NAMESPACE = "inkwell"
OVERLAYS = ("cpu", "gpu")
HEADER = "# Rendered from the chart by `make k8s`; not to be edited.\n"
# Labels and annotations that are specific to Helm, which is not used to apply the manifests.
HELMS_LABELS = ("helm.sh/chart", "app.kubernetes.io/managed-by")
HELMS_ANNOTATIONS = ("helm.sh/resource-policy",)

Object = dict[str, Any]


def manifests(program: Path, chart: Path, values: Path) -> dict[str, str]:
    """Return the content of every rendered file in k8s/; `values` is the folder with the values of each overlay."""
    rendered = {
        name: objects(template(program, chart, values / "common.yaml", values / f"{name}.yaml", namespace=NAMESPACE))
        for name in OVERLAYS
    }
    first, *others = rendered.values()
    common = [item for item in first if all(item in other for other in others)]
    files = _folder("base", common, resources=[])
    for name, items in rendered.items():
        own = [item for item in items if item not in common]
        files |= _folder(f"overlays/{name}", own, resources=["../../base"])
    return files


def objects(text: str) -> list[Object]:
    """Parse rendered objects, without Helm's labels and annotations."""
    return [_plain(item) for item in yaml.safe_load_all(text) if item]


def _plain(item: Object) -> Object:
    metadata = item["metadata"]
    for key, names in (("labels", HELMS_LABELS), ("annotations", HELMS_ANNOTATIONS)):
        kept = {name: text for name, text in metadata.get(key, {}).items() if name not in names}
        metadata = {name: content for name, content in metadata.items() if name != key} | ({key: kept} if kept else {})
    return item | {"metadata": metadata}


def _folder(folder: str, items: list[Object], resources: list[str]) -> dict[str, str]:
    files = {f"{item['kind'].lower()}-{item['metadata']['name']}.yaml": _text(item) for item in items}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": resources + sorted(files),
    }
    files["kustomization.yaml"] = _text(kustomization)
    return {f"{folder}/{name}": text for name, text in files.items()}


def _text(item: Object) -> str:
    return HEADER + yaml.safe_dump(item, sort_keys=False, width=118)
