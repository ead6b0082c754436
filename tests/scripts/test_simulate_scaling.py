"""Curves, the simulated pod against the engine's own loop and against measurements, the command and the page."""

import dataclasses
import random
from pathlib import Path

import pytest

from inkwell.engine import loading
from inkwell.engine.contract import EngineConfig, Job
from inkwell.engine.scheduler import Scheduler
from inkwell.engine.step_costs import StepCostModel
from inkwell.settings.settings import Settings
from scripts import simulate_scaling
from scripts.benchmark.workloads import FULL, QUICK, Scale, Size
from scripts.scaling import page
from scripts.scaling.curve import CURVES, Check, Curve, Observation, fitted, read_curve, write_curve
from scripts.scaling.hpa import read_targets
from scripts.scaling.measure import measure_curve
from scripts.scaling.pod import Pod, Request, simulated_check
from scripts.simulate_scaling import main, written

CURVE = Curve("124M", "bfloat16", "a machine", 2, 16, "2026-11-21", "0", 0.02, 0.0034, 0.0018, 0.0, 3.0, True)
CURVE_FILES = sorted(CURVES.glob("*.json"))
MAX_REQUESTS = Settings.from_environ({}).max_requests


def step_by_step(requests: list[Request], batch_invariant: bool) -> list[float]:
    """The end of each request when the scheduler plans every step by itself, as the engine does."""
    costs = StepCostModel()
    scheduler = Scheduler(16, EngineConfig().prefill_chunk, batch_invariant, costs)
    coming, now_s, ends = list(enumerate(requests)), 0.0, [0.0] * len(requests)
    while coming or scheduler.has_work:
        if not scheduler.has_work:
            now_s = max(now_s, coming[0][1].sent_s)
        while coming and coming[0][1].sent_s <= now_s:
            key, request = coming.pop(0)
            prompt = (1_000 + key,) * request.size.prompt_tokens
            scheduler.add(Job(key, prompt, request.size.new_tokens))
        plan = scheduler.plan()
        step_s = CURVE.step_s(len(plan.decode), sum(row.length for row in plan.prefill))
        now_s += step_s
        chosen = {row.sequence.job.key: (7,) for row in plan.rows if row.completes}
        for taken in scheduler.commit(plan, chosen):
            ends[taken.sequence.job.key] = now_s
        costs.observe(len(plan.decode), sum(row.length for row in plan.prefill), step_s)
    return ends


def some_requests(seed: int, per_s: float) -> list[Request]:
    rng, now_s, found = random.Random(seed), 0.0, []
    for _ in range(60):
        now_s += rng.expovariate(per_s)
        found.append(Request(Size(rng.randint(1, 600), rng.randint(1, 200)), now_s))
    return found


def filled(pod: Pod, count: int, tokens: int = 100) -> list[Request]:
    requests = [Request(Size(10, tokens + number), 0.0) for number in range(count)]
    for request in requests:
        pod.submit(request, 0.0)
    return requests


@pytest.mark.parametrize("batch_invariant", [True, False])
@pytest.mark.parametrize("per_s", [0.1, 1.0, 20.0])
def test_steps_taken_together_end_requests_when_single_steps_do(per_s: float, batch_invariant: bool):
    pod, requests = Pod(dataclasses.replace(CURVE, batch_invariant=batch_invariant)), some_requests(3, per_s)
    for request in requests:
        pod.run_until(request.sent_s)
        assert pod.submit(request, request.sent_s)
    pod.run_until(float("inf"))
    assert [item.ended_s for item in requests] == pytest.approx(step_by_step(requests, batch_invariant), rel=0.01)


def test_a_full_pod_refuses_and_admits_again_when_one_has_ended():
    pod = Pod(CURVE)
    requests = filled(pod, MAX_REQUESTS + 1)
    assert pod.open == MAX_REQUESTS
    assert pod.throughput.wait_s() == 1.0  # nothing was measured yet
    while pod.open == MAX_REQUESTS:
        pod.run_until(pod.step_ends_s)
    assert pod.submit(requests[-1], requests[0].ended_s)


def test_a_pod_runs_no_more_rows_than_its_engine_had():
    pod = Pod(dataclasses.replace(CURVE, rows=4))
    filled(pod, 10)
    pod.run_until(1.0)
    assert (pod.running, pod.open) == (4, 10)


def test_the_estimated_wait_is_that_of_the_waiting_texts_at_the_measured_speed():
    pod = Pod(dataclasses.replace(CURVE, rows=2))
    assert pod.throughput.queue_s(pod.open - pod.running) == 0.0
    filled(pod, 10)
    pod.run_until(2.5)
    expected_s = 8 * 104.5 / (2 / CURVE.step_s(2))
    assert pod.throughput.queue_s(pod.open - pod.running) == pytest.approx(expected_s, rel=0.15)


