"""Renders a finished run as plain Markdown tables, for the terminal and for documentation."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.benchmark.workloads import kind_of

Columns = dict[str, tuple[str, int]]  # metric -> (heading, decimals); a column is shown if any target has the metric

SINGLE: Columns = {
    "decode_tokens_per_s": ("decode tok/s", 1),
    "request_tokens_per_s": ("tok/s with TTFT", 1),
    "prefill_tokens_per_s": ("prefill tok/s", 0),
    "ttft_ms": ("TTFT ms", 1),
    "gap_p50_ms": ("gap p50 ms", 2),
    "gap_p99_ms": ("gap p99 ms", 2),
    "gap_worst_ms": ("worst gap ms", 2),
}
CROWD: Columns = {
    "output_tokens_per_s": ("output tok/s", 1),
    "latency_p50_s": ("request p50 s", 2),
    "latency_p95_s": ("p95 s", 2),
    "latency_p99_s": ("p99 s", 2),
    "latency_worst_s": ("worst s", 2),
    "worst_over_median_time_per_token": ("worst / median time per token", 2),
}
CROWD_DETAIL: Columns = {
    "ttft_p50_ms": ("TTFT p50 ms", 0),
    "ttft_p95_ms": ("p95 ms", 0),
    "ttft_p99_ms": ("p99 ms", 0),
    "gap_p50_ms": ("gap p50 ms", 1),
    "gap_p95_ms": ("p95 ms", 1),
    "gap_p99_ms": ("p99 ms", 1),
    "refused": ("refused", 0),
    "rss_mib": ("RSS MiB", 0),
    "process_cpu_us_per_token": ("process CPU us/token", 0),
}
STALL: Columns = {
    "gap_alone_p99_ms": ("gap p99 alone ms", 1),
    "gap_shared_p99_ms": ("gap p99 with prompts ms", 1),
    "gap_p99_ratio": ("ratio", 2),
    "gap_shared_worst_ms": ("worst gap ms", 1),
    "intruder_ttft_p50_ms": ("prompt's TTFT p50 ms", 0),
}
TABLES: dict[str, tuple[Columns, ...]] = {
    "w1": (SINGLE,), "w2": (SINGLE,), "w3": (CROWD, CROWD_DETAIL), "poisson": (CROWD, CROWD_DETAIL), "stall": (STALL,),
}  # fmt: skip


def render(run: Mapping[str, Any]) -> str:
    """Render the whole run."""
    results = run["targets"]
    names = list(dict.fromkeys(name for result in results for name in result["runs"]))
    parts = [_machine(run)]
    parts += [f"{name}\n{_workload(results, name, columns)}" for name in names for columns in TABLES[kind_of(name)]]
    parts.append(f"process\n{_processes(results)}")
    for name, rows in run["comparison"].items():
        if rows:
            parts.append(f"{name}\n{_table(_flat(rows))}")
    parts += [f"FAILED {result['target']}: {result['error']}" for result in results if result["error"]]
    return "\n\n".join(parts)


def _machine(run: Mapping[str, Any]) -> str:
    machine, model = run["machine"], run["model"]
    speeds = ", ".join(f"{value / 1e9:.1f} ({size} MiB)" for size, value in machine["bandwidth"]["bytes_per_s"].items())
    return (
        f"{run['date']}  {machine['processor']}, {machine['cores']} cores, {' '.join(machine['flags'])}\n"
        f"reads GB/s: {speeds}; load before: {machine['load_before']}\n"
        f"model {model['name']}: {model['parameters']:,} parameters; "
        + ", ".join(f"{name} {version}" for name, version in run["versions"].items())
        + "\nmedian (low-high) over the repeats"
    )


def _workload(results: Sequence[Mapping[str, Any]], name: str, columns: Columns) -> str:
    with_run = [result for result in results if name in result["runs"]]
    present = [column for column in columns if any(column in result["runs"][name]["figures"] for result in with_run)]
    rows = [["target", "n", *(columns[column][0] for column in present)]]
    for result in with_run:
        figures = result["runs"][name]["figures"]
        cells = [_spread(figures.get(column), columns[column][1]) for column in present]
        rows.append([result["target"], str(result["runs"][name]["repeats"]), *cells])
    return _table(rows)


def _spread(spread: Mapping[str, float] | None, decimals: int) -> str:
    if spread is None:
        return "-"
    median, low, high = (f"{spread[part]:,.{decimals}f}" for part in ("median", "low", "high"))
    return median if low == high else f"{median} ({low}-{high})"


def _processes(results: Sequence[Mapping[str, Any]]) -> str:
    rows = [["target", "start to first token s", "RSS at the end MiB", "RSS peak MiB"]]
    for result in results:
        values = (result["first_token_s"], result["rss_end_mib"], result["rss_peak_mib"])
        cells = [
            "-" if value is None else f"{value:,.{decimals}f}"
            for value, decimals in zip(values, (2, 0, 0), strict=True)
        ]
        rows.append([result["target"], *cells])
    return _table(rows)


def _flat(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the rows of a comparison; nested mappings become columns."""
    flat = []
    for row in rows:
        cells: dict[str, Any] = {}
        for name, value in row.items():
            cells |= value if isinstance(value, Mapping) else {name: value}
        flat.append(cells)
    heads = list(dict.fromkeys(name for cells in flat for name in cells))
    body = [[_cell(cells.get(head, "-")) for head in heads] for cells in flat]
    return [[head.replace("_", " ") for head in heads], *body]


def _cell(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])
