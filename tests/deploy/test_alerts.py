"""The alerts, checked with promtool: they are valid, fire when they should, and not before."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.prometheus import promtool
from tests.live import PROJECT_ROOT

pytestmark = pytest.mark.slow

RULES = PROJECT_ROOT / "helm" / "files" / "alerts.yaml"
HERE = {"job": "inkwell", "namespace": "here"}
POD = 'job="inkwell",namespace="here",instance="a"'

# Alert: (series, when it does not fire yet, when it does, its labels beside job and namespace)
CASES: dict[str, tuple[dict[str, str], str, str, dict[str, str]]] = {
    "InkwellDown": ({f"up{{{POD}}}": "1x10 0x30"}, "14m", "18m", {"instance": "a", "severity": "critical"}),
    "InkwellErrors": (
        {
            f'inkwell_requests_total{{{POD},route="/generate",status="200"}}': "0+90x60",
            f'inkwell_requests_total{{{POD},route="/generate",status="500"}}': "0x20 0+10x40",
            f'inkwell_requests_total{{{POD},route="/readyz",status="503"}}': "0+900x60",
        },
        "20m",
        "45m",
        {"severity": "critical"},
    ),
    "InkwellFailures": (
        {
            f'inkwell_generations_total{{{POD},model="demo",outcome="ok"}}': "0+90x60",
            f'inkwell_generations_total{{{POD},model="demo",outcome="cancelled"}}': "0+90x60",
            f'inkwell_generations_total{{{POD},model="demo",outcome="refused"}}': "0+9000x60",
            f'inkwell_generations_total{{{POD},model="demo",outcome="worker_died"}}': "0x20 0+20x40",
        },
        "20m",
        "45m",
        {"model": "demo", "severity": "critical"},
    ),
    "InkwellRefusals": (
        {
            f'inkwell_requests_total{{{POD},route="/generate",status="200"}}': "0+90x60",
            f'inkwell_requests_total{{{POD},route="/generate",status="429"}}': "0x10 0+40x50",
            f'inkwell_refusals_total{{{POD},code="queue_full"}}': "0x20 0+30x40",
            f'inkwell_refusals_total{{{POD},code="rate_limit_exceeded"}}': "0+10x60",
            f'inkwell_refusals_total{{{POD},code="not_found"}}': "0+80x60",
        },
        "20m",
        "45m",
        {"code": "queue_full", "severity": "warning"},
    ),
    "InkwellLongWait": (
        {f"inkwell_estimated_wait_seconds{{{POD}}}": "5x10 90x30"}, "18m", "22m", {"severity": "warning"},
    ),
    "InkwellSlowFirstToken": (
        {
            f'inkwell_time_to_first_token_seconds_bucket{{{POD},model="demo",le="30"}}': "0+90x30 2700+45x40",
            f'inkwell_time_to_first_token_seconds_bucket{{{POD},model="demo",le="60"}}': "0+90x70",
            f'inkwell_time_to_first_token_seconds_bucket{{{POD},model="demo",le="+Inf"}}': "0+90x70",
        },
        "40m",
        "60m",
        {"model": "demo", "severity": "warning"},
    ),
    "InkwellWorkerCrashes": (
        {f'inkwell_worker_exits_total{{{POD},model="demo",reason="killed"}}': "0x20 1x20",
         f'inkwell_worker_exits_total{{{POD},model="demo",reason="stopped"}}': "0+5x40"},
        "20m",
        "22m",
        {"model": "demo", "reason": "killed", "severity": "warning"},
    ),
    "InkwellLoadFailures": (
        {f'inkwell_model_loads_total{{{POD},model="demo",result="failed"}}': "0x20 1x20",
         f'inkwell_model_loads_total{{{POD},model="demo",result="ok"}}': "0+5x40"},
        "20m",
        "22m",
        {"model": "demo", "severity": "warning"},
    ),
    "InkwellModelsTakeTurns": (
        {
            f'inkwell_model_evictions_total{{{POD},model="demo"}}': "0+1x10 10x20 10+1x60",
            f'inkwell_model_evictions_total{{{POD},model="other"}}': "0+1x10 10x20 10+1x60",
        },
        "5m",
        "45m",
        {"severity": "warning"},
    ),
    "InkwellCrashLoop": (
        {f'inkwell_worker_exits_total{{{POD},model="demo",reason="killed"}}': "0x20 1 2 3 4 5 6x20",
         f'inkwell_worker_exits_total{{{POD},model="demo",reason="stopped"}}': "0+5x60"},
        "20m",
        "27m",
        {"model": "demo", "severity": "critical"},
    ),
    "InkwellMemory": (
        {
            f'inkwell_worker_memory_bytes{{{POD},model="demo"}}': "40x10 65x40",
            f'inkwell_worker_memory_bytes{{{POD},model="other"}}': "10x50",
            f"inkwell_web_memory_bytes{{{POD}}}": "20x50",
            f"inkwell_memory_limit_bytes{{{POD}}}": "100x50",
        },
        "15m",
        "25m",
        {"instance": "a", "severity": "warning"},
    ),
}  # fmt: skip


# A counter that starts at 1, like that of a first load that fails before the first scrape.
FIRST = {
    "InkwellWorkerCrashes": (
        f'inkwell_worker_exits_total{{{POD},model="demo",reason="killed"}}',
        {"model": "demo", "reason": "killed", "severity": "warning"},
    ),
    "InkwellLoadFailures": (
        f'inkwell_model_loads_total{{{POD},model="demo",result="failed"}}',
        {"model": "demo", "severity": "warning"},
    ),
}


def test_every_alert_is_judged():
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules} == set(CASES)


def test_the_rules_are_sound():
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should_and_not_before(alert: str, tmp_path: Path):
    series, quiet, loud, labels = CASES[alert]
    promtool_test(tmp_path, alert, series, {quiet: [], loud: [labels]})


@pytest.mark.parametrize("alert", FIRST)
def test_the_first_event_fires_though_its_series_begins_with_it(alert: str, tmp_path: Path):
    name, labels = FIRST[alert]
    promtool_test(
        tmp_path, alert, {name: "_x20 1x60"}, {"19m": [], "21m": [labels], "34m": [labels], "40m": [], "70m": []}
    )


@pytest.mark.parametrize("alert", FIRST)
def test_an_old_event_does_not_fire_again_because_prometheus_was_away(alert: str, tmp_path: Path):
    name, _ = FIRST[alert]
    promtool_test(tmp_path, alert, {name: "1x20 _x15 1x60"}, {"37m": [], "45m": [], "55m": []})


def promtool_test(folder: Path, alert: str, series: dict[str, str], expected: dict[str, list[dict[str, str]]]) -> None:
    """Test the rules with series of one sample per minute; maps each time to the labels of the alerts that fire."""
    (folder / "rules.yaml").write_text(without_annotations(RULES.read_text()))
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": time, "alertname": alert, "exp_alerts": [{"exp_labels": HERE | labels} for labels in firing]}
            for time, firing in expected.items()
        ],
    }
    file = folder / "test.json"
    file.write_text(json.dumps({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", str(file))


def without_annotations(text: str) -> str:
    """Remove the annotations, which promtool would compare as well."""
    loaded: dict[str, Any] = yaml.safe_load(text)
    for rule in loaded["groups"][0]["rules"]:
        del rule["annotations"]
    return json.dumps(loaded)
