"""The autoscaler's arithmetic on values that are written out, and the control loop over simulated pods."""

from dataclasses import replace
from typing import Any

import pytest

from scripts.scaling.curve import Curve
from scripts.scaling.hpa import Controller, Targets, desired_pods, read_targets
from scripts.scaling.page import BEGIN_S, BURST_LOAD, END_S, QUIET_LOAD, STOP_S, capacity_per_s
from scripts.scaling.pod import Request
from scripts.scaling.simulation import Simulation, arrivals, waits

CURVE = Curve("124M", "bfloat16", "a machine", 2, 16, "2026-11-21", "0", 0.02, 0.0034, 0.0018, 0.0, 3.0, True)
UP = {
    "stabilizationWindowSeconds": 0,
    "policies": [
        {"type": "Percent", "value": 100, "periodSeconds": 15},
        {"type": "Pods", "value": 4, "periodSeconds": 15},
    ],
}
DOWN = {"stabilizationWindowSeconds": 300, "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def controller(up: dict[str, Any] | None = None, down: dict[str, Any] | None = None) -> Controller:
    """With Kubernetes' own behaviour, as far as nothing else is given."""
    return Controller(Targets(UP | (up or {}), DOWN | (down or {}), 10.0, 8.0, 1, 100))


@pytest.mark.parametrize(
    ("current", "known", "unready", "wanted"),
    [
        (4, [20.0] * 4, 0, 8),
        (4, [5.0] * 4, 0, 2),
        (4, [10.9] * 4, 0, 4),  # within the tolerance
        (4, [11.2] * 4, 0, 5),
        (4, [30.0, 30.0], 2, 6),  # two that start count as idle
        (4, [15.0, 15.0], 2, 4),  # which may turn it into a wish for fewer, and that is not followed
        (4, [6.0, 6.0, 6.0], 1, 2),  # downwards they do not count
        (4, [], 4, 4),  # nothing is known
        (3, [0.0] * 3, 0, 0),
    ],
)
def test_an_average_over_pods_becomes_a_number_of_pods(current: int, known: list[float], unready: int, wanted: int):
    assert desired_pods(current, known, unready, 10.0) == wanted


def test_without_other_policies_it_doubles_or_adds_four_every_fifteen_seconds():
    scaler, pods = controller(), [1]
    for tick in range(5):
        pods.append(scaler.decide(15.0 * tick, pods[-1], 100))
    assert pods == [1, 5, 10, 20, 40, 80]


def test_a_policys_period_counts_what_was_added_within_it():
    scaler, pods = controller(up={"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}), [1]
    for tick in range(9):
        pods.append(scaler.decide(15.0 * tick, pods[-1], 100))
    assert pods == [1, 3, 3, 3, 3, 5, 5, 5, 5, 7]


def test_another_selection_of_policies_is_refused():
    with pytest.raises(ValueError, match="only selectPolicy Max"):
        controller(up={"selectPolicy": "Min"}).decide(0.0, 10, 50)


def test_downwards_the_highest_wish_of_the_window_counts():
    scaler = controller()
    seen = [(0.0, 8, 8), (150.0, 8, 2), (299.0, 8, 2), (301.0, 8, 2)]  # moment, pods, wish
    assert [scaler.decide(*moment) for moment in seen] == [8, 8, 8, 2]


def test_upwards_the_lowest_wish_of_the_window_counts():
    scaler = controller(up={"stabilizationWindowSeconds": 60})
    seen = [(0.0, 2, 2), (30.0, 2, 6), (61.0, 2, 5), (75.0, 5, 9)]
    assert [scaler.decide(*moment) for moment in seen] == [2, 2, 5, 5]


def test_half_of_the_pods_a_minute_is_rounded_towards_fewer():
    policy = {"type": "Percent", "value": 50, "periodSeconds": 60}
    scaler = controller(down={"stabilizationWindowSeconds": 0, "policies": [policy]})
    assert [scaler.decide(*moment) for moment in ((0.0, 9, 1), (15.0, 4, 1), (60.0, 4, 1))] == [4, 4, 2]


def test_the_bounds_hold_whatever_is_wished():
    scaler = Controller(Targets(UP, DOWN | {"stabilizationWindowSeconds": 0}, 10.0, 8.0, 2, 5))
    assert scaler.decide(0.0, 4, 50) == 5
    assert scaler.decide(15.0, 5, 0) == 2


def test_the_charts_own_values_are_simulated():
    targets = read_targets()
    assert targets.down["policies"] and targets.up["policies"]
    assert targets.wait_s > 0 and targets.running > 0


def test_arrivals_come_at_the_rates_with_the_lengths_and_are_the_same_for_the_same_seed():
    made = arrivals([(1_000.0, 2.0), (1_500.0, 4.0)], 1)
    for begin_s, end_s in ((0.0, 1_000.0), (1_000.0, 1_500.0)):
        assert sum(begin_s <= item.sent_s < end_s for item in made) == pytest.approx(2_000, rel=0.07)
    assert {16, 256} <= {item.size.prompt_tokens for item in made} <= set(range(16, 257))
    again, other = (arrivals([(1_000.0, 2.0), (1_500.0, 4.0)], seed) for seed in (1, 2))
    assert [item.size for item in made] == [item.size for item in again] != [item.size for item in other]


def burst(targets: Targets | None, pods: int, seed: int = 0) -> tuple[Simulation, list[Request]]:
    one = capacity_per_s(CURVE)
    requests = arrivals([(BEGIN_S, QUIET_LOAD * one), (STOP_S, BURST_LOAD * one), (END_S, QUIET_LOAD * one)], seed)
    fleet = Simulation(CURVE, pods, targets, 30.0, seed)
    fleet.run(requests, END_S)
    return fleet, requests


@pytest.mark.slow
def test_a_burst_waits_less_where_pods_are_added_and_they_go_again():
    (scaled, served), (_, alone) = burst(read_targets(), 1), burst(None, 1)
    assert waits(served, BEGIN_S, STOP_S)[1] < waits(alone, BEGIN_S, STOP_S)[1] / 2
    most = max(count for _, count in scaled.counts)
    assert most > 3
    assert scaled.counts[-1][1] < most / 2
    assert [item.ended_s for item in burst(read_targets(), 1)[1]] == [item.ended_s for item in served]


def test_every_request_is_served_in_the_end_and_refused_ones_later():
    requests = arrivals([(200.0, 3.0)], 0)
    Simulation(CURVE, 1, None, 0.0, 0).run(requests, 200.0)
    assert all(item.sent_s <= item.started_s < item.ended_s < float("inf") for item in requests)
    refused, admitted = ([item for item in requests if bool(item.refusals) == kind] for kind in (True, False))
    assert refused and admitted
    assert min(item.started_s - item.sent_s for item in refused) >= 1.0  # the shortest Retry-After


def test_a_pod_gets_requests_only_when_it_is_ready_and_none_once_it_is_stopped():
    """One running request a pod is the target: three pods are wanted while four clients are there, and one after."""
    targets = replace(read_targets(), running=1.0, down=DOWN | {"stabilizationWindowSeconds": 0}, highest=3)
    requests = arrivals([(60.0, 0.2), (160.0, 1.0), (400.0, 0.001)], 3)
    fleet = Simulation(CURVE, 1, targets, 40.0, 0)
    fleet.run(requests, 400.0)
    assert [count for _, count in fleet.counts][-1] == 1
    assert max(count for _, count in fleet.counts) == 3
    assert all(item.ended_s < float("inf") for item in requests)
    assert all(pod.open == 0 for pod in fleet._stopped)
