"""How models get into the volume, and that the Jobs understand their arguments."""

import copy

import pytest

from scripts import wait_for_models as waits
from scripts.download_model import parse
from tests.helm.chart import FOLDER, OPEN, Chart

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
VALUES = OPEN | {"persistence": {"enabled": True}, "models": {"download": [{"name": "124M"}]}}


def test_every_model_has_a_job_that_the_download_understands(chart: Chart):
    jobs = chart.render_file(FOLDER / "ci" / "models-values.yaml").all("Job")
    requests = []
    for job in jobs:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["command"] == ["python", "-m", "scripts.download_model"]
        options = parse(container["args"])
        assert str(options.models_dir) == "/models"
        requests += [(request.name, request.hub_id, request.revision) for request in options.requests]
    assert [(name, revision) for name, _, revision in requests][1] == (
        "tales",
        "0123456789abcdef0123456789abcdef01234567",
    )
    assert requests[0][0] == "124M"


def test_the_service_waits_for_what_it_loads_at_the_start(chart: Chart):
    rendering = chart.render_file(FOLDER / "ci" / "models-values.yaml")
    assert rendering.wait["command"] == ["python", "-m", "scripts.wait_for_models"]
    options = waits.parse(rendering.wait["args"])
    assert options.names == ["124M", "tales"]
    assert rendering.environment["INKWELL_PRELOAD"] == "124M,tales"
    assert rendering.environment["INKWELL_MODELS_DIR"] == str(options.models_dir) == "/models"


def test_the_service_waits_for_the_revisions_that_the_jobs_download(chart: Chart):
    rendering = chart.render_file(FOLDER / "ci" / "models-values.yaml")
    jobs = [job["spec"]["template"]["spec"]["containers"][0]["args"] for job in rendering.all("Job")]
    downloads = [parse(args) for args in jobs]
    requested = [
        (request.name, request.hub_id, options.revision) for options in downloads for request in options.requests
    ]
    sources = [(item.folder, item.hub_id, item.revision) for item in waits.parse(rendering.wait["args"]).sources]
    assert sources == requested


def test_what_ends_the_wait_stands_in_the_pods_status(chart: Chart):
    assert chart.render(VALUES).wait["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_jobs_find_their_proxy_and_its_certificate(chart: Chart):
    for job in chart.render_file(FOLDER / "ci" / "models-values.yaml").all("Job"):
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        variables = {item["name"]: item.get("value") for item in container["env"]}
        assert variables["HTTPS_PROXY"] == "http://proxy.example:3128"
        (mount,) = (item for item in container["volumeMounts"] if item["name"] == "ca")
        assert variables["SSL_CERT_FILE"].startswith(mount["mountPath"])
        assert {"name": "ca", "configMap": {"name": "own-ca"}} in pod["volumes"]


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


def test_a_volume_that_can_only_be_read_is_mounted_so(chart: Chart):
    def claim(modes: list[str]) -> dict:
        persistence = {"enabled": True, "existingClaim": "weights", "accessModes": modes}
        rendering = chart.render(OPEN | {"persistence": persistence, "models": {"default": "x"}})
        (volume,) = (item for item in rendering.pod["spec"]["volumes"] if item["name"] == "models")
        return volume["persistentVolumeClaim"]

    assert claim(["ReadOnlyMany"]) == {"claimName": "weights", "readOnly": True}
    assert claim(["ReadWriteMany"]) == claim(["ReadWriteMany", "ReadOnlyMany"]) == {"claimName": "weights"}
