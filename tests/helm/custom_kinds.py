"""Validates custom resources against the types and schemas published for them on npm.

Takes objects and returns the errors as text, empty if there are none. The TypeScript compiler finds unknown fields, the
schemas find invalid values.
"""

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from scripts.chart.helm import npm_install

MODULES = {
    "HTTPRoute": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute",
    "PrometheusRule": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule",
    "ScaledObject": "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject",
    "ServiceMonitor": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor",
}
PACKAGES = (
    "@kubernetes-models/gateway-api@2.0.0",
    "@kubernetes-models/keda@2.0.0",
    "@kubernetes-models/prometheus-operator@6.0.0",
    "typescript@5.9.3",
)
COMPILER = "node_modules/typescript/bin/tsc"
OPTIONS = "--noEmit --strict --skipLibCheck --module nodenext --target es2022".split()
NODE = Path(sysconfig.get_path("scripts")) / "node"
LIMIT_S = 60


class CustomKinds:
    """A folder with the packages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        npm_install(folder, *PACKAGES)
        (folder / "package.json").write_text('{"type": "module"}')

    def complaints(self, objects: list[dict[str, Any]]) -> str:
        """Return the compiler's errors about unknown fields or, if there are none, those of the schemas."""
        (self._folder / "check.ts").write_text("\n".join(_program(objects)))
        return self._run(COMPILER, *OPTIONS, "check.ts") or self._run("check.ts")

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [NODE, *arguments],
            cwd=self._folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip
        return "" if done.returncode == 0 else f"failed: {done.stdout}{done.stderr}"


def _program(objects: list[dict[str, Any]]) -> list[str]:
    imports = [f'import {{ {kind}, type I{kind} }} from "{module}";' for kind, module in MODULES.items()]
    checks = []
    for number, item in enumerate(objects):
        kind = item["kind"]
        checks += [f"const o{number}: I{kind} = {json.dumps(item)};", f"new {kind}(o{number}).validate();"]
    return imports + checks
