"""schemathesis: sends valid and invalid requests generated from the specification, and validates every reply."""

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
    """The result of a run: its report, and its human-readable output."""

    account: dict[str, Any]
    output: str

    @property
    def clean(self) -> bool:
        return not (self.account["failures"] or self.account["errors"])

    @property
    def operations(self) -> int:
        """The number of operations that were tested."""
        return self.account["operations"]["tested"]


def check_contract(environment: Environment, url: str, folder: Path, *options: str) -> ContractReport:
    """Test the service at `url`; the report is written into `folder`."""
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
