"""Parses the command line of scripts/bench.py into a frozen value; ends with a one-line message if it is invalid."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.machine import computes_bfloat16
from scripts.benchmark.workloads import NAMES
from scripts.make_random_model import SHAPES

PROJECT_ROOT = Path(__file__).resolve().parents[2]
COPIES = Path("/var/lib/inkwell")
DTYPES = ("float32", "bfloat16", "float16", "int8", "int4")
TARGETS = ("inkwell", "inkwell-http", "generate", "batching")  # targets that need no further options
PEERS = ("generate", "batching")
BASELINES = tuple(f"{peer}:{dtype}" for peer in PEERS for dtype in ("bfloat16", "float32"))
REPEATS = {"w1": 5, "w2": 5, "w3": 3, "poisson": 3, "stall": 3}
# Models with random weights repeat themselves, so that nearly all drafts would be accepted, which is not realistic.
NO_SPECULATION = "speculation=off"


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and where to write the results."""

    shape: str
    model: Path | None
    root: Path
    out: Path
    targets: tuple[tuple[str, str], ...]  # (name, dtype)
    workloads: tuple[str, ...]
    clients: tuple[int, ...]
    rate_per_s: float
    repeats: dict[str, int]
    time_limit_s: float
    rows: int
    threads: int
    baselines: tuple[str, ...]
    url: str
    url_name: str
    pid: int
    openvino: str
    engine: dict[str, str]
    settings: dict[str, str]
    quick: bool
    plots: bool


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        return _options(given)
    except ValueError as error:
        parser.error(str(error))


def _options(given: argparse.Namespace) -> Options:
    quick = given.quick
    repeats = {name: given.repeats or (2 if quick else count) for name, count in REPEATS.items()}
    return Options(
        shape=given.shape or ("tiny" if quick else "124M"),
        model=given.model,
        root=given.root,
        out=given.out or given.root / "results",
        targets=_targets(given),
        workloads=_names(given.workloads, NAMES, "workload"),
        clients=tuple(int(count) for count in given.clients.split(",")) if given.clients else (4,) if quick else (16,),
        rate_per_s=given.rate,
        repeats=repeats,
        time_limit_s=given.time_limit_s,
        rows=given.rows,
        threads=given.threads,
        baselines=tuple(given.baseline or BASELINES),
        url=given.url,
        url_name=given.url_name,
        pid=given.pid,
        openvino=given.openvino,
        engine=_pairs([NO_SPECULATION, *given.engine]),
        settings=_pairs(given.setting),
        quick=quick,
        plots=not given.no_plots,
    )


def _targets(given: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    """Return targets with number formats; a name without one gets all formats of `--dtype` or `--peer-dtype`."""
    found: list[tuple[str, str]] = []
    for name in given.targets.split(",") if given.targets else []:
        name, _, dtype = name.partition(":")
        _names(name, TARGETS, "target")
        formats = dtype or (given.peer_dtype or _peer_dtypes() if name in PEERS else given.dtype)
        found += [(name, one) for one in _names(formats, DTYPES, "number format")]
    if given.openvino:
        found += [("openvino", one) for one in _names(given.openvino_dtype, DTYPES, "number format")]
    if given.url:
        found.append(("url", given.url_dtype))
    if not found:
        raise ValueError("no targets to measure")
    return tuple(dict.fromkeys(found))


def _peer_dtypes() -> str:
    """Both formats if the processor computes in bfloat16; otherwise torch needs a second per bfloat16 token."""
    return "bfloat16,float32" if computes_bfloat16() else "float32"


def _names(text: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"{unknown[0]!r} is not a known {what}; known are {', '.join(known)}")
    return names


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    if wrong := [text for text in texts if "=" not in text]:
        raise ValueError(f"{wrong[0]!r} is not NAME=VALUE")
    return dict(text.split("=", 1) for text in texts)


def _default_root() -> Path:
    """A folder that Apache's account can read: next to root's environment, otherwise in the checkout."""
    beside = Path(sys.prefix).parent
    return beside / "bench" if beside.parent == COPIES else PROJECT_ROOT / ".bench"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure Inkwell and its peers side by side on this machine.")
    add = parser.add_argument
    add("--shape", choices=SHAPES, help="model shape for random weights (124M)")
    add("--model", type=Path, help="checkpoint folder to use instead of random weights")
    add(
        "--targets",
        default=",".join(TARGETS),
        help="targets as name or name:format, comma-separated; empty for none (%(default)s)",
    )
    add("--dtype", default="bfloat16", help="number formats of Inkwell (%(default)s)")
    add("--peer-dtype", help="number formats of transformers (float32, and bfloat16 if the processor supports it)")
    add("--workloads", default="w1,w2,w3", help=f"workloads to run, of {', '.join(NAMES)} (%(default)s)")
    add("--clients", help="numbers of concurrent clients, comma-separated; one W3 for each (16)")
    add("--rate", type=float, default=1.0, help="requests per second of the poisson workload (%(default)s)")
    add("--repeats", type=int, default=0, help="repeats of every workload (5 of w1 and w2, 3 of others)")
    add(
        "--time-limit-s",
        type=float,
        default=900.0,
        help="time limit for starting further repeats (%(default)s)",
    )
    add("--rows", type=int, default=16, help="maximum batch size of every target (%(default)s)")
    add("--threads", type=int, default=0, help="CPU threads of every target (the target's own default)")
    add("--baseline", action="append", help="target to compute ratios to; may be repeated (all of transformers)")
    add("--url", default="", help="base URL of a running server with the OpenAI API, as an additional target")
    add("--url-name", default="url", help="name of that server in the tables, for example llama.cpp (%(default)s)")
    add("--url-dtype", default="bfloat16", choices=DTYPES, help="number format of that server's weights (%(default)s)")
    add("--pid", type=int, default=0, help="process id of that server, to measure its memory")
    add("--openvino", default="", metavar="PYTHON", help="Python of an environment with OpenVINO; adds its targets")
    add("--openvino-dtype", default="bfloat16,int8,int4", help="number formats of OpenVINO (%(default)s)")
    add("--engine", action="append", default=[], metavar="NAME=VALUE", help=f"engine option, besides {NO_SPECULATION}")
    add("--setting", action="append", default=[], metavar="NAME=VALUE", help="service setting, without INKWELL_")
    add("--root", type=Path, default=_default_root(), help="folder for checkpoints and results (%(default)s)")
    add("--out", type=Path, help="folder for results (results in the root)")
    add("--quick", action="store_true", help="small workloads, for a trial run")
    add("--no-plots", action="store_true", help="write no plots")
    return parser
