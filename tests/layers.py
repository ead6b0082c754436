"""The layers of inkwell/: one table of the imports that each component may have, and a check for violations."""

import ast
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE_ROOT = ROOT / "service"
PACKAGE = SOURCE_ROOT / "inkwell"

# Optional libraries that take a quarter of a second each to import.
IMPORTED_LATE = {
    ("engine.loading", "inkwell.engine.model.placement"),
    ("observability.tracing", "inkwell.observability.otlp"),
}

# A component is a module or a package of inkwell/, the longest name that fits. It may import itself, the components
# beside it here and the library modules of LIBRARIES, and nothing else of inkwell/. Layer by layer from the top: a
# component imports only from layers below its own.
LAYERS: tuple[dict[str, set[str]], ...] = (
    {
        "wsgi": {"app", "observability", "settings"},
        "dev": {"app", "errors", "observability", "settings"},
        "__main__": {"access", "apache", "errors", "observability", "settings"},
    },
    {
        "app": {
            "__init__", "access", "dialects", "engine.contract", "generation", "http", "models", "observability",
            "parameters", "settings",
        },
        "apache": {"checkpoints", "errors", "observability", "parameters", "settings"},
    },
    {
        "dialects": {
            "checkpoints", "errors", "generation", "http", "models", "parameters", "parameters.lists",
            "parameters.parameter", "parameters.sampling",
        }
    },
    {"http": {"access", "errors", "generation", "models", "observability", "parameters", "system"}},
    {
        "generation": {
            "access", "checkpoints", "engine.contract", "errors", "models", "observability", "parameters",
            "parameters.sampling", "worker.stream",
        }
    },
    {
        "models": {
            "checkpoints", "checkpoints.model_config", "engine.contract", "errors", "observability", "worker.client",
        },
    },
    {
        "worker.client": {"engine.contract", "errors", "observability", "system", "worker.messages", "worker.stream"},
        "worker.__main__": {"engine.engine", "engine.loading", "errors", "observability", "worker.messages"},
    },
    {
        "worker.messages": {"engine.contract"},
        "worker.stream": {"engine.contract", "errors"},
        "worker.__init__": set(),
        "engine.loading": {
            "checkpoints.model_config", "engine.checkpoint", "engine.contract", "engine.engine", "engine.model",
            "engine.native", "engine.runner", "engine.scheduler", "engine.speculation",
            "engine.speculation.draft_model", "engine.step_costs", "errors", "parameters.sampling", "system",
        },
    },
    {
        "engine.engine": {
            "engine.contract", "engine.runner", "engine.sampling", "engine.scheduler", "engine.speculation",
            "engine.step_costs", "errors",
        },
    },
    {
        "engine.runner": {"engine.contract", "engine.model", "engine.sampling", "engine.scheduler", "errors"},
        "engine.speculation.draft_model": {
            "engine.model", "engine.sampling", "engine.sequence", "engine.slots", "engine.speculation",
        },
        "engine.checkpoint": {"checkpoints.model_config", "engine.model", "engine.native", "errors"},
    },
    {
        "engine.sampling": {"engine.contract", "engine.scheduler", "errors", "parameters.sampling"},
        "engine.speculation": {"engine.scheduler", "engine.sequence", "engine.step_costs"},
    },
    {"engine.scheduler": {"engine.contract", "engine.sequence", "engine.slots", "engine.step_costs"}},
    {"engine.slots": {"engine.contract", "engine.sequence"}},
    {"engine.sequence": {"engine.contract"}, "engine.step_costs": set(), "engine.__init__": set()},
    {"engine.model": {"checkpoints.model_config", "engine.native", "errors"}},
    {"engine.native": set(), "settings": {"errors", "observability", "parameters"}},
    {
        "access": {"errors"},
        "parameters": {"errors", "parameters.lists", "parameters.parameter", "parameters.sampling"},
        "observability": {"__init__", "engine.contract", "errors"},
    },
    {"checkpoints": {"checkpoints.model_config", "errors"}, "engine.contract": {"parameters.sampling"}},
    {"parameters.sampling": {"errors", "parameters.lists", "parameters.parameter"}},
    {"parameters.lists": {"errors", "parameters.parameter"}},
    {"checkpoints.model_config": {"errors"}, "parameters.parameter": {"errors"}, "system": set()},
    {"errors": set(), "__init__": set()},
)  # fmt: skip
MAY_IMPORT = {component: below for layer in LAYERS for component, below in layer.items()}
# Which components may import a library; one that is not named here may be imported nowhere.
LIBRARIES: dict[str, set[str]] = {
    "accelerate": {"engine.model"},
    "flask": {"http", "dialects", "app"},
    "werkzeug": {"http", "dialects", "app"},
    "flasgger": {"http"},
    "flask_swagger_ui": {"http"},
    "limits": {"access"},
    "mod_wsgi": {"wsgi"},
    "opentelemetry": {"observability"},
    "prometheus_client": {"http", "observability"},
    "pythonjsonlogger": {"observability"},
    "safetensors": {"engine.checkpoint"},
    "tokenizers": {"checkpoints"},
    "torch": {
        "engine.checkpoint", "engine.engine", "engine.loading", "engine.model", "engine.native", "engine.runner",
        "engine.sampling", "engine.speculation.draft_model",
    },
}  # fmt: skip
ENVIRONMENT = {"settings"}  # packages that may read os.environ
DYNAMIC = ("__import__", "import_module")
DYNAMIC_ALLOWED = ("app", "import_module(f'inkwell.dialects.{name}')")  # a dialect is one line there
DRAWING_CHARACTERS = 110


