"""The autoscalers' arithmetic, number by number, on values that are written out."""

import pytest

from scripts.scaling.chart import MODES, read_targets, scaler_for
from scripts.scaling.curve import Curve
from scripts.scaling.fleet import Fleet
from scripts.scaling.hpa import Behavior, Controller, pods_wanted, sum_wanted
from scripts.scaling.replica import Limits, Ticket
from scripts.scaling.scalers import HpaCpu, HpaQueue, Keda, Targets

CURVE = Curve("124M", "bfloat16", "a machine", 2, 16, "2026-11-21", "0", 0.02, 0.0034, 0.0018, 0.0, 3.0, True)
AT_ONCE = Behavior.read({"scaleDown": {"stabilizationWindowSeconds": 0}})


@pytest.mark.parametrize(
    ("current", "known", "unready", "wanted"),
    [
        (4, [20.0] * 4, 0, 8),
        (4, [5.0] * 4, 0, 2),
        (4, [10.9] * 4, 0, 4),  # within the tolerance
        (4, [11.2] * 4, 0, 5),
        (4, [30.0, 30.0], 2, 6),  # two that start count as idle
        (4, [15.0, 15.0], 2, 4),  # and may turn it into a wish for fewer, which is not followed
        (4, [6.0, 6.0, 6.0], 1, 2),  # downwards they do not count
        (4, [], 4, 4),  # nothing is known
        (3, [0.0] * 3, 0, 0),
    ],
)
def test_an_average_over_pods_becomes_a_number_of_pods(current, known, unready, wanted):
    assert pods_wanted(current, known, unready, 10.0) == wanted


@pytest.mark.parametrize(
    ("current", "total", "wanted"), [(4, 80.0, 8), (4, 43.0, 4), (4, 31.0, 4), (4, 30.0, 3), (4, 0.0, 0), (0, 5.0, 1)]
)
def test_a_sum_becomes_a_number_of_pods(current, total, wanted):
    assert sum_wanted(current, total, 10.0) == wanted


def test_without_policies_it_doubles_or_adds_four_every_fifteen_seconds():
    controller = Controller(Behavior.read({}), 1, 100)
    pods = [1]
    for tick in range(5):
        pods.append(controller.decide(15.0 * tick, pods[-1], 100))
    assert pods == [1, 5, 10, 20, 40, 80]


def test_a_policys_period_counts_what_was_added_within_it():
    values = {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}
    controller = Controller(Behavior.read(values), 1, 100)
    pods = [1]
    for tick in range(9):
        pods.append(controller.decide(15.0 * tick, pods[-1], 100))
    assert pods == [1, 3, 3, 3, 3, 5, 5, 5, 5, 7]


@pytest.mark.parametrize(("select", "pods"), [("Max", 14), ("Min", 12), ("Disabled", 10)])
def test_the_selected_policy_bounds_the_step(select: str, pods: int):
    policies = [
        {"type": "Percent", "value": 20, "periodSeconds": 60},
        {"type": "Pods", "value": 4, "periodSeconds": 60},
    ]
    up = Behavior.read({"scaleUp": {"selectPolicy": select, "policies": policies}})
    assert Controller(up, 1, 100).decide(0.0, 10, 50) == pods


def test_downwards_the_highest_wish_of_the_window_counts():
    controller = Controller(Behavior.read({}), 1, 100)
    assert controller.decide(0.0, 8, 8) == 8
    assert controller.decide(150.0, 8, 2) == 8
    assert controller.decide(299.0, 8, 2) == 8
    assert controller.decide(301.0, 8, 2) == 2


def test_upwards_the_lowest_wish_of_the_window_counts():
    controller = Controller(Behavior.read({"scaleUp": {"stabilizationWindowSeconds": 60}}), 1, 100)
    seen = [(0.0, 2, 2), (30.0, 2, 6), (61.0, 2, 5), (75.0, 5, 9)]  # moment, pods, wish
    assert [controller.decide(*moment) for moment in seen] == [2, 2, 5, 5]


