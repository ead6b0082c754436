"""Writes the generated parts of docs/reference.md (tables) and docs/architecture.md (layers of imports, file tree).

Each part is between two marker comments and is made from the one place that declares the fact: the OpenAPI document,
the tables of parameters and settings, the error tree, the metrics registry, `tests/layers.py`, and the first sentence
of every file. `--check` writes nothing and fails on a difference.
"""

import argparse
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "service")]  # run as a script, Python only searches its folder

from inkwell.app import create_app  # noqa: E402
from inkwell.errors import SettingsError, error_kinds  # noqa: E402
from inkwell.http.error_handlers import classify  # noqa: E402
from inkwell.parameters import MAX_INPUT_BYTES, PARAMETERS, Parameter  # noqa: E402
from inkwell.parameters import refusals as limits_of_http  # noqa: E402
from inkwell.settings.settings import Settings, settings_table  # noqa: E402
from scripts.file_tree import tree  # noqa: E402
from tests.layers import drawing  # noqa: E402

METRIC = re.compile(r"# HELP (\S+) (.*)\n# TYPE \S+ (\S+)")


def main() -> int:
    """Rewrite the pages; with --check, only report whether one would change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    check = parser.parse_args().check
    outdated = [page for page in PAGES if rendered(page) != page.read_text()]
    for page in outdated:
        if check:
            print(f"{page.relative_to(ROOT)} is out of date; run make docs", file=sys.stderr)
        else:
            page.write_text(rendered(page))
    return int(check and bool(outdated))


def rendered(page: Path) -> str:
    """The text of `page` with every generated part regenerated."""
    text = page.read_text()
    for name, make in PAGES[page].items():
        found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
        assert found, f"{page.name} has no part {name}"
        start, end = found.span(1)
        text = f"{text[:start]}{make()}\n{text[end:]}"
    return text


def endpoints() -> str:
    """Method, path and summary of every documented endpoint."""
    paths = json.loads(_page("/apispec_1.json"))["paths"]
    rows = [
        (f"`{verb.upper()} {path}`", operation["summary"])
        for path, operations in sorted(paths.items())
        for verb, operation in sorted(operations.items())
    ]
    rows += [("`GET /apidocs/`", "Swagger UI; the OpenAPI document is at `/apispec_1.json`")]
    return _table(("endpoint", "what it does"), rows)


def parameters() -> str:
    """Every parameter of a generation request."""
    rows = [
        (f"`{row.name}`", row.kind, "required" if row.required else _shown(row), row.range, row.help)
        for row in PARAMETERS
    ]
    return _table(("name", "type", "default", "range", "meaning"), rows)


def limits() -> str:
    """Size limits of a request for all models; the settings add further limits."""
    rows = [
        ("prompt", f"{MAX_INPUT_BYTES:,} bytes of UTF-8", "`invalid_parameter`"),
        ("body", f"{limits_of_http.BODY_BYTES:,} bytes", "`payload_too_large`"),
        ("request line (method, path and query)", f"{limits_of_http.REQUEST_LINE_BYTES:,} bytes", "`uri_too_long`"),
        (
            "headers",
            f"{limits_of_http.HEADERS}, each at most {limits_of_http.HEADER_BYTES:,} bytes",
            "`headers_too_large` or `bad_request`",
        ),
    ]
    return _table(("what", "at most", "error beyond it"), rows)


def settings() -> str:
    """Every environment variable."""
    rows = [
        (f"`{name}`", kind, f"`{default}`" if default else "", help_) for name, kind, default, help_ in settings_table()
    ]
    return _table(("variable", "type", "default", "meaning"), rows)


def errors() -> str:
    """Every error code in responses, by status."""
    kinds = [kind for kind in error_kinds() if kind is not SettingsError]
    rows = [(str(classify(kind(""))[0]), f"`{kind.code}`", inspect.getdoc(kind) or "") for kind in kinds]
    rows += [
        (str(refusal.status), f"`{refusal.code}`", refusal.message[0].upper() + refusal.message[1:] + ".")
        for refusal in limits_of_http.REFUSALS
    ]
    return _table(("status", "code", "when"), sorted(rows))


def metrics() -> str:
    """Every metric, as `/metrics` describes it."""
    rows = [(f"`{name}`", kind, meaning) for name, meaning, kind in METRIC.findall(_page("/metrics"))]
    return _table(("name", "type", "meaning"), rows)


def layers() -> str:
    """Which component of the package may import which."""
    return f"```\n{drawing()}\n```"


def _page(path: str) -> str:
    """The response of a service with default settings at `path`."""
    return create_app(Settings.from_environ({})).test_client().get(path).text


def _shown(row: Parameter) -> str:
    """A default as it would be written in JSON."""
    if row.default is None:
        return "see meaning"
    empty = {"array": "[]", "object": "{}"}.get(row.kind)
    return f"`{empty or json.dumps(row.default)}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


REFERENCE = ROOT / "docs/reference.md"
ARCHITECTURE = ROOT / "docs/architecture.md"
PAGES: dict[Path, dict[str, Callable[[], str]]] = {
    REFERENCE: {
        "endpoints": endpoints,
        "parameters": parameters,
        "limits": limits,
        "errors": errors,
        "settings": settings,
        "metrics": metrics,
    },
    ARCHITECTURE: {"layers": layers, "tree": tree},
}

if __name__ == "__main__":
    sys.exit(main())
