"""Inbound and outbound network access: NetworkPolicies, an Ingress, a Gateway."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from inkwell.parameters.refusals import BODY_BYTES, REQUEST_LINE_BYTES
from tests.helm.chart import FOLDER, OPEN, ROOT, Chart, Object, Rendering

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
DOWNLOAD = OPEN | {"persistence": {"enabled": True}, "models": {"download": [{"name": "124M"}]}}
NGINX = "nginx.ingress.kubernetes.io"
SITE = Path(ROOT, "docs", "deploy", "inkwell.nginx").read_text()
MIB = 1 << 20


def feature(chart: Chart, name: str) -> Rendering:
    return chart.render_file(FOLDER / "ci" / f"{name}-values.yaml")


def ports(rule: Object) -> list[tuple[int, str]]:
    return [(item["port"], item["protocol"]) for item in rule["ports"]]


NAMES = [(53, "UDP"), (53, "TCP"), (5353, "UDP"), (5353, "TCP")]


def test_by_default_anybody_may_come_in_and_nothing_goes_out(chart: Chart):
    spec = chart.render(OPEN).one("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    assert spec["egress"] == []


def test_the_test_pod_is_let_in_where_others_are_not(chart: Chart):
    rendering = feature(chart, "network-policy")
    peers = rendering.one("NetworkPolicy")["spec"]["ingress"][0]["from"]
    labels = rendering.one("Pod")["metadata"]["labels"].items()
    assert any(
        peer.get("podSelector", {}).get("matchLabels", {}).items() <= labels for peer in peers if "podSelector" in peer
    )


def test_traces_find_their_collector_by_its_name(chart: Chart):
    rendering = feature(chart, "network-policy")
    assert rendering.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.tracing:4318"
    names, collector = rendering.one("NetworkPolicy")["spec"]["egress"]
    assert ports(names) == NAMES and "to" not in names
    assert ports(collector) == [(4318, "TCP")]


def test_jobs_reach_the_hub_and_not_the_clouds_credentials(chart: Chart):
    rendering = chart.render(DOWNLOAD)
    policy = rendering.one("NetworkPolicy", "inkwell-download")["spec"]
    job = rendering.one("Job")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= job.items()
    assert "ingress" not in policy and "Ingress" in policy["policyTypes"]
    names, hub = policy["egress"]
    assert ports(names) == NAMES
    assert "169.254.0.0/16" in hub["to"][0]["ipBlock"]["except"]
    assert ports(hub) == [(443, "TCP")]


HUBS: list[tuple[dict[str, Any], list[int]]] = [
    ({"hub": {"endpoint": "https://hub.example"}}, [443]),
    ({"hub": {"endpoint": "https://hub.example:8443/mirror"}}, [443, 8443]),
    ({"hub": {"endpoint": "http://hub.example/mirror:1"}}, [443, 80]),
    ({"hub": {"endpoint": "https://[fd00::1]:8443"}}, [443, 8443]),
    ({"hub": {"endpoint": "https://[fd00::1]"}}, [443]),
    ({"jobEnv": [{"name": "https_proxy", "value": "http://me:secret@proxy.example:3128"}]}, [443, 3128]),
    ({"jobEnv": [{"name": "ALL_PROXY", "value": "proxy.example:3128"}]}, [443, 3128]),
    ({"jobEnv": [{"name": "NO_PROXY", "value": "hub.example:8443"}]}, [443]),
]


@pytest.mark.parametrize(("models", "expected"), HUBS, ids=str)
def test_the_ports_of_a_mirror_and_a_proxy_are_open_for_the_jobs(chart: Chart, models: dict, expected: list[int]):
    values = copy.deepcopy(DOWNLOAD)
    values["models"] |= models
    _, hub = chart.render(values).one("NetworkPolicy", "inkwell-download")["spec"]["egress"]
    assert ports(hub) == [(port, "TCP") for port in expected]


def annotations(chart: Chart) -> dict[str, str]:
    return feature(chart, "ingress").one("Ingress")["metadata"]["annotations"]


def test_an_ingress_holds_no_stream_back(chart: Chart):
    found = annotations(chart)
    assert found[f"{NGINX}/proxy-buffering"] == "off"
    assert int(found[f"{NGINX}/proxy-read-timeout"]) > 300
    assert found["cert-manager.io/cluster-issuer"] == "internal"


def test_a_gateway_waits_longer_than_any_request_takes(chart: Chart):
    (rule,) = feature(chart, "http-route").one("HTTPRoute")["spec"]["rules"]
    assert rule["timeouts"] == {"request": "330s"}


def test_an_ingress_lets_the_service_refuse_large_bodies_itself(chart: Chart):
    limit = annotations(chart)[f"{NGINX}/proxy-body-size"]
    assert limit == re.search("client_max_body_size (.*);", SITE)[1]
    assert int(limit.removesuffix("m")) * MIB > BODY_BYTES


def test_an_ingress_writes_no_prompt_into_its_log(chart: Chart):
    assert annotations(chart)[f"{NGINX}/enable-access-log"] == "false"


def test_the_readme_names_what_long_prompts_in_addresses_need():
    found = re.search("large-client-header-buffers: (\\d+) (\\d+)k", (FOLDER / "README.md").read_text())
    assert int(found[2]) * 1024 > REQUEST_LINE_BYTES
    assert f"large_client_header_buffers {found[1]} {found[2]}k;" in SITE