@pytest.mark.parametrize("file", CURVE_FILES, ids=lambda file: file.stem)
def test_a_committed_curve_explains_the_w3_that_was_measured_with_it(file: Path):
    curve = read_curve(file)
    if curve.check:
        simulated = simulated_check(curve, curve.check)
        assert simulated.output_tokens_per_s == pytest.approx(curve.check.output_tokens_per_s, rel=0.15)
        assert simulated.latency_p95_s == pytest.approx(curve.check.latency_p95_s, rel=0.25)


@pytest.mark.parametrize("file", CURVE_FILES, ids=lambda file: file.stem)
def test_the_formula_gives_the_most_that_a_pod_does(file: Path):
    """At most: rows whose prompts are still read do not decode, which counts where there are few of them."""
    curve = read_curve(file)
    full = simulated_check(curve, Check(2 * curve.rows, 0.0, 0.0, 0.0, 256))
    per_s = full.output_tokens_per_s / (sum(FULL.outputs) / 2)
    assert 0.88 <= per_s / page.capacity_per_s(curve) <= 1.01


def test_most_committed_curves_were_held_against_a_measurement():
    assert CURVE_FILES
    assert 2 * sum(read_curve(file).check is not None for file in CURVE_FILES) >= len(CURVE_FILES)


def test_a_fit_finds_the_weights_that_made_the_steps():
    kinds = ((1, 1, 0), (1, 8, 0), (1, 16, 0), (1, 0, 64), (1, 0, 256), (7, 56, 192))
    made: list[Observation] = [(*kind, kind[0] * 0.02 + kind[1] * 0.003 + kind[2] * 0.002) for kind in kinds]
    assert fitted(made) == pytest.approx((0.02, 0.003, 0.002, 0.0))


def test_a_fit_has_no_weight_below_zero():
    rising: list[Observation] = [(1, rows, 0, rows * 0.01 - 0.005) for rows in (1, 2, 4, 8)]
    assert min(fitted([*rising, (1, 0, 64, 0.1)])) >= 0


def test_a_curve_is_read_as_it_was_written(tmp_path: Path):
    for check in (None, Check(16, 137.0, 11.0, 23.0)):
        curve = dataclasses.replace(CURVE, check=check)
        write_curve(curve, tmp_path / "a.json")
        assert read_curve(tmp_path / "a.json") == curve


def test_more_clients_than_a_pod_admits_are_refused_in_words():
    with pytest.raises(ValueError, match="100 clients exceed the number of requests that a pod admits"):
        simulated_check(CURVE, Check(100, 0.0, 0.0, 0.0, 200))


def test_a_curve_that_does_not_explain_its_w3_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    true = simulated_check(CURVE, Check(16, 0.0, 0.0, 0.0))
    for factor, code in ((1.0, 0), (1.14, 0), (1.25, 2)):
        check = dataclasses.replace(true, output_tokens_per_s=true.output_tokens_per_s * factor)
        assert written(dataclasses.replace(CURVE, check=check), tmp_path / f"{factor}.json") == code
    assert sorted(file.name for file in tmp_path.iterdir()) == ["1.0.json", "1.14.json"]
    assert "measure again when it is idle" in capsys.readouterr().out


def test_the_command_hands_its_options_to_the_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[object] = []

    def measured(folder: Path, dtype: str, rows: int, threads: int, scale: Scale) -> Curve:
        seen.extend((folder.name, dtype, rows, threads, scale.crowd))
        return CURVE

    monkeypatch.setattr(simulate_scaling, "measure_curve", measured)
    options = ["--dtype", "int8", "--rows", "4", "--threads", "1", "--check-requests", "0"]
    assert main(["measure", "models/demo", *options, "--out", str(tmp_path / "a.json")]) == 0
    assert seen == ["demo", "int8", 4, 1, 0]
    assert read_curve(tmp_path / "a.json") == CURVE


@pytest.mark.slow
def test_the_engine_is_measured_and_the_curve_is_plausible(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loading, "processors", lambda: 1)  # a quota: the curve records threads, not the machine's cores
    curve = measure_curve(page.PAGE.parents[1] / "models/demo", "float32", 4, 0, QUICK)
    assert (curve.model, curve.dtype, curve.cores, curve.rows) == ("demo", "float32", 1, 4)
    assert 0 < curve.step_s(1) < 1
    assert curve.prompt_token_s < curve.step_s(1)
    assert curve.check and curve.check.output_tokens_per_s > 1


def test_the_page_has_every_part_once_and_its_inputs_are_those_of_now():
    text = page.PAGE.read_text()
    for name in page.PARTS:
        assert (text.count(f"<!-- {name} -->\n"), text.count(f"\n<!-- /{name} -->")) == (1, 1)
    assert page.with_part(text, "inputs") == text, "run make simulate"


@pytest.mark.slow
def test_the_page_has_the_figures_that_the_scheduler_gives_now():
    chart = {"the chart": page.cases(read_targets())["the chart"]}
    table = page.bursts_table(read_curve(page.BURST_CURVE), chart)
    assert table.splitlines()[-1] in page.PAGE.read_text(), "run make simulate"
