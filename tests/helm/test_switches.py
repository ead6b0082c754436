"""Disabled features render nothing, enabled ones render their objects."""

from typing import Any

import pytest

from tests.helm.chart import FOLDER, OPEN, Chart, Rendering

pytestmark = [pytest.mark.slow, pytest.mark.parallel]

PLAIN = ["Deployment/inkwell", "NetworkPolicy/inkwell", "Pod/inkwell-test", "PodDisruptionBudget/inkwell"]
PLAIN += ["Service/inkwell", "ServiceAccount/inkwell"]
OFF = {
    "networkPolicy": ("NetworkPolicy/inkwell", {"enabled": False}),
    "pdb": ("PodDisruptionBudget/inkwell", {"enabled": False}),
    "serviceAccount": ("ServiceAccount/inkwell", {"create": False}),
    "tests": ("Pod/inkwell-test", {"enabled": False}),
}
ON = {
    "dashboard": ["ConfigMap/inkwell-dashboard"],
    "hpa-cpu": ["HorizontalPodAutoscaler/inkwell"],
    "hpa-queue": ["ConfigMap/inkwell-adapter-rules", "HorizontalPodAutoscaler/inkwell", "ServiceMonitor/inkwell"],
    "http-route": ["HTTPRoute/inkwell"],
    "ingress": ["Ingress/inkwell"],
    "keda": ["ScaledObject/inkwell", "ServiceMonitor/inkwell"],
    "watching": ["ConfigMap/inkwell-dashboard", "PrometheusRule/inkwell", "ServiceMonitor/inkwell"],
}


def feature(chart: Chart, name: str) -> Rendering:
    return chart.render_file(FOLDER / "ci" / f"{name}-values.yaml")


def test_little_is_on_by_default(chart: Chart):
    assert sorted(chart.render(OPEN).names) == PLAIN


@pytest.mark.parametrize("name", OFF)
def test_what_is_turned_off_is_gone(chart: Chart, name: str):
    gone, values = OFF[name]
    assert sorted(chart.render(OPEN | {name: values}).names) == [item for item in PLAIN if item != gone]


@pytest.mark.parametrize("name", [name for name in ON if name != "dashboard"])
def test_what_is_turned_on_is_added(chart: Chart, name: str):
    assert sorted(set(feature(chart, name).names) - set(PLAIN)) == ON[name]


def test_a_dashboard_comes_alone(chart: Chart):
    added = set(chart.render(OPEN | {"dashboard": {"enabled": True}}).names) - set(PLAIN)
    assert sorted(added) == ON["dashboard"]


@pytest.mark.parametrize("name", ["hpa-cpu", "hpa-queue", "keda"])
def test_who_scales_sets_the_number_of_pods(chart: Chart, name: str):
    assert "replicas" not in feature(chart, name).one("Deployment")["spec"]
    assert chart.render(OPEN).one("Deployment")["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    ("least", "limit"),
    [
        ("", {"maxUnavailable": 1}),
        (None, {"maxUnavailable": 1}),
        (0, {"minAvailable": 0}),
        (2, {"minAvailable": 2}),
        ("50%", {"minAvailable": "50%"}),
    ],
)
def test_a_drain_is_limited_by_one_of_two_numbers(chart: Chart, least: int | str | None, limit: dict[str, int | str]):
    spec = chart.render(OPEN | {"replicaCount": 3, "pdb": {"minAvailable": least}}).one("PodDisruptionBudget")["spec"]
    assert {name: spec[name] for name in spec if name.endswith("vailable")} == limit


def test_every_scaler_behaves_alike(chart: Chart):
    behavior = feature(chart, "hpa-cpu").one("HorizontalPodAutoscaler")["spec"]["behavior"]
    assert feature(chart, "hpa-queue").one("HorizontalPodAutoscaler")["spec"]["behavior"] == behavior
    advanced = feature(chart, "keda").one("ScaledObject")["spec"]["advanced"]
    assert advanced["horizontalPodAutoscalerConfig"]["behavior"] == behavior


def test_what_stands_beside_the_service_neither_counts_nor_has_to_ask_for_a_processor(chart: Chart):
    rendering = feature(chart, "hpa-cpu")
    (metric,) = rendering.one("HorizontalPodAutoscaler")["spec"]["metrics"]
    measured = metric["containerResource"]["container"]
    (container,) = (item for item in rendering.pod["spec"]["containers"] if item["name"] == measured)
    assert metric["type"] == "ContainerResource" and container["resources"]["requests"]["cpu"]
    assert len(rendering.pod["spec"]["containers"]) == 2


def test_no_series_is_an_error_unless_there_may_be_no_pod(chart: Chart):
    def ignored(name: str) -> set[str]:
        triggers = feature(chart, name).one("ScaledObject")["spec"]["triggers"]
        return {trigger["metadata"]["ignoreNullValues"] for trigger in triggers}

    assert ignored("keda") == {"false"}
    assert ignored("keda-zero") == {"true"}


def test_a_fleet_stays_while_prometheus_is_away(chart: Chart):
    assert feature(chart, "keda").one("ScaledObject")["spec"]["fallback"] == {
        "failureThreshold": 3,
        "replicas": 2,
        "behavior": "currentReplicasIfHigher",
    }
    scaling = {"mode": "keda", "keda": {"serverAddress": "http://prometheus:9090", "fallbackBehavior": ""}}
    older = chart.render(OPEN | {"autoscaling": scaling})
    assert older.one("ScaledObject")["spec"]["fallback"] == {"failureThreshold": 3, "replicas": 2}


def test_gpus_are_asked_for_and_their_nodes_tolerated(chart: Chart):
    rendering = feature(chart, "gpu")
    assert rendering.container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in rendering.pod["spec"][
        "tolerations"
    ]
    assert rendering.environment["INKWELL_DEVICE"] == "cuda"
    assert rendering.container["image"].endswith("-cuda")
    assert feature(chart, "gpus").environment["INKWELL_DEVICE"] == "spread"


STRATEGIES = [
    (OPEN, "RollingUpdate", {"maxSurge": 1, "maxUnavailable": 0}),
    (OPEN | {"gpu": {"enabled": True}}, "RollingUpdate", {"maxSurge": 0, "maxUnavailable": 1}),
    (OPEN | {"persistence": {"enabled": True}, "models": {"default": "124M"}}, "Recreate", None),
]


@pytest.mark.parametrize(("values", "kind", "numbers"), STRATEGIES, ids=["cpu", "gpu", "volume of one node"])
def test_a_rollout_never_waits_for_what_the_old_pod_holds(chart: Chart, values: Any, kind: str, numbers: Any):
    strategy = chart.render(values).one("Deployment")["spec"]["strategy"]
    assert strategy == {"type": kind} | ({"rollingUpdate": numbers} if numbers else {})
