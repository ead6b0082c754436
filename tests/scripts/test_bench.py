"""The benchmark command with small workloads and a tiny random model, against real engines and a real server."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.live import PROJECT_ROOT, public_folder
from tests.serving import running_app, running_server

pytestmark = pytest.mark.slow


def bench(root: Path, *arguments: str) -> tuple[int, str, dict[str, object]]:
    """Exit status, output, and JSON file of a quick run."""
    command = [sys.executable, "scripts/bench.py", "--quick", "--root", str(root), *arguments]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
    files = list((root / "results").glob("*/run.json"))
    assert files, done.stderr
    return done.returncode, done.stdout, json.loads(files[0].read_text())


def test_a_quick_run_measures_every_workload_in_process(tmp_path: Path) -> None:
    workloads = "w1,w2,w3,poisson,stall"
    status, printed, run = bench(
        tmp_path, "--targets", "inkwell:float32", "--workloads", workloads, "--rate", "50", "--repeats", "1"
    )
    target = run["targets"][0]
    assert (status, target["error"]) == (0, None)
    assert list(target["runs"]) == ["w1", "w2", "w3-4", "poisson", "stall"]
    for name, of_workload in target["runs"].items():
        assert of_workload["repeats"] == 1
        assert f"\n{name}\n| target" in printed
        for spread in of_workload["figures"].values():
            assert 0 <= spread["low"] <= spread["median"] <= spread["high"]
    assert target["first_token_s"] > 0 and target["rss_peak_mib"] >= target["rss_end_mib"] > 50
    assert run["machine"]["cores"] >= 1 and float(run["machine"]["bandwidth"]["bytes_per_s"]["64"]) > 1e8
    assert run["comparison"]["limit of memory, W1"][0]["limit"] > 0
    pictures = next((tmp_path / "results").glob("*"))
    assert {"w1.png", "w3-4-latency.png", "table.md"} <= {path.name for path in pictures.iterdir()}


def test_a_quick_run_holds_inkwell_behind_apache_against_transformers() -> None:
    with public_folder() as root:
        status, printed, run = bench(root, "--dtype", "float32", "--peer-dtype", "float32", "--no-plots",
                                     "--baseline", "generate:float32", "--repeats", "1")  # fmt: skip
    assert status == 0, printed
    names = [target["target"] for target in run["targets"]]
    assert names == ["inkwell:float32", "inkwell-http:float32", "generate:float32", "batching:float32"]
    assert all(set(target["runs"]) == {"w1", "w2", "w3-4"} for target in run["targets"])
    ratios = run["comparison"]["ratios"]
    assert [row["target"] for row in ratios] == ["inkwell:float32", "inkwell-http:float32", "batching:float32"]
    assert run["comparison"]["service overhead"][0]["http_over_in_process"] > 0
    over_http = [row for row in run["comparison"]["equal outputs"] if row["target"] == "inkwell-http:float32"]
    assert sum(row["equal"] for row in over_http) == sum(row["of"] for row in over_http) == 14
    assert "service overhead\n| dtype" in printed


def test_a_target_that_fails_is_told_and_the_others_still_run(tmp_path: Path) -> None:
    status, printed, run = bench(
        tmp_path, "--targets", "inkwell:float32", "--openvino", sys.executable, "--workloads", "w1", "--no-plots",
        "--openvino-dtype", "int8",
    )  # fmt: skip
    assert status == 1
    assert "FAILED openvino:int8: optimum-intel is not in the environment" in printed
    assert [bool(target["runs"]) for target in run["targets"]] == [True, False]


def test_a_server_that_does_not_speak_the_api_is_told(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:  # has no methods: answers 501
        threading.Thread(target=other.serve_forever, daemon=True).start()
        status, printed, run = measured(f"http://127.0.0.1:{other.server_port}", tmp_path)
        other.shutdown()
    assert status == 1
    assert "501" in run["targets"][0]["error"] and "FAILED url:bfloat16" in printed


def test_a_server_with_another_model_is_told(models_dir: Path, state_dir: Path, tmp_path: Path) -> None:
    with running_app(models_dir, default_model="124M", state_dir=state_dir) as app, running_server(app) as address:
        status, _, run = measured(address, tmp_path)
    assert status == 1
    assert "other tokenizer" in run["targets"][0]["error"]


def measured(address: str, root: Path) -> tuple[int, str, dict[str, object]]:
    """Run a quick W1 against only the server at that address."""
    return bench(root, "--targets", "", "--url", address, "--workloads", "w1", "--no-plots")
