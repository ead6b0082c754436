"""The alerts, judged by promtool: they are sound, and fire when they should and not before."""

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
            f'inkwell_generations_total{{{POD},model="demo",outcome="worker_died"}}': "0x20 0+20x40",
        },
        "20m",
        "45m",
        {"model": "demo", "severity": "critical"},
    ),
    "InkwellLongWait": (
        {f"inkwell_estimated_wait_seconds{{{POD}}}": "5x10 90x30"}, "18m", "22m", {"severity": "warning"},
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


def test_the_rules_are_sound():
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should_and_not_before(alert: str, tmp_path: Path):
    series, quiet, loud, labels = CASES[alert]
    (tmp_path / "rules.yaml").write_text(without_annotations(RULES.read_text()))
    expected = [{"exp_labels": HERE | labels}]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": quiet, "alertname": alert, "exp_alerts": []},
            {"eval_time": loud, "alertname": alert, "exp_alerts": expected},
        ],
    }
    file = tmp_path / "test.json"
    file.write_text(json.dumps({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", str(file))


def without_annotations(text: str) -> str:
    """promtool would compare their words as well."""
    loaded: dict[str, Any] = yaml.safe_load(text)
    for rule in loaded["groups"][0]["rules"]:
        del rule["annotations"]
    return json.dumps(loaded)
