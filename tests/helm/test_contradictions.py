"""Contradictory values are rejected with a message, on every supported version of Helm."""

from typing import Any

import pytest
import yaml

from inkwell.apache.config import DRAIN_S
from inkwell.settings.settings import FREE_CONNECTIONS, Settings
from scripts.chart.helm import HelmError
from tests.helm.chart import FOLDER, OPEN, Chart

pytestmark = [pytest.mark.slow, pytest.mark.parallel]

VOLUME = {"persistence": {"enabled": True}}
DOWNLOAD = {"models": {"download": [{"name": "x"}]}}
TRACES = {"extraEnv": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.tracing:4318"}]}
BESIDE = {"extraEnv": [{"name": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "value": "http://localhost:4318/v1/traces"}]}
PROMETHEUS = {"serverAddress": "http://prometheus:9090"}
WAKE = {"query": "x", "perReplica": 1}
DEFAULTS = Settings.from_environ({})
MAX_REQUESTS = DEFAULTS.max_connections - FREE_CONNECTIONS
ZERO = {"autoscaling": {"mode": "keda", "minReplicas": 0, "keda": PROMETHEUS | {"wake": WAKE}}}


def with_modes(*modes: str) -> dict[str, Any]:
    return {"persistence": {"enabled": True, "accessModes": list(modes)}}


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({}, "Name the Secret with the keys file in apiKeys.existingSecret, or set open=true"),
    (OPEN | {"apiKeys": {"existingSecret": "keys"}}, "choose one"),
    ({"apiKeys": {"existingSecret": "keys"}, "serviceMonitor": {"enabled": True}}, "needs a key for /metrics"),
    (OPEN | {"models": {"download": [{"name": "124M"}]}}, "set persistence.enabled=true"),
    (OPEN | VOLUME, "set models.default"),
    (OPEN | VOLUME | {"models": {"download": [{"name": "a/x"}, {"name": "b/x"}]}}, "the same folder"),
    (
        OPEN | VOLUME | {"models": {"download": [{"name": "124M"}], "default": "demo"}},
        "The model demo is to be loaded at startup",
    ),
    (OPEN | {"models": {"preload": ["a", "b", "c"]}}, "settings.maxModels is 3"),
    (OPEN | VOLUME | {"models": {"default": "x"}, "replicaCount": 2}, "2 pods cannot share a volume"),
    (
        OPEN
        | {
            "persistence": {"enabled": True, "accessModes": ["ReadOnlyMany"], "existingClaim": "weights"},
            "models": {"download": [{"name": "x"}]},
        },
        "cannot write into a volume with access mode ReadOnlyMany",
    ),
    (
        OPEN
        | {
            "persistence": {"enabled": True, "accessModes": ["ReadWriteOncePod"]},
            "models": {"download": [{"name": "x"}]},
        },
        "cannot write into a volume with access mode ReadWriteOncePod",
    ),
    (OPEN | {"extraEnv": [{"name": "INKWELL_PORT", "value": "1"}]}, "extraEnv sets INKWELL_PORT"),
    (OPEN | {"extraEnv": [{"name": "TMPDIR", "value": "/x"}]}, "extraEnv sets TMPDIR"),
    (OPEN | {"podLabels": {"app.kubernetes.io/component": "x"}}, "podLabels sets app.kubernetes.io/component"),
    (OPEN | {"commonLabels": {"app.kubernetes.io/version": "x"}}, "commonLabels sets app.kubernetes.io/version"),
    (OPEN | {"service": {"labels": {"helm.sh/chart": "x"}}}, "service.labels sets helm.sh/chart"),
    (OPEN | {"readinessProbe": None}, "readinessProbe is null"),
    (OPEN | {"resources": None}, "resources is null"),
    (OPEN | TRACES, "let traces reach the collector with networkPolicy.extraEgress"),
    (OPEN | {"models": {"jobEnv": [{"name": "HF_TOKEN", "value": "x"}]}}, "models.jobEnv sets HF_TOKEN"),
    (OPEN | with_modes("ReadOnlyMany") | {"models": {"default": "x"}}, "Models cannot be written into a new volume"),
    (OPEN | {"serviceMonitor": {"interval": "1m", "scrapeTimeout": "1m1ms"}}, "scrapeTimeout is 1m1ms"),
    (OPEN | {"settings": {"maxMemory": "0=1GiB"}}, "gpu.count above 1"),
    (OPEN | {"settings": {"maxRequests": MAX_REQUESTS + 1}}, "at least 8 more"),
    (OPEN | {"settings": {"maxConnections": DEFAULTS.max_requests + 7}}, "at least 8 more"),
    (OPEN | {"gpu": {"enabled": True}, "settings": {"dtype": "int4"}}, "runs only on CPUs"),
    (OPEN | {"settings": {"requestTimeoutS": DRAIN_S + 1}}, "longer ones would be aborted"),
    (OPEN | {"terminationGracePeriodSeconds": 324}, "is 324, but shutdown can take 325"),
    (OPEN | {"settings": {"requestTimeoutS": None}, "preStopSeconds": 26}, "is 340, but shutdown can take 341"),
    (OPEN | {"preStopSeconds": 26}, "is 340, but shutdown can take 341"),
    (OPEN | {"ingress": {"enabled": True}}, "add one to ingress.hosts"),
    (OPEN | {"httpRoute": {"enabled": True}}, "httpRoute.parentRefs"),
    (OPEN | {"service": {"nodePort": 30000}}, "no effect with service.type=ClusterIP"),
    (OPEN | {"service": {"loadBalancerSourceRanges": ["10.0.0.0/8"]}}, "no effect with service.type=ClusterIP"),
    (OPEN | {"pdb": {"maxUnavailable": None, "minAvailable": None}}, "pdb.maxUnavailable is"),
    (OPEN | {"pdb": {"minAvailable": 1}}, "as few pods as 1: nodes could never be drained"),
    (
        OPEN | {"pdb": {"minAvailable": "67%"}, "replicaCount": 3},
        "67%, but there may be as few pods as 3",
    ),
    (OPEN | ZERO | {"pdb": {"minAvailable": "1%"}}, "1%, but there may be as few pods as 1"),
    (OPEN | {"pdb": {"maxUnavailable": 0}}, "pdb.maxUnavailable is 0: nodes could never be drained"),
    (OPEN | {"pdb": {"maxUnavailable": "0%"}}, "pdb.maxUnavailable is 0%"),
    (OPEN | {"autoscaling": {"mode": "hpa-cpu"}, "replicaCount": 2}, "replicaCount has no effect"),
    (OPEN | {"autoscaling": {"mode": "hpa-cpu", "minReplicas": 9}}, "above autoscaling.maxReplicas, which is 4"),
    (OPEN | {"autoscaling": {"mode": "hpa-cpu"}, "gpu": {"enabled": True}}, "use hpa-queue or keda"),
    (OPEN | {"autoscaling": {"mode": "hpa-cpu"}, "resources": {"requests": {"cpu": None}}}, "resources.requests.cpu"),
    (OPEN | {"autoscaling": {"mode": "hpa-cpu"}}, "needs a CPU bound"),
    (OPEN | {"autoscaling": {"mode": "hpa-cpu"}, "settings": {"threads": 0}}, "needs a CPU bound"),
    (OPEN | {"autoscaling": {"mode": "hpa-queue"}, "settings": {"maxRows": 8}}, "a pod computes 8 requests at once"),
    (OPEN | {"autoscaling": {"mode": "keda", "keda": PROMETHEUS}, "settings": {"maxRows": 4}}, "a pod computes 4"),
    (OPEN | {"autoscaling": {"mode": "hpa-queue", "minReplicas": 0}}, "minReplicas=0 needs mode=keda"),
    (OPEN | {"autoscaling": {"mode": "keda", "minReplicas": 0, "keda": PROMETHEUS}}, "keda.wake.query"),
    (OPEN | {"autoscaling": {"mode": "keda"}}, "set autoscaling.keda.serverAddress"),
    (OPEN | {"autoscaling": {"mode": "keda", "keda": PROMETHEUS | {"wake": {"query": "x"}}}}, "leave its query empty"),
    (OPEN | {"autoscaling": {"mode": "keda", "maxReplicas": 1, "keda": PROMETHEUS}}, "fallbackReplicas is above"),
]


