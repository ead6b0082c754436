"""User additions to the chart: labels, variables, containers, and relabelings."""

import pytest

from tests.helm.chart import FOLDER, OPEN, Chart, Rendering

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
OWN = {"app.kubernetes.io/name": "inkwell", "app.kubernetes.io/instance": "inkwell"}


@pytest.fixture(scope="module")
def rendering(chart: Chart) -> Rendering:
    return chart.render_file(FOLDER / "ci" / "additions-values.yaml")


def test_labels_of_all_objects_come_beside_the_charts_own(rendering: Rendering):
    for name, labels in rendering.labels.items():
        assert OWN.items() <= labels.items(), name
        assert labels["release"] == "monitoring", name
        assert labels["team"] == ("words" if name == "Service/inkwell" else "tales"), name
    assert rendering.labels["Service/inkwell"]["exposed"] == "yes"


def test_pods_and_selectors_are_without_them(rendering: Rendering, chart: Chart):
    """A Job's pod template and a Deployment's selector are immutable."""
    plain = chart.render(OPEN)
    assert rendering.pod["metadata"]["labels"] == plain.pod["metadata"]["labels"]
    assert rendering.one("Deployment")["spec"]["selector"] == plain.one("Deployment")["spec"]["selector"]


def test_a_release_with_a_number_for_a_name_has_texts_for_labels(chart: Chart):
    labels = chart.render(OPEN | {"nameOverride": "2026", "fullnameOverride": "tales"}).pod["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "2026"


def test_variables_come_from_elsewhere_too(rendering: Rendering):
    assert rendering.container["envFrom"] == [{"configMapRef": {"name": "tracing"}}]
    assert rendering.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://localhost:4318"


def test_containers_are_added_beside_the_service(rendering: Rendering):
    spec = rendering.pod["spec"]
    assert [item["name"] for item in spec["containers"]] == ["inkwell", "collector"]
    assert [item["name"] for item in spec["initContainers"]] == ["settle"]


def test_what_prepares_a_pod_comes_before_the_wait_for_models(chart: Chart):
    values = OPEN | {
        "persistence": {"enabled": True},
        "models": {"download": [{"name": "124M"}]},
        "extraInitContainers": [{"name": "settle", "image": "busybox"}],
    }
    parts = chart.render(values).pod["spec"]["initContainers"]
    assert [item["name"] for item in parts] == ["settle", "wait-for-models"]


def test_what_prometheus_stores_can_be_changed(chart: Chart):
    rendering = chart.render_file(FOLDER / "ci" / "watching-values.yaml")
    (endpoint,) = rendering.one("ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["relabelings"] == [{"targetLabel": "cluster", "replacement": "east"}]
    (rule,) = endpoint["metricRelabelings"]
    assert (rule["action"], rule["sourceLabels"]) == ("drop", ["__name__"])
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("1m30s", "1m")


def test_nothing_is_added_by_default(chart: Chart):
    rendering = chart.render(OPEN | {"serviceMonitor": {"enabled": True}})
    (endpoint,) = rendering.one("ServiceMonitor")["spec"]["endpoints"]
    assert not {"relabelings", "metricRelabelings"} & endpoint.keys()
    assert "envFrom" not in rendering.container and "initContainers" not in rendering.pod["spec"]
