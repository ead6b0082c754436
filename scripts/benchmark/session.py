"""Runs one target in a new process and turns its JSON lines into a result. Knows the lines, not the targets."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from scripts.benchmark.exchange import Record, Run, TargetSpec, spec_to_json
from scripts.benchmark.figures import figures_of, gaps_ms, percentile, spreads

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SHOWN_CHARACTERS = 1500  # of a failed target's output
CURVE = tuple(range(101))  # percentiles stored of a distribution

OnTokens = Callable[[int], object]
Line = dict[str, Any]


def run_target(name: str, spec: TargetSpec, python: str, on_tokens: OnTokens) -> dict[str, Any]:
    """Return the target's result; `error` states why it is missing or incomplete."""
    with tempfile.TemporaryFile() as output:
        # The target ends with the benchmark, even if the benchmark is killed.
        command = ["/usr/bin/setpriv", "--pdeathsig", "TERM", python, "-m", "scripts.benchmark.target_process"]
        # OpenVINO's target has a Python of its own, which does not know where the package is.
        variables = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT / "service")}
        spawned_s = time.monotonic()
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output,
            text=True,
        )  # fmt: skip
        assert process.stdin and process.stdout
        try:
            with process.stdin as line:
                json.dump(spec_to_json(replace(spec, spawned_s=spawned_s)), line)
            lines = _listen(process.stdout, on_tokens)
            status = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        error = _error(lines, status, output)
    return {"target": name, "dtype": spec.dtype, "error": error, **_result(spec, lines)}


def _listen(output: Any, on_tokens: OnTokens) -> list[Line]:
    lines = []
    for text in output:
        line = json.loads(text)
        if line["kind"] == "progress":
            on_tokens(line["tokens"])
        else:
            lines.append(line)
    return lines


def _error(lines: Sequence[Line], status: int, output: Any) -> str | None:
    if failed := next((line["reason"] for line in lines if line["kind"] == "failed"), None):
        return str(failed)
    if status == 0:
        return None
    output.seek(0)
    return f"the process ended with {status}: {output.read().decode(errors='replace')[-SHOWN_CHARACTERS:].strip()}"


def _result(spec: TargetSpec, lines: Sequence[Line]) -> dict[str, Any]:
    started = next((line for line in lines if line["kind"] == "started"), None)
    repeats = [line for line in lines if line["kind"] == "repeat"]
    memories = [line["memory"] for line in repeats if line["memory"]]
    runs = {}
    for run in spec.runs:
        if of_run := [line for line in repeats if line["workload"] == run.name]:
            runs[run.name] = _run_result(run, of_run)
    return {
        "facts": started["metadata"] if started else {},
        "first_token_s": started["first_token_s"] if started else None,
        "rss_end_mib": memories[-1]["now_mib"] if memories else None,
        "rss_peak_mib": memories[-1]["peak_mib"] if memories else None,
        "runs": runs,
    }


def _run_result(run: Run, lines: Sequence[Line]) -> dict[str, Any]:
    repeats = [[Record(**record) for record in line["records"]] for line in lines]
    figures = [
        figures_of(run.pattern, requests, records) | _costs(line, records)
        for requests, records, line in zip(run.repeats, repeats, lines, strict=False)
    ]
    return {
        "repeats": len(figures),
        "figures": {name: asdict(spread) for name, spread in spreads(figures).items()},
        "gap_curve_ms": _curve([gap for records in repeats for gap in gaps_ms(records)]),
        "latency_curve_s": _curve([one.moments_s[-1] - one.sent_s for records in repeats for one in records]),
        "outputs": [
            {record.key: record.output for record in records if record.role != "shared"} for records in repeats
        ],
    }


def _costs(line: Mapping[str, Any], records: Sequence[Record]) -> dict[str, float]:
    """Return the CPU time per token of the target's process (over HTTP: of the client only) and the memory."""
    tokens = sum(record.tokens for record in records)
    found = {"process_cpu_us_per_token": line["process_cpu_s"] / tokens * 1e6}
    return found | ({"rss_mib": line["memory"]["now_mib"]} if line["memory"] else {})


def _curve(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [percentile(ordered, percent) for percent in CURVE] if ordered else []
