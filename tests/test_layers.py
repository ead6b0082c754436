"""Who may import whom, as a test: every import of every file in service/ is held against one table."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What few need and everybody would wait for: accelerate takes a quarter of a second, and only spread models use it.
IMPORTED_LATE = {("engine.loading", "service.engine.placement")}

# A layer is a module or a package of service/; it may import itself and what stands beside it here, and nothing else
# of service/. The longest name that fits a module is its layer.
MAY_IMPORT: dict[str, set[str]] = {
    "wsgi": {"app", "logs", "settings"},
    "dev": {"app", "errors", "logs", "settings"},
    "__main__": {"admission", "apache", "errors", "settings"},
    "apache": {"catalog", "errors", "refusals", "settings"},
    "app": {
        "__init__",
        "admission",
        "api",
        "engine.contract",
        "generation",
        "preload",
        "refusals",
        "registry",
        "settings",
    },
    "api": {"admission", "catalog", "errors", "generation", "params", "preload", "refusals", "registry"},
    "preload": {"errors", "registry"},
    "generation": {
        "admission",
        "engine.contract",
        "errors",
        "once",
        "params",
        "registry",
        "tokenizer",
        "worker.stream",
    },
    "registry": {"catalog", "engine.contract", "errors", "model_config", "once", "tokenizer", "worker.client"},
    "worker.client": {"engine.contract", "errors", "worker.messages", "worker.stream"},
    "worker.stream": {"engine.contract", "errors", "once"},
    "worker.messages": {"engine.contract"},
    "worker.__main__": {"engine", "errors", "worker.messages"},
    "worker.__init__": set(),
    "engine": {"engine.contract", "errors", "model_config"},
    "engine.contract": set(),
    "params": {"errors"},
    "admission": {"errors", "once"},
    "once": set(),
    "refusals": {"params"},
    "tokenizer": {"errors"},
    "model_config": {"errors"},
    "settings": {"errors"},
    "errors": set(),
    "catalog": set(),
    "logs": set(),
    "__init__": set(),
}
# Which layers may import a library; one that is not named here may be imported nowhere.
LIBRARIES: dict[str, set[str]] = {
    "accelerate": {"engine"},
    "flask": {"api", "app"},
    "werkzeug": {"api", "app"},
    "flasgger": {"api"},
    "flask_swagger_ui": {"api"},
    "mod_wsgi": {"wsgi"},
    "pythonjsonlogger": {"logs"},
    "safetensors": {"engine"},
    "tokenizers": {"tokenizer"},
    "torch": {"engine"},
}
ENVIRONMENT = {"settings"}  # who may read os.environ
DYNAMIC = ("__import__", "import_module")


def layer_of(module: str) -> str | None:
    """The layer of a module, named without `service.` and, for a package, with `.__init__`."""
    names = [name for name in MAY_IMPORT if module == name or module.startswith(f"{name}.")]
    return max(names, key=len, default=None)


def violations(module: str, source: str) -> list[str]:
    """What a file of service/ does that it may not."""
    layer = layer_of(module)
    if layer is None:
        return [f"{module}: in no layer"]
    tree = ast.parse(source)
    at_top = {node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if node not in at_top and (module, getattr(node, "module", None)) not in IMPORTED_LATE:
                found.append(f"{module}: line {node.lineno} imports inside something")
            if isinstance(node, ast.ImportFrom) and node.level:
                found.append(f"{module}: line {node.lineno} imports relatively")
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in DYNAMIC:
            found.append(f"{module}: line {node.lineno} imports by name")
        elif isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"):
            if layer not in ENVIRONMENT and getattr(node.value, "id", None) == "os":
                found.append(f"{module}: line {node.lineno} reads the environment")
    return found + [f"{module}: imports {name}" for name in imported(tree) if not allowed(layer, name)]


def imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names of everything imported; `from a import b` is a.b where that is a module, else a."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield f"{node.module}.{alias.name}" if is_module(f"{node.module}.{alias.name}") else str(node.module)


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def allowed(layer: str, name: str) -> bool:
    package, _, rest = name.partition(".")
    if package != "service":
        return package in sys.stdlib_module_names or layer in LIBRARIES.get(package, ())
    target = layer_of(rest or "__init__")
    return target == layer or target in MAY_IMPORT[layer]


def modules() -> dict[str, str]:
    """Every module of service/ with its source."""
    root = ROOT / "service"
    return {".".join(path.relative_to(root).with_suffix("").parts): path.read_text() for path in root.rglob("*.py")}


def test_the_service_keeps_to_the_table():
    assert [line for module, source in sorted(modules().items()) for line in violations(module, source)] == []


def test_the_table_has_no_row_that_nobody_needs():
    assert {layer_of(module) for module in modules()} == set(MAY_IMPORT)


def test_no_module_imports_itself_in_a_circle():
    graph = {
        f"service.{module}".removesuffix(".__init__"): {name for name in imported(ast.parse(source)) if is_module(name)}
        for module, source in modules().items()
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if module not in done:
            for below in graph.get(module, ()):
                visit(below, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("params", "import flask"),
        ("registry.registry", "from flask import Flask"),
        ("generation", "import werkzeug.exceptions"),
        ("api.generate", "import torch"),
        ("api.generate", "import service.engine.engine"),
        ("api.generate", "from service.engine.contract import Sampling"),
        ("api.generate", "from service.settings import Settings"),
        ("api.generate", "from service import settings"),
        ("app", "import torch.nn"),
        ("app", "def f():\n    import torch"),
        ("app", "from .api import docs"),
        ("app", "import importlib\nimportlib.import_module('torch')"),
        ("app", "import os\nprint(os.environ)"),
        ("app", "import os\nos.getenv('X')"),
        ("app", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from service.engine.engine import Engine"),
        ("registry.model", "from service.worker import messages"),
        ("registry.model", "from service.generation import Generator"),
        ("worker.client", "from service.engine.loading import load_model"),
        ("worker.client", "from service.registry.model import Model"),
        ("worker.__main__", "from service.worker.client import Worker"),
        ("engine.engine", "from service.worker.messages import Step"),
        ("engine.engine", "from service.tokenizer import load_tokenizer"),
        ("engine.contract", "import torch"),
        ("engine.contract", "from service.errors import InkwellError"),
        ("engine.loading", "import transformers"),
        ("errors", "from service.settings import Settings"),
        ("settings", "from service.catalog import scan"),
        ("somewhere_new", ""),
    ],
)
def test_the_table_catches_a_violation(module: str, source: str):
    assert violations(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "engine.engine",
            "import torch\nfrom service.engine.contract import Job\nfrom service.errors import EngineFailed",
        ),
        ("api.generate", "from flask import request\nfrom service.api import sse"),
        ("settings", "import os\nprint(os.environ)"),
        ("app", "from service import __version__"),
        ("generation", "import logging"),
    ],
)
def test_the_table_lets_the_permitted_pass(module: str, source: str):
    assert violations(module, source) == []


def test_the_web_tier_loads_neither_torch_nor_transformers():
    program = "import sys, service.app, service.logs; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "numpy", "safetensors", "accelerate", "huggingface_hub"}
    assert not heavy & set(loaded.stdout.split())