def component_of(module: str) -> str | None:
    """The component of a module, named without `inkwell.` and, for a package, with `.__init__`."""
    names = [name for name in MAY_IMPORT if module == name or module.startswith(f"{name}.")]
    return max(names, key=len, default=None)


def violations(module: str, source: str) -> list[str]:
    """The violations of the import rules in a file of inkwell/."""
    component = component_of(module)
    if component is None:
        return [f"{module}: in no component"]
    own = dialect_of(module)
    tree = ast.parse(source)
    at_top = {node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if node not in at_top and (module, getattr(node, "module", None)) not in IMPORTED_LATE:
                found.append(f"{module}: line {node.lineno} imports inside a function or block")
            if isinstance(node, ast.ImportFrom) and node.level:
                found.append(f"{module}: line {node.lineno} imports relatively")
        elif isinstance(node, ast.Call) and imports_by_name(module, node):
            found.append(f"{module}: line {node.lineno} imports by name")
        elif isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"):
            if component not in ENVIRONMENT and getattr(node.value, "id", None) == "os":
                found.append(f"{module}: line {node.lineno} reads the environment")
    names = set(imported(tree))
    if own is not None:
        found += [
            f"{module}: imports the dialect {other}" for other in map(dialect_of, names) if other not in (None, own)
        ]
    return found + [f"{module}: imports {name}" for name in names if not allowed(component, name)]


def imports_by_name(module: str, call: ast.Call) -> bool:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    return name in DYNAMIC and (module, ast.unparse(call)) != DYNAMIC_ALLOWED


def dialect_of(module: str) -> str | None:
    """The dialect of a module, which may be named with or without `inkwell.`."""
    folders = module.removeprefix("inkwell.").split(".")
    return folders[1] if folders[0] == "dialects" and len(folders) > 1 else None


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


def allowed(component: str, name: str) -> bool:
    package, _, rest = name.partition(".")
    if package != "inkwell":
        return package in sys.stdlib_module_names or component in LIBRARIES.get(package, ())
    target = component_of(rest or "__init__")
    return target == component or target in MAY_IMPORT[component]


def modules() -> dict[str, str]:
    """Every module of inkwell/ with its source."""
    root = PACKAGE
    return {".".join(path.relative_to(root).with_suffix("").parts): path.read_text() for path in root.rglob("*.py")}


def drawing() -> str:
    """The layers as text, top first: each component, its libraries in brackets, and what it may import."""
    layers = ("\n".join(_component_lines(component) for component in sorted(layer)) for layer in LAYERS)
    return f"\n{'-' * DRAWING_CHARACTERS}\n".join(layers)


def _component_lines(component: str) -> str:
    libraries = sorted(library for library, components in LIBRARIES.items() if component in components)
    words = [f"[{', '.join(libraries)}]"] * bool(libraries) + [", ".join(sorted(MAY_IMPORT[component])) or "nothing"]
    margin = max(map(len, MAY_IMPORT)) + 2
    return textwrap.fill(
        f"{component:<{margin}}" + " ".join(words),
        DRAWING_CHARACTERS,
        subsequent_indent=" " * margin,
        break_on_hyphens=False,
    )
