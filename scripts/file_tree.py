"""The tree of the project's files, each with a one-line description from its docstring, heading or first comment.

`service/inkwell` is listed file by file; other packages, and folders with self-explanatory files, take one line each.
"""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "service/inkwell/"
# Folders shown as one line, because their content is listed elsewhere or changes with every test.
SUMMARISED = {
    ".ci": "What continuous integration runs",
    "docker": "The image, what it is built with, and a compose file with Prometheus and Grafana",
    "docs/decisions": "Design decisions with their reasons, one page each",
    "docs/images": "Pictures of the pages",
    "helm": "The Helm chart; its README lists every value",
    "k8s": "The same as plain manifests, rendered from the chart",
    "models/demo": "The checkpoint that ships, with its model card",
    "service/inkwell/http/static": "The script of the Swagger page",
    "service/inkwell/http/templates": "The Swagger page",
    "tests": "Mirrors service/inkwell/ and scripts/, plus deploy/ (Apache), clients/, browser/ and helm/",
}
# Files without a docstring, heading or comment that describes them.
LINES = {
    ".gitignore": "What git does not track",
    "CHANGELOG.md": "User-visible changes, by version",
    "CONTRIBUTING.md": "How to change the code",
    "LICENSE": "MIT",
    "Procfile": "How hosts like Heroku start the service in its image",
    "README.md": "What the service is and how to start it",
    "docs/architecture.md": "How the code is divided, and the life of a request",
    "docs/lab-notes.md": "What was measured, and what failed",
    "models/README.md": "Where models come from, and what a model folder contains",
    "pyproject.toml": "Settings of ruff, mypy and pytest",
    "requirements.txt": "What the service needs, pinned",
    "requirements-dev.txt": "What the tests need in addition, pinned",
}
SCRIPTS_PACKAGE = re.compile(r"scripts/[^/]+/")
MAX_LINE_CHARACTERS = 120  # a longer first sentence is cut at its colon


def tree() -> str:
    """All tracked files, or the folders shown in their place, with their lines."""
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    entries = {entry for name in files if (ROOT / name).exists() for entry in _entries(name)}
    rows = [(_label(entry), _line(entry)) for entry in sorted(entries, key=_order)]
    width = max(len(label) for label, _ in rows) + 2
    return "```\n" + "\n".join(f"{label:<{width}}{line}" for label, line in rows) + "\n```"


def _entries(name: str) -> list[str]:
    """The lines that a file adds: its own or its folder's; below `service/inkwell` also those of its parent folders."""
    summarised = next((f"{folder}/" for folder in SUMMARISED if name.startswith(f"{folder}/")), None)
    if name.startswith(SOURCE):
        folders = [f"{folder}/" for folder in Path(name).parents if str(folder).startswith(SOURCE.rstrip("/"))]
        hidden = summarised or name.endswith("/__init__.py")
        return folders if hidden else [name, *folders]
    package = SCRIPTS_PACKAGE.match(name)
    return [summarised or (package[0] if package else name)]


def _order(entry: str) -> tuple[tuple[bool, str], ...]:
    """Files of a package before its folders, so that every line below a folder belongs to it."""
    if not entry.startswith(SOURCE):
        return ((False, entry),)
    parts = entry.removeprefix(SOURCE).split("/")
    return ((False, SOURCE), *((bool(depth < len(parts) - 1), part) for depth, part in enumerate(parts)))


def _label(entry: str) -> str:
    """The full path, or below `service/inkwell` its last part, indented."""
    if not entry.startswith(SOURCE) or entry == SOURCE:
        return entry
    path = entry.removeprefix(SOURCE)
    depth = path.rstrip("/").count("/") + 1
    return "  " * depth + path.rstrip("/").rpartition("/")[2] + "/" * path.endswith("/")


def _line(entry: str) -> str:
    if not entry.endswith("/"):
        return LINES.get(entry) or first_sentence(ROOT / entry)
    return SUMMARISED.get(entry[:-1]) or first_sentence(ROOT / entry / "__init__.py")


def first_sentence(file: Path) -> str:
    """The first sentence of a Python docstring, a page's heading, or the first comment of any other file."""
    text = file.read_text()
    if file.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
        assert text, f"{file.relative_to(ROOT)} has no docstring"
    else:
        text = _first_comment(text, "//" if file.suffix in (".cpp", ".hpp") else "#")
    sentence = re.split(r"[.;](?:\s|$)", " ".join(text.split("\n\n")[0].split()))[0]
    return sentence if len(sentence) <= MAX_LINE_CHARACTERS else sentence.split(": ")[0]


def _first_comment(text: str, mark: str) -> str:
    """The lines of the first comment, up to an empty line or code; for a page, the line of its heading."""
    lines = [line for line in text.splitlines() if not line.startswith("#!")]
    start = next(at for at, line in enumerate(lines) if line.startswith(mark))
    comment = []
    for line in lines[start:]:
        words = line.removeprefix(mark).lstrip(mark[0]).strip()
        if not line.startswith(mark) or not words:
            break
        comment.append(words)
    return " ".join(comment)
