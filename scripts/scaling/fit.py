"""Fits a service curve to runs of the benchmark: what W1, W2 and W3 of one target say together.

W1's time between tokens is a step with one row, W2's time to the first token is a prompt in pieces. What a further row
costs is found by simulating W3 until it has the measured speed; W3's times of requests are then left to check it.
Raises ValueError for runs that lack a figure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts.benchmark.workloads import FULL, crowd_sizes
from scripts.scaling.closed import simulated_check
from scripts.scaling.curve import Check, Curve
from scripts.scaling.replica import Limits

PROMPT = FULL.w2_prompt
HALVINGS = 24


def fit_runs(files: Sequence[Path], target: str) -> Curve:
    """The curve of one target, such as inkwell:bfloat16; several runs of one machine and commit count as one."""
    runs = [json.loads(file.read_text()) for file in files]
    found = [(run, result) for run in runs for result in run["targets"] if result["target"] == target]
    if not found:
        raise ValueError(f"no run has the target {target}")
    if len({(run["machine"]["processor"], run["versions"]["inkwell"], run["model"]["name"]) for run, _ in found}) > 1:
        raise ValueError("the runs are of different machines, commits or models")
    figures = {name: values["figures"] for _, result in found for name, values in result["runs"].items()}
    try:
        return _fitted(_frame(*found[0]), figures)
    except KeyError as error:
        raise ValueError(f"the runs of {target} lack {error.args[0]}; w1, w2 and w3 are needed") from None


def _frame(run: Mapping[str, Any], result: Mapping[str, Any]) -> Curve:
    """All but the times; `cores` are the threads that the run was given, or those that torch chose by itself."""
    machine = run["machine"]
    return Curve(
        run["model"]["name"], result["dtype"], f"{machine['processor']}, {' '.join(machine['flags'])}",
        machine["bandwidth"]["threads"], result["facts"]["rows"], run["date"][:10], run["versions"]["inkwell"],
        0.0, 0.0, 0.0, 0.0, result["first_token_s"], "native kernels" in result["facts"]["path"],
    )  # fmt: skip


def _fitted(frame: Curve, figures: Mapping[str, Any]) -> Curve:
    one_row_s = 1 / figures["w1"]["decode_tokens_per_s"]["median"]
    prompt_s = figures["w2"]["ttft_ms"]["median"] / 1000
    crowd = figures["w3-16"]
    check = Check(16, *(crowd[name]["median"] for name in ("output_tokens_per_s", "latency_p50_s", "latency_p95_s")))
    low, high = 0.0, one_row_s
    for _ in range(HALVINGS):
        curve = _with_row(frame, (low + high) / 2, one_row_s, prompt_s)
        speed = simulated_check(curve, crowd_sizes(FULL), check.clients, Limits()).output_tokens_per_s
        low, high = (curve.row_s, high) if speed > check.output_tokens_per_s else (low, curve.row_s)
    first_s = figures["w1"]["ttft_ms"]["median"] / 1000
    return replace(curve, check=check, fit_error=abs(curve.step_s(0, FULL.w1[0]) / first_s - 1))


def _with_row(frame: Curve, row_s: float, one_row_s: float, prompt_s: float) -> Curve:
    """Given what a row costs, W1 tells the fixed part and W2 what a prompt's token costs."""
    fixed_s, pieces = one_row_s - row_s, -(-PROMPT // Limits().prefill_chunk)
    return replace(frame, fixed_s=fixed_s, row_s=row_s, prompt_token_s=(prompt_s - pieces * fixed_s) / PROMPT)
