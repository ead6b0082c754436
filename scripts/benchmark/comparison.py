"""Compares targets: ratios to baselines, share of the memory bandwidth limit, HTTP overhead, equal outputs.

Takes the results of one run, all measured on the same machine within the same hour; returns plain values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from inkwell.checkpoints.model_config import ModelConfig
from scripts.benchmark.prompts import Prompts
from scripts.benchmark.roofline import BYTES_PER_NUMBER, bytes_per_step, limit_tokens_per_s
from scripts.benchmark.workloads import kind_of

Result = Mapping[str, Any]

# The metric of each workload that targets are compared by, and whether higher is better.
MAIN_METRICS = {
    "w1": ("decode_tokens_per_s", True),
    "w2": ("prefill_tokens_per_s", True),
    "w3": ("output_tokens_per_s", True),
    "poisson": ("latency_p50_s", False),
    "stall": ("gap_shared_p99_ms", False),
}


def main_metric(result: Result, workload: str) -> float | None:
    """Return the median of the workload's main metric."""
    figure, _ = MAIN_METRICS[kind_of(workload)]
    run = result["runs"].get(workload, {"figures": {}})
    return run["figures"][figure]["median"] if figure in run["figures"] else None


def ratios(results: Sequence[Result], baselines: Sequence[str]) -> list[dict[str, Any]]:
    """Return by which factor each target is better than each baseline, by workload."""
    by_name = {result["target"]: result for result in results}
    found = []
    for baseline in baselines:
        for result in results:
            if baseline not in by_name or result["target"] == baseline:
                continue
            better = {name: _better(result, by_name[baseline], name) for name in result["runs"]}
            values = {name: value for name, value in better.items() if value is not None}
            found.append({"target": result["target"], "baseline": baseline, "times_better": values})
    return found


def _better(result: Result, baseline: Result, workload: str) -> float | None:
    ours, theirs = main_metric(result, workload), main_metric(baseline, workload)
    if not ours or not theirs:
        return None
    return ours / theirs if MAIN_METRICS[kind_of(workload)][1] else theirs / ours


def limits(results: Sequence[Result], config: ModelConfig, machine: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the memory bandwidth limit of W1 for each target's number format, and the share of it that was reached."""
    bandwidths = machine["bandwidth"]["bytes_per_s"]
    found = []
    for result in results:
        reached = main_metric(result, "w1")
        if reached is None or result["dtype"] not in BYTES_PER_NUMBER:
            continue
        limit = limit_tokens_per_s(config, result["dtype"], bandwidths)
        size_mib = bytes_per_step(config, result["dtype"]) / (1 << 20)
        found.append({"target": result["target"], "weights_mib": size_mib, "limit": limit, "share": reached / limit})
    return found


def overheads(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the tokens per second over HTTP relative to those in process, for each number format and each W3."""
    by_name = {result["target"]: result for result in results}
    found = []
    for result in results:
        inside = by_name.get(f"inkwell:{result['dtype']}")
        if not result["target"].startswith("inkwell-http:") or inside is None:
            continue
        for workload in (name for name in result["runs"] if name.startswith("w3")):
            outer, inner = main_metric(result, workload), main_metric(inside, workload)
            if outer and inner:
                found.append({"dtype": result["dtype"], "workload": workload, "http_over_in_process": outer / inner})
    return found


def agreement(results: Sequence[Result], prompts: Prompts) -> list[dict[str, Any]]:
    """Count the requests for which a target's greedy text equals that of the first target.

    Another order of summation or another number format may resolve a near tie differently; the rest of the text differs
    from there on.
    """
    measured = [result for result in results if result["runs"]]
    if not measured:
        return []
    first, *others = measured
    return [
        {
            "target": result["target"],
            "reference": first["target"],
            "workload": name,
            **_equal(first, result, name, prompts),
        }
        for result in others
        for name in result["runs"]
        if name in first["runs"]
    ]


def _equal(first: Result, second: Result, workload: str, prompts: Prompts) -> dict[str, int]:
    pairs = [
        (prompts.text(theirs[key]), prompts.text(ours[key]))
        for theirs, ours in zip(first["runs"][workload]["outputs"], second["runs"][workload]["outputs"], strict=False)
        for key in theirs.keys() & ours.keys()
    ]
    return {"equal": sum(one == other for one, other in pairs), "of": len(pairs)}
