"""What follows from several targets together: ratios to peers, the share of the limit, overhead, equal outputs.

Takes the results of one run, all measured on the same machine within the same hour; gives plain values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from inkwell.checkpoints.model_config import ModelConfig
from scripts.benchmark.prompts import Prompts
from scripts.benchmark.roofline import BYTES_PER_NUMBER, bytes_per_step, limit_tokens_per_s
from scripts.benchmark.workloads import kind_of

Result = Mapping[str, Any]

# The one figure of a workload that targets are compared by, and whether more of it is better.
MAIN = {
    "w1": ("decode_tokens_per_s", True),
    "w2": ("prefill_tokens_per_s", True),
    "w3": ("output_tokens_per_s", True),
    "poisson": ("latency_p50_s", False),
    "stall": ("gap_shared_p99_ms", False),
}


def main_figure(result: Result, workload: str) -> float | None:
    """The median of the workload's main figure."""
    figure, _ = MAIN[kind_of(workload)]
    run = result["runs"].get(workload, {"figures": {}})
    return run["figures"][figure]["median"] if figure in run["figures"] else None


def ratios(results: Sequence[Result], baselines: Sequence[str]) -> list[dict[str, Any]]:
    """How many times better each target is than each named peer, by workload."""
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
    ours, theirs = main_figure(result, workload), main_figure(baseline, workload)
    if not ours or not theirs:
        return None
    return ours / theirs if MAIN[kind_of(workload)][1] else theirs / ours


def limits(results: Sequence[Result], config: ModelConfig, machine: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The memory's limit of W1 for each target's format of weights, and the share of it that was reached."""
    bandwidths = machine["bandwidth"]["bytes_per_s"]
    found = []
    for result in results:
        reached = main_figure(result, "w1")
        if reached is None or result["dtype"] not in BYTES_PER_NUMBER:
            continue
        limit = limit_tokens_per_s(config, result["dtype"], bandwidths)
        size_mib = bytes_per_step(config, result["dtype"]) / (1 << 20)
        found.append({"target": result["target"], "weights_mib": size_mib, "limit": limit, "share": reached / limit})
    return found


def overheads(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Tokens a second over HTTP divided by those in process, for each number format and each W3."""
    by_name = {result["target"]: result for result in results}
    found = []
    for result in results:
        inside = by_name.get(f"inkwell:{result['dtype']}")
        if not result["target"].startswith("inkwell-http:") or inside is None:
            continue
        for workload in (name for name in result["runs"] if name.startswith("w3")):
            outer, inner = main_figure(result, workload), main_figure(inside, workload)
            if outer and inner:
                found.append({"dtype": result["dtype"], "workload": workload, "http_over_in_process": outer / inner})
    return found


def agreement(results: Sequence[Result], prompts: Prompts) -> list[dict[str, Any]]:
    """Of how many requests each target's text is that of the first one: all are greedy on the same prompts.

    Another order of sums or another number format may tip a near tie, after which the rest of a text differs.
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
