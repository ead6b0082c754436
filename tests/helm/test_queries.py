"""The queries for autoscalers and for Prometheus use series that the service really has.

The results of the dashboard's and the alerts' queries are tested with a real Prometheus in tests/deploy.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import requests
import yaml

from tests.deploy.prometheus import promtool
from tests.helm.chart import FOLDER, Chart, Rendering
from tests.helm.queries import Series, complaints, scrape
from tests.live import live_server

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
ADAPTER = yaml.safe_load((FOLDER / "files" / "adapter-rules.yaml").read_text())
ALERTS = yaml.safe_load((FOLDER / "files" / "alerts.yaml").read_text())
ABSENT = "InkwellAbsent"
every_adapter_rule = pytest.mark.parametrize("rule", ADAPTER["rules"], ids=lambda rule: rule["name"]["matches"])


@pytest.fixture(scope="module")
def series() -> Iterator[Series]:
    """The series of /metrics after one request."""
    with live_server(preload="demo") as server:
        query = {"input_text": "Once", "length": 4}
        requests.get(f"{server.url}/text-generate", params=query, timeout=60).raise_for_status()
        yield scrape(server.url)


def feature(chart: Chart, name: str) -> Rendering:
    return chart.render_file(FOLDER / "ci" / f"{name}-values.yaml")


def alerts(rules: dict) -> dict[str, str]:
    """The query of each alert."""
    return {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}


@every_adapter_rule
def test_the_adapter_makes_metrics_of_pods(rule: dict, series: Series):
    name = rule["name"]["matches"]
    assert name in series
    assert rule["seriesQuery"] == f'{name}{{namespace!="",pod!=""}}'
    assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}


@every_adapter_rule
def test_the_adapters_query_is_one(rule: dict):
    parts = {"<<.Series>>": rule["name"]["matches"], "<<.LabelMatchers>>": 'pod=~"a|b"', "<<.GroupBy>>": "pod"}
    query = rule["metricsQuery"]
    for part, text in parts.items():
        assert part in query
        query = query.replace(part, text)
    assert promql_parser.parse(query)


def test_the_autoscaler_asks_for_what_the_adapter_makes(chart: Chart):
    rendering = feature(chart, "hpa-queue")
    asked = [metric["pods"]["metric"]["name"] for metric in rendering.one("HorizontalPodAutoscaler")["spec"]["metrics"]]
    assert asked == [rule["name"]["matches"] for rule in ADAPTER["rules"]]
    assert yaml.safe_load(rendering.one("ConfigMap")["data"]["config.yaml"]) == ADAPTER


def test_keda_asks_for_what_there_is(chart: Chart, series: Series):
    for name, count in {"keda": 1, "keda-zero": 3}.items():
        triggers = feature(chart, name).one("ScaledObject")["spec"]["triggers"]
        queries = [trigger["metadata"]["query"] for trigger in triggers]
        assert len(queries) == count
        assert queries[0] == 'sum(inkwell_estimated_wait_seconds{job="inkwell",namespace="default"})'
        assert [found for query in queries[:2] for found in complaints(query, series)] == []


def test_alerts_are_held_to_the_release(chart: Chart):
    rendered = alerts(feature(chart, "watching").one("PrometheusRule")["spec"])
    assert rendered.pop(ABSENT) == 'absent(up{job="inkwell",namespace="default"})'
    assert rendered.keys() == alerts(ALERTS).keys()
    for name, query in rendered.items():
        assert promql_parser.parse(query)
        assert query == alerts(ALERTS)[name].replace('job="inkwell"', 'job="inkwell",namespace="default"')
        assert 'namespace="default"' in query


PENDING = {
    "no pod": ({}, True),
    "another release's pods": ({'up{job="inkwell",namespace="staging"}': "1x40"}, True),
    "a pod that does not answer": ({'up{job="inkwell",namespace="default"}': "0x40"}, False),
}


@pytest.mark.parametrize("case", PENDING)
def test_an_alert_tells_when_no_pod_is_seen(chart: Chart, tmp_path: Path, case: str):
    series, fires = PENDING[case]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(feature(chart, "watching").one("PrometheusRule")["spec"]))
    labels = {"exp_labels": {"job": "inkwell", "namespace": "default", "severity": "critical"}}
    (alert,) = (rule for group in yaml.safe_load((tmp_path / "rules.yaml").read_text())["groups"]
                for rule in group["rules"] if rule["alert"] == ABSENT)  # fmt: skip
    expected = [labels | {"exp_annotations": alert["annotations"]}] if fires else []
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": "9m", "alertname": ABSENT, "exp_alerts": []},
            {"eval_time": "11m", "alertname": ABSENT, "exp_alerts": expected},
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_no_pod_is_no_alert_where_there_may_be_none(chart: Chart):
    zero = yaml.safe_load((FOLDER / "ci" / "keda-zero-values.yaml").read_text())
    rules = chart.render(zero | {"prometheusRule": {"enabled": True}}).one("PrometheusRule")["spec"]
    assert alerts(rules).keys() == alerts(ALERTS).keys()


def test_the_dashboard_tells_releases_of_one_name_apart():
    """The variable selects one namespace; without Kubernetes, it matches series that have none."""
    dashboard = json.loads((FOLDER / "files" / "dashboard.json").read_text())
    (namespace,) = (item for item in dashboard["templating"]["list"] if item["name"] == "namespace")
    assert namespace["includeAll"] and namespace["allValue"] == ".*" and namespace["current"]["value"] == "$__all"
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for query in queries:
        selectors = re.findall(r"inkwell_\w+(\{.*?\})?", query)
        assert selectors and all('job="$job",namespace=~"$namespace"' in selector for selector in selectors), query


def test_the_scrape_is_named_as_the_queries_name_it(chart: Chart):
    rendering = feature(chart, "watching")
    monitor = rendering.one("ServiceMonitor")["spec"]
    assert "jobLabel" not in monitor  # then the operator takes the Service's name
    assert rendering.one("Service")["metadata"]["name"] == "inkwell"
    assert monitor["selector"]["matchLabels"].items() <= rendering.one("Service")["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] == rendering.one("Service")["spec"]["ports"][0]["name"]
    assert endpoint["authorization"] == {"credentials": {"name": "scrape-key", "key": "token"}}


def test_a_dashboard_is_the_file(chart: Chart):
    data = feature(chart, "watching").one("ConfigMap")["data"]
    assert data["inkwell.json"].strip() == Path(FOLDER / "files" / "dashboard.json").read_text().strip()


WRONG = {
    'inkwell_nothing{job="inkwell"}': "there is no inkwell_nothing",
    'inkwell_requests_total{job="inkwell",kind="x"}': "has no label kind",
    "sum(inkwell_requests_total)": "is not held to one release",
    'sum by (model) (rate(inkwell_requests_total{job="inkwell"}[1m])) / 2': "no label model to group by",
}


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_query_is_found(query: str, series: Series):
    assert WRONG[query] in " ".join(complaints(query, series))
