"""How models get into the volume, and that the Jobs understand what they are told."""

import copy
import subprocess
from pathlib import Path

import pytest

from scripts.download_model import parse
from tests.helm.chart import FOLDER, OPEN, Chart

pytestmark = pytest.mark.slow
VALUES = OPEN | {"persistence": {"enabled": True}, "models": {"download": [{"name": "124M"}]}}


def test_every_model_has_a_job_that_the_download_understands(chart: Chart):
    jobs = chart.render_file(FOLDER / "ci" / "models-values.yaml").all("Job")
    orders = []
    for job in jobs:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["command"] == ["python", "-m", "scripts.download_model"]
        options = parse(container["args"])
        assert str(options.models_dir) == "/models"
        orders += [(order.name, order.hub_id, order.revision) for order in options.orders]
    assert [(name, revision) for name, _, revision in orders][1] == (
        "tales",
        "0123456789abcdef0123456789abcdef01234567",
    )
    assert orders[0][0] == "124M"


def test_the_service_waits_for_what_it_loads_at_the_start(chart: Chart):
    rendering = chart.render_file(FOLDER / "ci" / "models-values.yaml")
    (wait,) = rendering.pod["spec"]["initContainers"]
    assert wait["command"][-2:] == ["124M", "tales"]
    assert rendering.environment["INKWELL_PRELOAD"] == "124M,tales"
    assert rendering.environment["INKWELL_MODELS_DIR"] == "/models"


def test_the_wait_ends_when_the_last_model_appears(chart: Chart, tmp_path: Path):
    (wait,) = chart.render_file(FOLDER / "ci" / "models-values.yaml").pod["spec"]["initContainers"]
    command = [word.replace("/models/", f"{tmp_path}/").replace("sleep 5", "sleep 0.1") for word in wait["command"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
        for name in ("124M", "tales"):
            while waiting.stdout.readline() != f"waiting for {name}\n":
                assert waiting.poll() is None
            (tmp_path / name).mkdir()
            (tmp_path / name / "config.json").touch()
        assert waiting.wait(10) == 0


def test_the_hubs_token_is_the_jobs_alone(chart: Chart):
    rendering = chart.render_file(FOLDER / "ci" / "models-values.yaml")
    assert "HF_TOKEN" not in {item["name"] for item in rendering.container["env"]}
    for job in rendering.all("Job"):
        (container,) = job["spec"]["template"]["spec"]["containers"]
        (token,) = (item for item in container["env"] if item["name"] == "HF_TOKEN")
        assert token["valueFrom"] == {"secretKeyRef": {"name": "hub-token", "key": "token"}}


def test_a_job_stands_where_the_volume_is(chart: Chart):
    rendering = chart.render(VALUES)
    (term,) = rendering.one("Job")["spec"]["template"]["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["labelSelector"]["matchLabels"].items() <= rendering.pod["metadata"]["labels"].items()
    shared = copy.deepcopy(VALUES)
    shared["persistence"]["accessModes"] = ["ReadWriteMany"]
    assert "affinity" not in chart.render(shared).one("Job")["spec"]["template"]["spec"]


@pytest.mark.parametrize("change", [{"image": {"tag": "9"}}, {"nodeSelector": {"disk": "ssd"}}])
def test_a_job_with_another_pod_has_another_name(chart: Chart, change: dict):
    before, after = chart.render(VALUES).one("Job"), chart.render(VALUES | change).one("Job")
    assert before["metadata"]["name"] != after["metadata"]["name"]
    assert before["spec"]["template"]["metadata"] == after["spec"]["template"]["metadata"]


def test_a_long_name_still_fits(chart: Chart):
    values = VALUES | {"fullnameOverride": "x" * 60, "models": {"download": [{"name": "a/" + "Y.z_" * 24}]}}
    names = [item["metadata"]["name"] for item in chart.render(values).objects]
    assert all(len(name) <= 63 and not name.endswith("-") for name in names)
    assert chart.render(values).one("Job")["metadata"]["name"].islower()


def test_a_kept_claim_survives_the_release(chart: Chart):
    assert chart.render(VALUES).one("PersistentVolumeClaim")["metadata"]["annotations"] == {
        "helm.sh/resource-policy": "keep"
    }


def test_jobs_reach_the_hub_and_not_the_clouds_credentials(chart: Chart):
    policy = chart.render(VALUES).one("NetworkPolicy", "inkwell-download")["spec"]
    job = chart.render(VALUES).one("Job")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= job.items()
    assert "ingress" not in policy and "Ingress" in policy["policyTypes"]
    names, hub = policy["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert "169.254.0.0/16" in hub["to"][0]["ipBlock"]["except"]
    assert hub["ports"] == [{"port": 443, "protocol": "TCP"}]
