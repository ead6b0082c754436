"""Who may import whom, as a test: every import of every file in inkwell/ is held against the table in layers.py."""

import ast
import subprocess
import sys

import pytest

from tests.layers import MAY_IMPORT, SOURCE_ROOT, imported, is_module, layer_of, modules, violations


def test_the_service_keeps_to_the_table():
    assert [line for module, source in sorted(modules().items()) for line in violations(module, source)] == []


def test_the_table_has_no_row_that_nobody_needs():
    assert {layer_of(module) for module in modules()} == set(MAY_IMPORT)


def test_no_module_imports_itself_in_a_circle():
    graph = {
        f"inkwell.{module}".removesuffix(".__init__"): {name for name in imported(ast.parse(source)) if is_module(name)}
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
        ("params.table", "import flask"),
        ("params.request", "from inkwell.generation import Generator"),
        ("registry.registry", "from flask import Flask"),
        ("generation.generator", "import werkzeug.exceptions"),
        ("generation.stops", "import torch"),
        ("generation.choice", "from inkwell.http.replies import facts"),
        ("generation.choice", "from inkwell.worker.messages import Step"),
        ("keys", "import flask"),
        ("quota", "from inkwell.settings.settings import Settings"),
        ("pace", "from inkwell.access.keys import Client"),
        ("api.auth", "import limits"),
        ("api.generate", "import torch"),
        ("api.generate", "import inkwell.engine.engine"),
        ("api.generate", "from inkwell.engine.contract import Sampling"),
        ("api.generate", "from inkwell.settings.settings import Settings"),
        ("api.generate", "from inkwell import settings"),
        ("app", "import torch.nn"),
        ("app", "def f():\n    import torch"),
        ("app", "from .api import docs"),
        ("app", "import importlib\nimportlib.import_module('torch')"),
        ("app", "import os\nprint(os.environ)"),
        ("app", "import os\nos.getenv('X')"),
        ("app", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from inkwell.engine.engine import Engine"),
        ("registry.model", "from inkwell.worker import messages"),
        ("registry.model", "from inkwell.generation import Generator"),
        ("worker.client", "from inkwell.engine.loading import load_model"),
        ("worker.client", "from inkwell.models.model_store import Model"),
        ("worker.__main__", "from inkwell.worker.client import Worker"),
        ("engine.engine", "from inkwell.worker.messages import Step"),
        ("engine.engine", "from inkwell.checkpoints.tokenizer import load_tokenizer"),
        ("engine.contract", "import torch"),
        ("engine.contract", "from inkwell.errors import InkwellError"),
        ("engine.loading", "import transformers"),
        ("errors", "from inkwell.settings.settings import Settings"),
        ("settings", "from inkwell.checkpoints.catalog import scan"),
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
            "import torch\nfrom inkwell.engine.contract import Job\nfrom inkwell.errors import EngineFailed",
        ),
        ("api.generate", "from flask import request\nfrom inkwell.http import sse"),
        ("settings", "import os\nprint(os.environ)"),
        ("app", "from inkwell import __version__"),
        ("generation.generation", "import logging\nfrom inkwell.worker.stream import TokenStream"),
        ("quota", "import limits\nfrom inkwell.access.keys import Client"),
    ],
)
def test_the_table_lets_the_permitted_pass(module: str, source: str):
    assert violations(module, source) == []


def test_the_web_tier_loads_neither_torch_nor_transformers():
    program = "import sys, inkwell.app, inkwell.observability.logs; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=SOURCE_ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"opentelemetry", "torch", "transformers", "numpy", "safetensors", "accelerate", "huggingface_hub"}
    assert not heavy & set(loaded.stdout.split())
