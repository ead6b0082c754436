"""Every values file in ci/ renders identically with every helm version, to objects that Kubernetes accepts."""

import copy
import json
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from scripts.chart.helm import HelmError
from tests.helm.chart import FEATURES, FOLDER, Chart, Object
from tests.helm.custom_kinds import MODULES, CustomKinds

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
NEWEST = kubernetes_validate.latest_version()
MAJOR, MINOR = map(int, NEWEST.split(".")[:2])
VERSIONS = (f"{MAJOR}.{MINOR}", f"{MAJOR}.{MINOR - 4}")

every_feature = pytest.mark.parametrize("values", FEATURES, ids=lambda path: path.stem.removesuffix("-values"))


@pytest.fixture(scope="module")
def custom_kinds(tmp_path_factory: pytest.TempPathFactory) -> CustomKinds:
    return CustomKinds(tmp_path_factory.mktemp("custom-kinds"))


@every_feature
def test_lint_finds_nothing(every_chart: Chart, values: Path):
    assert "0 chart(s) failed" in every_chart.lint(values)


@every_feature
def test_all_versions_of_helm_render_the_same(every_chart: Chart, chart: Chart, values: Path):
    assert every_chart.render_file(values).objects == chart.render_file(values).objects


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(chart: Chart, version: str):
    distinct = {
        json.dumps(item): f"{values.stem}, {item['kind']}: "
        for values in FEATURES
        for item in chart.render_file(values).objects
        if item["kind"] not in MODULES
    }
    assert len(distinct) > 30
    assert [where + found for text, where in distinct.items() if (found := complaint(json.loads(text), version))] == []


def complaint(item: Object, version: str) -> str:
    """Return the errors that this version of Kubernetes reports for an object."""
    try:
        kubernetes_validate.validate(item, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return error.message
    return ""


def test_a_field_that_kubernetes_does_not_know_is_found(chart: Chart):
    service = copy.deepcopy(chart.render_file(FEATURES[0]).one("Service"))
    service["spec"]["sellector"] = {}
    assert "sellector" in complaint(service, VERSIONS[0])


def test_the_operators_know_every_field(chart: Chart, custom_kinds: CustomKinds):
    objects = [item for values in FEATURES for item in chart.render_file(values).objects if item["kind"] in MODULES]
    assert {item["kind"] for item in objects} == set(MODULES)
    assert custom_kinds.complaints(objects) == ""


def test_a_field_that_an_operator_does_not_know_is_found(chart: Chart, custom_kinds: CustomKinds):
    monitor = copy.deepcopy(chart.render_file(FOLDER / "ci" / "watching-values.yaml").one("ServiceMonitor"))
    monitor["spec"]["endpoints"][0]["intervall"] = "15s"
    assert "intervall" in custom_kinds.complaints([monitor])


def test_a_value_that_an_operator_does_not_take_is_found(chart: Chart, custom_kinds: CustomKinds):
    monitor = copy.deepcopy(chart.render_file(FOLDER / "ci" / "watching-values.yaml").one("ServiceMonitor"))
    monitor["spec"]["endpoints"][0]["interval"] = "often"
    assert "interval" in custom_kinds.complaints([monitor])


@every_feature
def test_names_are_unique(chart: Chart, values: Path):
    names = chart.render_file(values).names
    assert len(names) == len(set(names))


@every_feature
def test_every_file_says_what_it_is_for(values: Path):
    assert values.read_text().startswith("# ")
    assert yaml.safe_load(values.read_text())


def test_an_unknown_value_is_refused(every_chart: Chart):
    with pytest.raises(HelmError, match="replicas"):
        every_chart.render({"open": True, "replicas": 2})


def test_a_value_of_another_type_is_refused(every_chart: Chart):
    with pytest.raises(HelmError, match="open"):
        every_chart.render({"open": "yes"})
