"""schemathesis: requests made from the published specification, valid and not, and every reply held against it."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.environment import Environment

CONFIG = Path(__file__).resolve().parent / "schemathesis.toml"
HOOKS = CONFIG.parent / "contract_hooks.py"
LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class ContractReport:
    """What came of a run: its own account, and its output for people."""

    account: dict[str, Any]
    output: str

    @property
    def clean(self) -> bool:
        return not (self.account["failures"] or self.account["errors"])

    @property
    def operations(self) -> int:
        """How many of the specification were tried."""
        return self.account["operations"]["tested"]


def check_contract(environment: Environment, url: str, folder: Path, *options: str) -> ContractReport:
    """Try the service at `url`; `folder` keeps the report."""
    report = folder / "report.json"
    command = [str(environment.program("st")), "--no-color", "--config-file", str(CONFIG), "run"]
    variables = environment.variables() | {"SCHEMATHESIS_HOOKS": HOOKS.stem, "PYTHONPATH": str(HOOKS.parent)}
    outputs = ["--report=json", f"--report-json-path={report}", "--generation-database=none"]
    done = subprocess.run(
        [*command, f"{url}/apispec_1.json", *outputs, *options], cwd=folder, env=variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S,
    )  # fmt: skip
    assert report.exists(), done.stdout
    return ContractReport(json.loads(report.read_text()), done.stdout)
