"""The layers of inkwell/: one table of who may import whom and which libraries, and what breaks it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE_ROOT = ROOT / "service"
PACKAGE = SOURCE_ROOT / "inkwell"

# What few need and everybody would wait for: accelerate and opentelemetry take a quarter of a second each.
IMPORTED_LATE = {("engine.loading", "inkwell.engine.model.placement"), ("tracing", "inkwell.observability.otlp")}

# A layer is a module or a package of inkwell/; it may import itself and what stands beside it here, and nothing else
# of inkwell/. The longest name that fits a module is its layer.
MAY_IMPORT: dict[str, set[str]] = {
    "wsgi": {"app", "logs", "settings", "tracing"},
    "dev": {"app", "errors", "logs", "settings", "tracing"},
    "__main__": {"admission", "apache", "errors", "keys", "logs", "settings"},
    "apache": {"catalog", "errors", "logs", "refusals", "settings"},
    "app": {
        "__init__",
        "admission",
        "api",
        "chat",
        "engine.contract",
        "gauges",
        "generation",
        "keys",
        "metrics",
        "pace",
        "preload",
        "quota",
        "refusals",
        "registry",
        "settings",
        "tracing",
    },
    "api": {
        "admission",
        "catalog",
        "chat",
        "errors",
        "generation",
        "keys",
        "metrics",
        "params",
        "preload",
        "refusals",
        "registry",
        "summary",
        "tracing",
    },
    "gauges": {"admission", "memory", "pace", "registry"},
    "preload": {"errors", "registry"},
    "generation": {
        "admission",
        "engine.contract",
        "errors",
        "keys",
        "once",
        "pace",
        "params",
        "quota",
        "registry",
        "summary",
        "tokenizer",
        "worker.stream",
    },
    "registry": {
        "catalog",
        "engine.contract",
        "errors",
        "metrics",
        "model_config",
        "once",
        "tokenizer",
        "worker.client",
    },
    "worker.client": {"engine.contract", "errors", "memory", "worker.messages", "worker.stream"},
    "worker.stream": {"engine.contract", "errors", "once"},
    "worker.messages": {"engine.contract"},
    "worker.__main__": {"engine", "errors", "worker.messages"},
    "worker.__init__": set(),
    "engine": {"cgroups", "engine.contract", "errors", "model_config"},
    "engine.contract": set(),
    "params": {"chat", "errors"},
    "metrics": {"engine.contract", "summary"},
    "tracing": {"__init__", "otlp", "settings_otel", "summary"},
    "otlp": {"settings_otel", "summary"},
    "summary": set(),
    "memory": {"cgroups"},
    "cgroups": set(),
    "admission": {"errors", "once", "pace"},
    "keys": {"errors"},
    "pace": {"once"},
    "quota": {"errors", "keys"},
    "once": set(),
    "refusals": {"params"},
    "tokenizer": {"errors"},
    "model_config": {"errors"},
    "settings": {"chat", "errors", "settings_otel", "settings_values"},
    "settings_otel": {"errors"},
    "settings_values": set(),
    "chat": set(),
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
    "limits": {"quota"},
    "mod_wsgi": {"wsgi"},
    "opentelemetry": {"otlp"},
    "prometheus_client": {"gauges", "metrics"},
    "pythonjsonlogger": {"logs"},
    "safetensors": {"engine"},
    "tokenizers": {"tokenizer"},
    "torch": {"engine"},
}
ENVIRONMENT = {"settings"}  # who may read os.environ
DYNAMIC = ("__import__", "import_module")


def layer_of(module: str) -> str | None:
    """The layer of a module, named without `inkwell.` and, for a package, with `.__init__`."""
    names = [name for name in MAY_IMPORT if module == name or module.startswith(f"{name}.")]
    return max(names, key=len, default=None)


def violations(module: str, source: str) -> list[str]:
    """What a file of inkwell/ does that it may not."""
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
    path = SOURCE_ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def allowed(layer: str, name: str) -> bool:
    package, _, rest = name.partition(".")
    if package != "inkwell":
        return package in sys.stdlib_module_names or layer in LIBRARIES.get(package, ())
    target = layer_of(rest or "__init__")
    return target == layer or target in MAY_IMPORT[layer]


def modules() -> dict[str, str]:
    """Every module of inkwell/ with its source."""
    root = PACKAGE
    return {".".join(path.relative_to(root).with_suffix("").parts): path.read_text() for path in root.rglob("*.py")}
