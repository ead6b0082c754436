"""Properties of the chart's pods: permissions, probes, valid environment variables, stable labels."""

from pathlib import Path

import pytest

from inkwell.settings.settings import Settings
from tests.helm.chart import FEATURES, FOLDER, OPEN, Chart

pytestmark = [pytest.mark.slow, pytest.mark.parallel]

every_feature = pytest.mark.parametrize("values", FEATURES, ids=lambda path: path.stem.removesuffix("-values"))


@every_feature
def test_every_pod_satisfies_the_restricted_standard(chart: Chart, values: Path):
    pods = chart.render_file(values).pods()
    assert pods
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod.get("initContainers", []) + pod["containers"]:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}


@every_feature
def test_no_pod_gets_variables_of_services(chart: Chart, values: Path):
    assert all(pod["enableServiceLinks"] is False for pod in chart.render_file(values).pods())


@every_feature
def test_the_service_understands_its_variables(chart: Chart, values: Path):
    settings = Settings.from_environ(chart.render_file(values).environment)
    assert (settings.host, settings.port) == ("0.0.0.0", 8000)
    assert settings.open == (settings.keys_file is None)
    assert settings.default_model in settings.preload


@every_feature
def test_all_mounts_have_volumes(chart: Chart, values: Path):
    for pod in chart.render_file(values).pods():
        parts = pod.get("initContainers", []) + pod["containers"]
        mounted = {mount["name"] for part in parts for mount in part.get("volumeMounts", [])}
        assert mounted <= {volume["name"] for volume in pod.get("volumes", [])}


def test_settings_of_every_type_arrive(chart: Chart):
    rendering = chart.render_file(FOLDER / "ci" / "settings-values.yaml")
    settings = Settings.from_environ(rendering.environment)
    assert settings.max_tokens_per_request == 12_345_678
    assert settings.request_timeout_s == 60.5
    assert settings.model_aliases == (("gpt-3.5-turbo", "demo"), ("tales", "demo"))
    assert settings.chat_template == "{name}:\n{text}"
    assert rendering.environment["OTEL_SERVICE_NAME"] == "tales"


def test_a_limit_of_the_processor_sets_the_threads(chart: Chart):
    with_limit = chart.render_file(FOLDER / "ci" / "settings-values.yaml").container["env"]
    (threads,) = (item for item in with_limit if item["name"] == "INKWELL_THREADS")
    assert threads["valueFrom"] == {"resourceFieldRef": {"resource": "limits.cpu"}}
    assert "INKWELL_THREADS" not in {item["name"] for item in chart.render(OPEN).container["env"]}


def test_only_the_service_gets_gpus(chart: Chart):
    """The image requests no GPUs itself; NVIDIA's toolkit provides them to containers that have them as a resource."""
    rendering = chart.render_file(FOLDER / "ci" / "gpu-values.yaml")
    parts = [part for pod in rendering.pods() for part in pod.get("initContainers", []) + pod["containers"]]
    assert len(parts) == 4
    assert [part["name"] for part in parts if "nvidia.com/gpu" in part["resources"].get("limits", {})] == ["inkwell"]
    assert "NVIDIA_" not in (FOLDER.parent / "docker" / "Dockerfile").read_text()


def test_probes_ask_what_the_service_answers(chart: Chart):
    container = chart.render(OPEN).container
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


def test_a_busy_service_is_not_killed_before_two_minutes_of_silence(chart: Chart):
    probe = chart.render(OPEN).container["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 120


def test_only_run_and_tmp_can_be_written(chart: Chart):
    rendering = chart.render_file(FOLDER / "ci" / "models-values.yaml")
    writable = {mount["mountPath"] for mount in rendering.container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/run", "/tmp"}
    assert rendering.environment["TMPDIR"] in writable


@pytest.mark.parametrize("change", [{"image": {"tag": "9.9.9"}}, {"podLabels": {"team": "tales"}}, {"replicaCount": 3}])
def test_selectors_never_change(chart: Chart, change: dict):
    before, after = chart.render(OPEN), chart.render(OPEN | change)
    selector = before.one("Deployment")["spec"]["selector"]
    assert after.one("Deployment")["spec"]["selector"] == selector
    assert set(selector["matchLabels"]) == {f"app.kubernetes.io/{name}" for name in ("name", "instance", "component")}


@every_feature
def test_selectors_find_the_service_and_nothing_else(chart: Chart, values: Path):
    rendering = chart.render_file(values)
    labels = rendering.one("Service")["spec"]["selector"].items()
    assert labels <= rendering.pod["metadata"]["labels"].items()
    others = [job["spec"]["template"]["metadata"] for job in rendering.all("Job")]
    others += [pod["metadata"] for pod in rendering.all("Pod")]
    assert not any(labels <= other["labels"].items() for other in others)


def test_a_new_version_of_the_chart_alone_restarts_nothing(chart: Chart):
    labels = chart.render(OPEN).pod["metadata"]["labels"]
    assert not any("chart" in name or "version" in name for name in labels)
