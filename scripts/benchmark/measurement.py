"""Runs a whole benchmark: the same requests for every target, one target after another, and their comparison."""

import sys
import time
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from scripts.benchmark.checkpoint import Checkpoint, linked_checkpoint, random_checkpoint
from scripts.benchmark.comparison import agreement, limits, overheads, ratios
from scripts.benchmark.exchange import Run, TargetSpec
from scripts.benchmark.machine import QUICK_SIZES_MIB, SIZES_MIB, describe_machine, versions
from scripts.benchmark.openvino_export import exported
from scripts.benchmark.options import Options
from scripts.benchmark.prompts import Prompts
from scripts.benchmark.session import run_target
from scripts.benchmark.workloads import FULL, QUICK, Size, Workload, kind_of, workloads

MODULES = {
    "inkwell": "inkwell",
    "inkwell-http": "inkwell_http",
    "generate": "transformers_generate",
    "batching": "transformers_batching",
    "openvino": "openvino",
    "url": "url",
}
FORMAT = 1  # version of the JSON file's format


def measure(options: Options, command: str) -> dict[str, Any]:
    """Measure all targets and return the results as plain values; failed targets have an `error`."""
    checkpoint = _checkpoint(options)
    prompts = Prompts(checkpoint.folder)
    scale = QUICK if options.quick else FULL
    planned = workloads(options.workloads, options.clients, options.rate_per_s, scale)
    runs = tuple(_run(workload, prompts, options) for workload in planned)
    first = prompts.requests("first", [Size(scale.w1[0], 1)])[0]
    run: dict[str, Any] = {
        "format": FORMAT,
        "date": time.strftime("%Y-%m-%d %H:%M:%S%z"),
        "command": command,
        "machine": describe_machine(options.threads, QUICK_SIZES_MIB if options.quick else SIZES_MIB),
        "versions": versions(),
        "model": {"name": checkpoint.name, "parameters": checkpoint.config.parameters},
        "workloads": {workload.name: _definition(workload) for workload in planned},
    }
    run["targets"] = [_target(name, dtype, options, checkpoint, runs, first) for name, dtype in options.targets]
    run["comparison"] = {
        "ratios": ratios(run["targets"], options.baselines),
        "limit of memory, W1": limits(run["targets"], checkpoint.config, run["machine"]),
        "service overhead": overheads(run["targets"]),
        "equal outputs": agreement(run["targets"], prompts),
    }
    return run


def _checkpoint(options: Options) -> Checkpoint:
    if options.model:
        return linked_checkpoint(options.root, options.model)
    return random_checkpoint(options.root, options.shape)


def _run(workload: Workload, prompts: Prompts, options: Options) -> Run:
    count = options.repeats[kind_of(workload.name)]
    return Run(
        workload.name,
        workload.pattern,
        workload.clients,
        prompts.requests(f"{workload.name} warm-up", workload.warm_up),
        tuple(prompts.requests(f"{workload.name} repeat {number}", workload.sizes) for number in range(count)),
    )


def _target(
    name: str, dtype: str, options: Options, checkpoint: Checkpoint, runs: tuple[Run, ...], first: Any
) -> dict[str, Any]:
    label = f"{options.url_name if name == 'url' else name}:{dtype}"
    python, folder = sys.executable, checkpoint.folder
    try:
        if name == "openvino":
            python, folder = options.openvino, exported(checkpoint, dtype, options.openvino)
    except RuntimeError as error:
        return _absent(label, dtype, str(error))
    spec = TargetSpec(
        target=MODULES[name], dtype=dtype, folder=str(folder.resolve()), runs=runs, first=first,
        time_limit_s=options.time_limit_s, rows=options.rows, threads=options.threads, url=options.url,
        pid=options.pid, engine=options.engine, settings=options.settings,
    )  # fmt: skip
    tokens = sum(_tokens(run) for run in runs)
    with tqdm(total=tokens, desc=label, unit=" tok", dynamic_ncols=True) as bar:
        return run_target(label, spec, python, lambda count: bar.update(count))


def _tokens(run: Run) -> int:
    """Return the tokens of all repeats; the streams of the stall workload run twice."""
    requests = [request for repeat in run.repeats for request in repeat]
    twice = [request for request in requests if request.role == "stream"]
    return sum(request.new_tokens for request in requests + twice)


def _absent(label: str, dtype: str, error: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {"facts": {}, "first_token_s": None, "rss_end_mib": None, "rss_peak_mib": None}
    return {"target": label, "dtype": dtype, "error": error, **nothing, "runs": {}}


def _definition(workload: Workload) -> dict[str, Any]:
    return {
        "pattern": workload.pattern,
        "clients": workload.clients,
        "sizes": [asdict(size) for size in workload.sizes],
        "warm_up": [asdict(size) for size in workload.warm_up],
    }
