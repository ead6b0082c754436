"""Maximum sizes of files and functions, and their required docstrings."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES = 250
FUNCTION_LINES = 40
FILES = sorted(path for folder in ("service", "scripts") for path in (ROOT / folder).rglob("*.py"))

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@every_file
def test_a_file_fits_on_a_few_screens(path: Path):
    assert len(path.read_text().splitlines()) <= FILE_LINES


@every_file
def test_a_function_fits_on_one_screen(path: Path):
    lengths = {node.name: node.end_lineno - node.lineno + 1 for node in functions(path)}
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}


@every_file
def test_a_file_begins_with_what_it_does(path: Path):
    assert ast.get_docstring(ast.parse(path.read_text()))


@every_file
def test_every_signature_is_typed(path: Path):
    assert [node.name for node in functions(path) if node.returns is None] == []
    untyped = [
        f"{node.name}({argument.arg})"
        for node in functions(path)
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if argument.annotation is None and argument.arg not in ("self", "cls")
    ]
    assert untyped == []
