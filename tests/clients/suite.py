"""A test suite of one client, in its own language and environment, and the result of each case.

Python suites are run by pytest and JavaScript suites by Node's own test runner. Both write the same kind of report.
"""

import ast
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.clients.environment import Environment

SUITES = Path(__file__).resolve().parent / "suites"
SUITE_LIMIT_S = 240
JAVASCRIPT_CASE = re.compile(r'^test\("([^"]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Suite:
    """A file of cases, and the name of its environment."""

    path: Path
    environment: str

    @property
    def name(self) -> str:
        return self.path.stem

    def cases(self) -> list[str]:
        """The names of its cases, read without running or importing anything."""
        source = self.path.read_text()
        if self.path.suffix == ".mjs":
            return JAVASCRIPT_CASE.findall(source)
        functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
        return [function.name for function in functions if function.name.startswith("test_")]

    def run(self, environment: Environment, variables: dict[str, str], report: Path) -> dict[str, str]:
        """Run all cases; return the failure of each case, empty if it passed."""
        done = subprocess.run(
            self._command(environment, report), cwd=report.parent, env=environment.variables() | variables, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SUITE_LIMIT_S,
        )  # fmt: skip
        assert report.exists(), f"{self.name} ended with {done.returncode} and without a report\n{done.stdout}"
        return {case.attrib["name"]: _failure(case) for case in ElementTree.parse(report).iter("testcase")}

    def _command(self, environment: Environment, report: Path) -> list[str]:
        if self.path.suffix == ".mjs":
            # Node only looks for packages in the folder of the importing file and in those above it.
            files = [shutil.copy(path, environment.folder) for path in SUITES.glob("*.mjs")]
            file = next(file for file in files if Path(file).name == self.path.name)
            options = ["--test", "--test-reporter=junit", f"--test-reporter-destination={report}"]
            return [str(environment.program("node")), *options, str(file)]
        options = ["-c", str(SUITES / "pytest.ini"), "--junit-xml", str(report), "-p", "no:cacheprovider"]
        return [str(environment.program("python")), "-B", "-m", "pytest", *options, str(self.path)]


def _failure(case: ElementTree.Element) -> str:
    faults = [element for kind in ("failure", "error", "skipped") for element in case.iter(kind)]
    return "\n".join(f"{fault.tag}: {fault.attrib.get('message', '')}\n{fault.text or ''}" for fault in faults)


ALL_SUITES = (
    Suite(SUITES / "openai_old.py", "openai_old"),
    Suite(SUITES / "openai_completions.py", "openai_current"),
    Suite(SUITES / "openai_chat.py", "openai_current"),
    Suite(SUITES / "openai_faults.py", "openai_current"),
    Suite(SUITES / "openai_node.mjs", "openai_node"),
    Suite(SUITES / "huggingface_client.py", "huggingface"),
    Suite(SUITES / "langchain_client.py", "langchain"),
)
