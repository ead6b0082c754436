"""Whole runs: loads, fleets, the command line, and the page that is made of them."""

import itertools
import json

import pytest

from inkwell.engine import loading
from scripts.benchmark.workloads import QUICK
from scripts.scaling.bursts import BEGIN_S, LAST_S, Case, fixed, play
from scripts.scaling.chart import bounded, read_targets
from scripts.scaling.closed import Comparison, capacity_per_min
from scripts.scaling.commands import checked
from scripts.scaling.curve import CURVES, Check, Curve, write_curve
from scripts.scaling.fit import fit_runs
from scripts.scaling.fleet import BALANCES, Fleet
from scripts.scaling.measure import measure_curve
from scripts.scaling.page import PAGE, PARTS, all_curves, with_part
from scripts.scaling.replica import Limits, Ticket
from scripts.scaling.simulation import Setup, Simulation
from scripts.scaling.sizing import Goal, pods_for
from scripts.scaling.trace import DAY_S, Arrival, Lengths, arrivals, burst, diurnal, read_trace, steady
from scripts.simulate_scaling import main

ROOT = PAGE.parent.parent
CURVE = Curve("124M", "bfloat16", "a machine", 2, 16, "2026-11-21", "0", 0.02, 0.0034, 0.0018, 0.0, 3.0, True)
FAST = Curve("fast", "bfloat16", "a machine", 2, 16, "2026-11-21", "0", 0.2, 0.0, 0.0001, 0.0, 3.0, True)


def test_arrivals_come_at_the_rate_with_the_lengths_and_are_the_same_for_the_same_seed():
    made = list(arrivals(steady(2.0), 2.0, 2_000.0, Lengths(), 1))
    assert len(made) == pytest.approx(4_000, rel=0.05)
    assert {16, 256} <= {item.prompt_tokens for item in made} <= set(range(16, 257))
    assert made == list(arrivals(steady(2.0), 2.0, 2_000.0, Lengths(), 1))
    assert made != list(arrivals(steady(2.0), 2.0, 2_000.0, Lengths(), 2))


def test_a_burst_and_a_day_have_their_shapes():
    busy = [item for item in arrivals(burst(1.0, 10.0, 100.0, 200.0), 10.0, 300.0, Lengths(), 0)]
    assert sum(100 <= item.at_s < 200 for item in busy) == pytest.approx(1_000, rel=0.15)
    assert sum(item.at_s < 100 for item in busy) == pytest.approx(100, rel=0.4)
    day = diurnal(1.0, 1.0)
    assert [day(DAY_S * share) for share in (0, 0.25, 0.5)] == pytest.approx([0, 1, 2])


def test_a_trace_is_read_in_order_of_time(tmp_path):
    (tmp_path / "a.csv").write_text("arrival_s,prompt_tokens,new_tokens\n7.5,10,20\n1,3,4\n")
    assert read_trace(tmp_path / "a.csv") == [Arrival(1.0, 3, 4), Arrival(7.5, 10, 20)]


@pytest.mark.parametrize("line", ["x,1,1", "1,1", "-1,1,1", "nan,1,1", "1,0,1", "1,1,0"])
def test_a_line_of_a_trace_that_is_wrong_is_named(tmp_path, line: str):
    (tmp_path / "a.csv").write_text(f"arrival_s,prompt_tokens,new_tokens\n1,1,1\n{line}\n")
    with pytest.raises(ValueError, match="^line 3"):
        read_trace(tmp_path / "a.csv")


def test_every_request_ends_or_is_lost_and_none_twice():
    load = list(arrivals(steady(3.0), 3.0, 300.0, Lengths(), 0))
    outcome = Simulation(Setup(CURVE, 1)).run(load, 300.0)
    ended = [item for item in outcome.tickets if item.ended_s is not None]
    assert len(outcome.tickets) == len(load)
    assert 0 < len(ended) < len(load)
    assert all((item.ended_s is None) == (item.refusals > 0) for item in outcome.tickets)
    assert all(item.arrived_s <= item.started_s < item.first_s <= item.ended_s for item in ended)
    assert outcome.lost == outcome.refused


def test_clients_with_patience_come_back_as_they_are_told():
    load = [Arrival(0.0, 32, 100)] * 100
    lost = Simulation(Setup(CURVE, 1)).run(load, 60.0)
    patient = Simulation(Setup(CURVE, 1, patience_s=300.0)).run(load, 60.0)
    assert (lost.lost, patient.lost) == (0.28, 0.0)
    assert patient.refused == 0.28
    assert patient.wait_s(100) > lost.wait_s(100)


