"""Import rules: every import of every file in inkwell/ is checked against the table in layers.py."""

import ast
import subprocess
import sys

import pytest

from tests.layers import LAYERS, MAY_IMPORT, SOURCE_ROOT, component_of, imported, is_module, modules, violations


def test_the_service_keeps_to_the_table():
    assert [line for module, source in sorted(modules().items()) for line in violations(module, source)] == []


def test_the_table_has_no_unused_row():
    assert {component_of(module) for module in modules()} == set(MAY_IMPORT)


def test_every_component_imports_only_from_lower_layers():
    below: set[str] = set()
    for layer in reversed(LAYERS):
        assert {component: imports - below for component, imports in layer.items() if imports - below} == {}
        below |= set(layer)


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
        ("parameters.table", "import flask"),
        ("parameters.request", "from inkwell.generation import Generator"),
        ("models.registry", "from flask import Flask"),
        ("generation.generator", "import werkzeug.exceptions"),
        ("generation.stop_checker", "import torch"),
        ("generation.choice", "from inkwell.http.replies import metadata"),
        ("generation.choice", "from inkwell.worker.messages import Step"),
        ("access.keys", "import flask"),
        ("access.quota", "from inkwell.settings.settings import Settings"),
        ("access.throughput", "from inkwell.models.registry import Registry"),
        ("http.auth", "import limits"),
        ("dialects.native.routes", "import torch"),
        ("dialects.native.routes", "from inkwell.dialects.openai.reply import Reply"),
        ("dialects.native.routes", "from inkwell.dialects import openai"),
        ("http.docs", "from inkwell.dialects.native import openapi"),
        ("dialects.native.routes", "import inkwell.engine.engine"),
        ("dialects.native.routes", "from inkwell.engine.contract import Sampling"),
        ("dialects.native.routes", "from inkwell.settings.settings import Settings"),
        ("dialects.native.routes", "from inkwell import settings"),
        ("app", "import torch.nn"),
        ("app", "def f():\n    import torch"),
        ("app", "from .http import docs"),
        ("app", "import importlib\nimportlib.import_module('torch')"),
        ("app", "from importlib import import_module\nimport_module(f'inkwell.{name}')"),
        ("http.docs", "from importlib import import_module\nimport_module(f'inkwell.dialects.{name}')"),
        ("app", "import os\nprint(os.environ)"),
        ("app", "import os\nos.getenv('X')"),
        ("app", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from inkwell.engine.engine import Engine"),
        ("models.model_store", "from inkwell.worker import messages"),
        ("models.model_store", "from inkwell.generation import Generator"),
        ("worker.client", "from inkwell.engine.loading import load_model"),
        ("worker.client", "from inkwell.models.model_store import Model"),
        ("worker.__main__", "from inkwell.worker.client import Worker"),
        ("engine.engine", "from inkwell.worker.messages import Step"),
        ("engine.engine", "from inkwell.checkpoints.tokenizer import load_tokenizer"),
        ("engine.engine", "from inkwell.engine.loading import load_model"),
        ("engine.scheduler", "import torch"),
        ("engine.scheduler", "from inkwell.engine.runner import Runner"),
        ("engine.sequence", "from inkwell.engine.speculation.ngram import NgramIndex"),
        ("engine.slots", "from inkwell.engine.model.kv_cache import KVCache"),
        ("engine.step_costs", "from inkwell.engine.scheduler import Plan"),
        ("engine.speculation.speculation", "import torch"),
        ("engine.model.decoder", "from inkwell.engine.scheduler import Plan"),
        ("engine.native.library", "from inkwell.engine.model.batch import Segment"),
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
        ("dialects.native.routes", "from flask import request\nfrom inkwell.http import replies"),
        ("settings", "import os\nprint(os.environ)"),
        ("app", "from inkwell import __version__"),
        ("generation.generation", "import logging\nfrom inkwell.worker.stream import TokenStream"),
        ("access.quota", "import limits\nfrom inkwell.access.keys import Client"),
    ],
)
def test_the_table_lets_the_permitted_pass(module: str, source: str):
    assert violations(module, source) == []


def test_the_web_tier_loads_neither_torch_nor_transformers():
    program = "import sys, inkwell.app; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=SOURCE_ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"opentelemetry", "torch", "transformers", "numpy", "safetensors", "accelerate", "huggingface_hub"}
    assert not heavy & set(loaded.stdout.split())
