"""A real Prometheus with the running service: every query of the dashboard and of the alerts finds data.

The service does everything that is counted, including failures, so that no query may return an empty result.
"""

import hashlib
import json
import re
from collections.abc import Iterator

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.deploy.prometheus import Prometheus, promtool, running_prometheus
from tests.live import PROJECT_ROOT, LiveServer, live_server, public_folder
from tests.servable import save_servable

pytestmark = pytest.mark.slow

FILES = PROJECT_ROOT / "helm" / "files"
DASHBOARD = json.loads((FILES / "dashboard.json").read_text())
TARGETS = [(f"{panel['title']} {target['refId']}", target["expr"]) for panel in DASHBOARD["panels"]
           for target in panel["targets"]]  # fmt: skip
VARIABLES = [item["query"] for item in DASHBOARD["templating"]["list"] if item["type"] == "query"]
GROUPS = yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]
RULES = {rule["alert"]: rule["expr"] for group in GROUPS for rule in group["rules"]}
CONDITION = re.compile(r"\s*(==|>)\s*[0-9.]+\s*$")  # without it, an alert's query returns the observed value
# Alerts that a first failed load and a first crash must raise, although their counters start at 1 in the first scrape.
FIRST = ("InkwellLoadFailures", "InkwellWorkerCrashes")
KEYS = {"app": "infer", "greedy": "infer requests_per_minute=1", "prometheus": "metrics"}


@pytest.fixture(scope="module")
def watched() -> Iterator[LiveServer]:
    """A service with keys, two models of which only one fits into memory, and a truncated one."""
    lines = [f"{name} {hashlib.sha256(name.encode()).hexdigest()} {scope}" for name, scope in KEYS.items()]
    with public_folder() as folder:
        for name in ("demo", "other", "cut"):
            save_servable(folder / name)
            (folder / name / "model.safetensors").chmod(0o644)  # must be readable by Apache's account
        weights = folder / "cut" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        settings = {"max_models": 1, "device": "cpu", "retry_load_s": 0.01, "ping_s": 0.1}
        with live_server(folder, keys=";".join(lines), **settings) as server:
            yield server


@pytest.fixture(scope="module")
def after_the_first() -> dict[str, list[dict[str, object]]]:
    """The alerts that fired after everything had happened once, before the first scrape."""
    return {}


@pytest.fixture(scope="module")
def prometheus(
    watched: LiveServer, after_the_first: dict[str, list[dict[str, object]]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A Prometheus that scraped the service before and after everything happened a second time."""
    credentials = tmp_path_factory.mktemp("prometheus") / "key"
    credentials.write_text("prometheus")
    job = {
        "job_name": "inkwell",
        "scrape_interval": "1s",
        "authorization": {"credentials_file": str(credentials)},
        "static_configs": [{"targets": [f"127.0.0.1:{watched.port}"], "labels": {"namespace": "here"}}],
    }
    everything_happens(watched)
    with running_prometheus({"scrape_configs": [job]}) as prometheus:
        assert prometheus.wait_for('up{job="inkwell"} == 1')
        assert prometheus.wait_for("count_over_time(inkwell_build_info[1m]) >= 2")
        after_the_first.update({alert: prometheus.wait_for(RULES[alert]) for alert in FIRST})
        everything_happens(watched)
        assert prometheus.wait_for('increase(inkwell_worker_exits_total{reason="killed"}[1m]) > 0')
        assert prometheus.wait_for('inkwell_slots{model="demo"}')
        yield prometheus


def everything_happens(server: LiveServer) -> None:
    """Cause generations, a shared prefix, a refusal, a failed load, an eviction, and a worker's death."""
    ask(server, input_text="abcdefghij" * 10)
    ask(server, input_text="abcdefghij" * 10)
    ask(server, length=0)
    ask(server, "greedy")
    assert ask(server, "greedy").status_code == 429
    ask(server, model_name="cut")
    assert ask(server).status_code == 200
    for worker in server.workers():
        worker.suspend()
    stream = ask(server, length=900, stream=True)
    for worker in server.workers():
        worker.kill()
    assert "worker_died" in stream.text
    assert ask(server, model_name="other").status_code == 200
    assert ask(server).status_code == 200


def ask(server: LiveServer, key: str = "app", **wanted: object) -> requests.Response:
    body = {"input_text": "abc", "length": 20, "temperature": 0, **wanted}
    headers = {"Authorization": f"Bearer {key}"}
    return requests.post(f"{server.url}/text-generate", json=body, headers=headers, stream=True, timeout=60)


def scrape(server: LiveServer) -> str:
    return requests.get(f"{server.url}/metrics", headers={"Authorization": "Bearer prometheus"}, timeout=10).text


def filled(query: str) -> str:
    """Return the queries with the dashboard's variables at their initial values."""
    values = {"$__rate_interval": "1m", "$job": "inkwell", "$namespace": ".*", "$model": ".*"}
    return re.sub(r"\$\w+", lambda found: values[found[0]], query)


@pytest.mark.parametrize(("panel", "expression"), TARGETS, ids=[name for name, _ in TARGETS])
def test_every_panel_shows_something(prometheus: Prometheus, panel: str, expression: str):
    query = filled(expression)
    series = prometheus.wait_for(query)
    assert series, query
    assert any(item["value"][1] not in ("NaN", "+Inf") for item in series), series


@pytest.mark.parametrize("alert", RULES)
def test_every_alert_watches_something(prometheus: Prometheus, alert: str):
    assert CONDITION.search(RULES[alert])
    query = CONDITION.sub("", RULES[alert])
    assert prometheus.wait_for(query), query


@pytest.mark.parametrize("alert", FIRST)
def test_the_first_of_its_kind_raises_the_alert(
    prometheus: Prometheus, after_the_first: dict[str, list[dict[str, object]]], alert: str
):
    assert after_the_first[alert]


@pytest.mark.parametrize("query", VARIABLES)
def test_every_variable_of_the_dashboard_has_values(prometheus: Prometheus, query: str):
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", filled(query))
    assert found and all(found[2] in series["metric"] for series in prometheus.wait_for(found[1]))


def test_every_metric_is_on_the_dashboard(watched: LiveServer, prometheus: Prometheus):
    shown = " ".join(expression for _, expression in TARGETS)
    families = [family.name for family in parse(scrape(watched))]
    assert len(families) > 20 and [name for name in families if name not in shown] == []


def test_promtool_finds_nothing_to_say_against_the_metrics(watched: LiveServer, prometheus: Prometheus):
    assert promtool("check", "metrics", text=scrape(watched)) == ""


def test_a_scrape_is_quick_and_leaves_no_line_in_the_log(watched: LiveServer, prometheus: Prometheus):
    (duration,) = prometheus.wait_for('scrape_duration_seconds{job="inkwell"}')
    assert float(duration["value"][1]) < 0.5
    assert "/metrics" not in watched.logs() and "/text-generate" in watched.logs()