@pytest.mark.parametrize(("values", "sentence"), CONTRADICTIONS, ids=[sentence for _, sentence in CONTRADICTIONS])
def test_it_is_refused(every_chart: Chart, values: dict[str, Any], sentence: str):
    with pytest.raises(HelmError) as refusal:
        every_chart.render(values)
    assert sentence in str(refusal.value)


ALLOWED = [
    OPEN | {"settings": {"maxRequests": MAX_REQUESTS}},
    OPEN | {"settings": {"maxConnections": DEFAULTS.max_requests + 8}},
    OPEN | {"settings": {"requestTimeoutS": DRAIN_S}},
    OPEN | {"terminationGracePeriodSeconds": 325},
    OPEN | {"settings": {"requestTimeoutS": 60}, "terminationGracePeriodSeconds": 85},
    OPEN | {"preStopSeconds": 0, "terminationGracePeriodSeconds": 315},
    OPEN | {"pdb": {"minAvailable": "66%"}, "replicaCount": 3},
    OPEN | {"pdb": {"minAvailable": 1}, "replicaCount": 0},
    OPEN | {"pdb": {"maxUnavailable": "1%"}},
    OPEN | {"pdb": {"minAvailable": 1, "maxUnavailable": None}, "replicaCount": 2},
    OPEN | {"pdb": {"maxUnavailable": 0, "enabled": False}},
    OPEN | ZERO | {"pdb": {"minAvailable": 0}},
    OPEN | {"models": {"preload": ["a", "b", "c"]}, "settings": {"maxModels": 4}},
    OPEN | TRACES | {"networkPolicy": {"enabled": False}},
    OPEN | BESIDE,
    OPEN | {"extraEnv": [*TRACES["extraEnv"], {"name": "OTEL_SDK_DISABLED", "value": "True"}]},
    OPEN | {"extraEnv": [{"name": "OTEL_TRACES_EXPORTER", "value": "none"}, *TRACES["extraEnv"]]},
    OPEN
    | {"podLabels": {"app.kubernetes.io/part-of": "tales"}, "commonLabels": {"app.kubernetes.io/part-of": "tales"}},
    OPEN | {"serviceMonitor": {"interval": "1m", "scrapeTimeout": "60s"}},
    OPEN | {"autoscaling": {"mode": "hpa-cpu"}, "settings": {"threads": 2}},
    OPEN | {"autoscaling": {"mode": "hpa-queue"}, "settings": {"maxRows": 9}},
    OPEN | {"autoscaling": {"mode": "hpa-queue", "targetRunningRequests": 0.5}, "settings": {"maxRows": 1}},
]


@pytest.mark.parametrize("values", ALLOWED, ids=str)
def test_what_just_fits_is_allowed(every_chart: Chart, values: dict[str, Any]):
    assert every_chart.render(values).container


def test_the_chart_knows_the_services_own_timeout():
    settings = Settings.from_environ({})
    assert yaml.safe_load((FOLDER / "values.yaml").read_text())["settings"] == {
        "requestTimeoutS": settings.request_timeout_s
    }


def test_a_pod_serves_on_before_it_is_told_to_end(chart: Chart):
    assert chart.render(OPEN).container["lifecycle"] == {"preStop": {"exec": {"command": ["sleep", "10"]}}}
    without = OPEN | {"preStopSeconds": 0, "terminationGracePeriodSeconds": 315}
    assert "lifecycle" not in chart.render(without).container
