"""Writes the generated parts of README.md: tables of endpoints, parameters, settings and errors, and the file tree.

Each part stands between two marker comments and comes from where the fact is written once: the spec, `params.py`,
`settings.py`, `errors.py`, and the first sentence of every file. `--check` writes nothing and fails on a difference.
"""

import argparse
import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # started as a file, Python would only find its own folder

from service.api.problems import classify  # noqa: E402
from service.app import create_app  # noqa: E402
from service.errors import SettingsError, error_kinds  # noqa: E402
from service.params import PARAMETERS, Parameter  # noqa: E402
from service.refusals import REFUSALS  # noqa: E402
from service.settings import Settings, settings_table  # noqa: E402

README = ROOT / "README.md"
# Folders that the tree shows as one line; what lies in them explains itself or changes with every test.
SUMMARISED = {
    ".ci": "What continuous integration runs",
    "docker": "The image, what it is built with, and a compose file with Prometheus and Grafana",
    "docs/decisions": "Why things are as they are, one page each",
    "helm": "The Helm chart; its README lists every value",
    "k8s": "The same as plain manifests, rendered from the chart",
    "models/demo": "The checkpoint that ships, with its model card",
    "tests": "Mirrors service/ and scripts/, plus deploy/ (Apache), clients/ (their clients), browser/, helm/",
}
PACKAGE = re.compile(r"(service|scripts)/[^/]+(?=/)")
# Files that have no docstring or heading to take a line from.
LINES = {
    ".gitignore": "What git does not track",
    "CHANGELOG.md": "What users notice, by version",
    "CONTRIBUTING.md": "How to change it",
    "LICENSE": "MIT",
    "Procfile": "How hosts like Heroku start the service in its image",
    "README.md": "This page",
    "docs/architecture.md": "One page: the life of a request",
    "docs/lab-notes.md": "What was measured, and what failed",
    "models/README.md": "Where models come from, and what a folder holds",
    "pyproject.toml": "Settings of ruff and pytest",
    "requirements.txt": "What the service needs, pinned",
    "requirements-dev.txt": "What the tests need on top, pinned",
}
LINE_CHARACTERS = 120  # a longer first sentence is cut at its colon


def main() -> int:
    """Rewrite the README, or with --check say whether it would change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the README is out of date")
    check = parser.parse_args().check
    old = README.read_text()
    new = rendered(old)
    if check:
        return int(new != old)
    README.write_text(new)
    return 0


def rendered(text: str) -> str:
    """`text` with every generated part made anew."""
    for name, make in PARTS.items():
        marker = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        assert marker.search(text), f"the README has no part {name}"
        body = make()
        text = marker.sub(lambda found, body=body: f"{found[1]}{body}\n{found[2]}", text)
    return text


def endpoints() -> str:
    """Method, path and summary of every documented endpoint."""
    app = create_app(Settings.from_environ({}))
    paths = app.test_client().get("/apispec_1.json").json["paths"]
    rows = [
        (f"`{verb.upper()} {path}`", operation["summary"])
        for path, operations in sorted(paths.items())
        for verb, operation in sorted(operations.items())
    ]
    rows += [("`GET /apidocs/`", "Swagger UI; the spec is at `/apispec_1.json`")]
    return _table(("endpoint", "what it does"), rows)


def parameters() -> str:
    """Every parameter of a generation request."""
    rows = [
        (f"`{row.name}`", row.kind, "required" if row.required else _shown(row), row.range, row.help)
        for row in PARAMETERS
    ]
    return _table(("name", "type", "default", "range", "meaning"), rows)


def settings() -> str:
    """Every environment variable."""
    rows = [
        (f"`{name}`", kind, f"`{default}`" if default else "", help_) for name, kind, default, help_ in settings_table()
    ]
    return _table(("variable", "type", "default", "meaning"), rows)


def errors() -> str:
    """Every error code that a client can see, by status."""
    kinds = [kind for kind in error_kinds() if kind is not SettingsError]
    rows = [(str(classify(kind(""))[0]), f"`{kind.code}`", inspect.getdoc(kind) or "") for kind in kinds]
    rows += [
        (str(refusal.status), f"`{refusal.code}`", refusal.message[0].upper() + refusal.message[1:] + ".")
        for refusal in REFUSALS
    ]
    return _table(("status", "code", "when"), sorted(rows))


def tree() -> str:
    """Every folder and every file that lies in none of them, with one line of what it is."""
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    shown = {_folder_line(name) or name for name in files}
    width = max(map(len, shown)) + 2
    return "```\n" + "\n".join(f"{name:<{width}}{_line(name)}" for name in sorted(shown)) + "\n```"


def _folder_line(name: str) -> str | None:
    """A folder that is one line: a named one, or a package below service/ or scripts/."""
    named = next((folder for folder in SUMMARISED if name.startswith(f"{folder}/")), None)
    package = PACKAGE.match(name)
    return f"{named or package[0]}/" if named or package else None


def _line(name: str) -> str:
    if not name.endswith("/"):
        return LINES.get(name) or _first_sentence(ROOT / name)
    return SUMMARISED.get(name[:-1]) or _first_sentence(ROOT / name / "__init__.py")


def _first_sentence(file: Path) -> str:
    """Of a Python file's docstring, or the heading of a page, or the first comment of anything else."""
    text = file.read_text()
    if file.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
        assert text, f"{file.relative_to(ROOT)} has no docstring"
    else:
        text = next(line for line in text.splitlines() if line.startswith("#") and not line.startswith("#!"))
    sentence = re.split(r"[.;](?:\s|$)", " ".join(text.lstrip("# ").split("\n\n")[0].split()))[0]
    return sentence if len(sentence) <= LINE_CHARACTERS else sentence.split(": ")[0]


def _shown(row: Parameter) -> str:
    """A default as it would be written in JSON."""
    if row.default is None:
        return "see meaning"
    empty = {"array": "[]", "object": "{}"}.get(row.kind)
    return f"`{empty or json.dumps(row.default)}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


PARTS: dict[str, Callable[[], str]] = {
    "endpoints": endpoints,
    "parameters": parameters,
    "settings": settings,
    "errors": errors,
    "tree": tree,
}

if __name__ == "__main__":
    sys.exit(main())