@pytest.mark.slow
def test_a_seed_gives_the_same_run_again():
    targets = bounded(read_targets(), 1, 8)
    one, again, other = (play(CURVE, Case("keda", targets), seed).waits_s().tolist() for seed in (3, 3, 4))
    assert one == again != other


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hpa-cpu", "hpa-queue", "keda"])
def test_a_burst_waits_less_where_pods_are_added_and_they_go_again(mode: str):
    targets = bounded(read_targets(), 1, 20)
    scaled, alone = play(CURVE, Case(mode, targets), 0), play(CURVE, fixed(targets, 1), 0)
    during = [run.between(BEGIN_S, BEGIN_S + LAST_S) for run in (scaled, alone)]
    assert during[0].wait_s(95) < during[1].wait_s(95) / 2
    assert scaled.most_pods > 3
    assert scaled.moments[-1].wanted < scaled.most_pods
    assert 1.0 < scaled.pod_hours < 20.0


def test_a_pod_that_drains_serves_what_it_holds_and_gets_no_more():
    fleet = Fleet(CURVE, Limits(), 30.0, 10.0, "least", 0)
    old, young = fleet.resize(2, 0.0, start_s=0.0)
    young.replica.take(Ticket(0.0, 10, 10), 0.0)
    fleet.resize(1, 1.0)
    assert fleet.ready(1.0) == [old]
    fleet.reap(20.0)
    assert young.ended_s is None  # it has a request
    while young.replica.ends_s is not None:
        young.replica.advance()
    fleet.reap(21.0)
    assert young.ended_s == 21.0
    assert fleet.all_pod_seconds(30.0) == 21.0 + 30.0


@pytest.mark.parametrize("balance", BALANCES)
def test_pods_that_are_not_ready_get_nothing(balance: str):
    fleet = Fleet(CURVE, Limits(), 30.0, 10.0, balance, 0)
    assert fleet.choose(0.0) is None
    fleet.resize(3, 0.0)
    assert fleet.choose(29.0) is None
    assert {id(fleet.choose(30.0)) for _ in range(100)} == {id(pod) for pod in fleet.pods}


def test_least_chooses_the_pod_with_the_fewest_requests():
    fleet = Fleet(CURVE, Limits(), 30.0, 10.0, "least", 0)
    pods = fleet.resize(3, 0.0, start_s=0.0)
    for pod in (pods[0], pods[2]):
        pod.replica.take(Ticket(0.0, 10, 10), 0.0)
    assert all(fleet.choose(0.0) is pods[1] for _ in range(5))


def test_pods_for_a_load_are_the_fewest_that_meet_the_goal_and_shards_multiply():
    capacity = capacity_per_min(FAST, Lengths(), Limits())
    found = pods_for(FAST, 1.5 * capacity, "least", Goal(), shard_pods=10)
    assert (found.pods, found.shards) == (2, 1)
    assert found.used == pytest.approx(0.75)
    sharded = pods_for(FAST, 15 * capacity, "least", Goal(), shard_pods=2)
    one = pods_for(FAST, 15 / 8 * capacity, "least", Goal(), shard_pods=10)
    assert (sharded.pods, sharded.shards, one.shards) == (8 * one.pods, 8, 1)


def benchmark_run() -> dict:
    """What the benchmark writes, as far as the fit reads it, of a machine whose W1, W2 are given; W3 as simulated."""
    figures = {
        "w1": {"decode_tokens_per_s": {"median": 1000 / 23.4}, "ttft_ms": {"median": 77.6}},
        "w2": {"ttft_ms": {"median": 4 * 20.0 + 896 * 1.8}},
        "w3-16": {name: {"median": value} for name, value in (
            ("output_tokens_per_s", 138.925), ("latency_p50_s", 12.998), ("latency_p95_s", 26.494))},
    }  # fmt: skip
    result = {
        "target": "inkwell:bfloat16", "dtype": "bfloat16", "first_token_s": 1.9,
        "facts": {"path": "native kernels", "rows": 16},
        "runs": {name: {"figures": values} for name, values in figures.items()},
    }  # fmt: skip
    machine = {"processor": "a processor", "flags": ["avx2"], "cores": 8, "bandwidth": {"threads": 2}}
    return {
        "date": "2026-11-21 15:13:54+0000", "machine": machine, "versions": {"inkwell": "abc"},
        "model": {"name": "124M"}, "targets": [result],
    }  # fmt: skip