def test_half_of_the_pods_a_minute_is_rounded_towards_fewer():
    down = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]}
    controller = Controller(Behavior.read({"scaleDown": down}), 1, 100)
    assert [controller.decide(at_s, pods, 1) for at_s, pods in ((0.0, 9), (15.0, 4), (60.0, 4))] == [4, 4, 2]


def test_the_bounds_hold_whatever_is_wished():
    controller = Controller(AT_ONCE, 2, 5)
    assert controller.decide(0.0, 4, 50) == 5
    assert controller.decide(15.0, 5, 0) == 2


def fleet_of(pods: int, requests: int, tokens: int = 200) -> Fleet:
    """Ready pods that each have so many requests, after some steps and two scrapes."""
    fleet = Fleet(CURVE, Limits(), 30.0, 10.0, "least", 0)
    for pod in fleet.resize(pods, 0.0, start_s=0.0):
        for _ in range(requests):
            pod.replica.take(Ticket(0.0, 32, tokens), 0.0)
        while requests and pod.replica.ends_s < 40.0:
            pod.replica.advance()
        pod.scrape(20.0)
        pod.scrape(40.0)
    return fleet


def test_pods_with_a_single_stream_look_fully_busy_to_the_processor_and_idle_to_the_queue():
    fleet, targets = fleet_of(2, 1, tokens=1_900), Targets(AT_ONCE, 1, 10)
    assert [(pod.busy, pod.running, pod.wait_s) for pod in fleet.pods] == [(1.0, 1, 0.0)] * 2
    assert HpaCpu(targets).sync(40.0, fleet) == 3
    assert HpaQueue(targets).sync(40.0, fleet) == 1


def test_a_queue_adds_pods_by_its_wait_or_by_what_runs_whichever_wants_more():
    fleet = fleet_of(2, 72)
    pod = fleet.pods[0]
    assert pod.running == 16
    assert pod.wait_s > 10
    assert HpaQueue(Targets(AT_ONCE, 1, 10, wait_s=1_000.0, running=12.0)).sync(40.0, fleet) == 3
    by_wait = HpaQueue(Targets(AT_ONCE, 1, 10, wait_s=10.0, running=12.0)).sync(40.0, fleet)
    assert by_wait == min(6, -(-2 * pod.wait_s // 10))  # at most four more at once
    assert Keda(Targets(AT_ONCE, 1, 10, wait_s=10.0, running=12.0)).sync(40.0, fleet) == by_wait


def test_keda_takes_the_last_pod_down_after_the_cooldown_and_the_first_up_when_somebody_knocks():
    fleet = fleet_of(1, 0)
    keda = Keda(Targets(AT_ONCE, 0, 3, cooldown_s=360.0, wake_per_s=1.0))
    assert keda.sync(0.0, fleet) == 1  # the HPA below it never goes below one
    assert keda.poll(359.0, fleet) == 1
    assert keda.poll(360.0, fleet) == 0
    fleet.resize(0, 360.0)
    assert keda.poll(375.0, fleet) == 0
    fleet.door.scrape(375.0)
    fleet.door.asked += 1
    fleet.door.scrape(390.0)
    assert keda.poll(391.0, fleet) == 1
    assert keda.sync(391.0, fleet) == 0


def test_the_charts_own_values_are_what_is_simulated():
    targets = read_targets()
    assert targets.behavior.down.window_s >= 0
    assert targets.min_replicas <= targets.max_replicas
    assert [type(scaler_for(mode, targets)) for mode in MODES] == [HpaCpu, HpaQueue, Keda]


def test_another_files_values_are_refused_by_name(tmp_path):
    (tmp_path / "values.yaml").write_text("autoscaling: {behavior: {}}")
    with pytest.raises(ValueError, match="values.yaml lacks a value of autoscaling"):
        read_targets(tmp_path / "values.yaml")