def test_runs_of_the_benchmark_give_the_curve_that_they_were_made_by(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(benchmark_run()))
    curve = fit_runs([tmp_path / "run.json"], "inkwell:bfloat16")
    assert (curve.fixed_s, curve.row_s, curve.prompt_token_s) == pytest.approx((0.02, 0.0034, 0.0018), rel=0.02)
    assert curve.check == Check(16, 138.925, 12.998, 26.494) and curve.cores == 2
    assert curve.fit_error < 0.02


def test_runs_that_do_not_belong_together_or_lack_a_workload_are_refused(tmp_path):
    run = benchmark_run()
    (tmp_path / "a.json").write_text(json.dumps(run))
    (tmp_path / "b.json").write_text(json.dumps(run | {"model": {"name": "355M"}}))
    with pytest.raises(ValueError, match="different machines, commits or models"):
        fit_runs([tmp_path / "a.json", tmp_path / "b.json"], "inkwell:bfloat16")
    with pytest.raises(ValueError, match="no run has the target inkwell:int8"):
        fit_runs([tmp_path / "a.json"], "inkwell:int8")
    del run["targets"][0]["runs"]["w3-16"]
    (tmp_path / "a.json").write_text(json.dumps(run))
    with pytest.raises(ValueError, match="lack w3-16; w1, w2 and w3 are needed"):
        fit_runs([tmp_path / "a.json"], "inkwell:bfloat16")


def test_the_command_plays_a_load(tmp_path, capsys):
    write_curve(CURVE, tmp_path / "curve.json")
    (tmp_path / "a.csv").write_text("arrival_s,prompt_tokens,new_tokens\n0,10,20\n1,30,40\n")
    curve = ["--curve", str(tmp_path / "curve.json")]
    assert main(["play", *curve, "--trace", str(tmp_path / "a.csv")]) == 0
    assert "requests        2" in capsys.readouterr().out
    assert main(["play", *curve, "--per-minute", "30", "--minutes", "10", "--burst", "4", "--mode", "hpa-queue"]) == 0
    assert "pod-hours" in capsys.readouterr().out
    assert main(["pods", *curve, "--per-minute", "20"]) == 0
    assert capsys.readouterr().out.startswith("1 pods, ")


def test_the_command_says_what_does_not_fit(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("when,what\n")
    assert main(["play", "--trace", str(tmp_path / "a.csv")]) == 2
    assert "must begin with the line arrival_s,prompt_tokens,new_tokens" in capsys.readouterr().err
    assert main(["play", "--per-minute", "0"]) == 2
    assert main(["pods", "--per-minute", "1", "--curve", "none"]) == 2


def test_a_curve_that_does_not_explain_the_w3_beside_it_is_refused():
    check = Check(16, 100.0, 11.0, 23.0)
    checked(Comparison(check, Check(16, 114.0, 11.0, 23.0)))
    with pytest.raises(ValueError, match="W3 gave 100 tokens a second and the steps .* explain 120"):
        checked(Comparison(check, Check(16, 120.0, 11.0, 23.0)))


@pytest.mark.slow
def test_the_engine_is_measured_and_the_curve_is_plausible(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loading, "processors", lambda: 1)  # a quota; the curve tells of the threads, not of the machine
    curve = measure_curve(ROOT / "models/demo", "float32", 4, 0, QUICK)
    assert (curve.model, curve.dtype, curve.cores) == ("demo", "float32", 1)
    assert 0 < curve.step_s(1) < 1
    assert curve.prompt_token_s < curve.step_s(1, 0)
    assert curve.check.output_tokens_per_s > 1


def test_the_page_has_every_part_once_and_was_made_from_what_there_is_now():
    text = PAGE.read_text()
    for name, edge in itertools.product(PARTS, ("", "/")):
        assert text.count(f"<!-- {edge}{name} -->") == 1
    for name in ("curves", "inputs"):
        assert with_part(text, name, PARTS[name]()) == text, "run make simulate"
    assert len(all_curves()) == len(list(CURVES.glob("*.json")))


def test_a_page_without_a_part_is_no_page():
    with pytest.raises(ValueError, match="the page has no part curves"):
        with_part("nothing", "curves", "")
