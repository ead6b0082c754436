"""The files generated from the chart are up to date (schema, README and k8s/), and the same with every helm version."""

import shutil
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from scripts.chart.helm import run_helm
from scripts.render_chart import K8S, chart_files, k8s_files, out_of_date, strays
from tests.helm.chart import FOLDER, OPEN, Chart

KUSTOMIZATIONS = sorted(K8S.rglob("kustomization.yaml"))


def test_schema_and_readme_are_fresh():
    assert out_of_date(chart_files()) == [], "run make k8s"


@pytest.mark.slow
def test_plain_manifests_are_fresh(every_chart: Chart):
    files = k8s_files(every_chart.program)
    assert out_of_date(files) + strays(files) == [], "run make k8s"


def test_a_changed_file_is_noticed(tmp_path: Path):
    file = tmp_path / "x.yaml"
    assert out_of_date({file: "a"}) == [file]
    file.write_text("b")
    assert out_of_date({file: "a"}) == [file]
    file.write_text("a")
    assert out_of_date({file: "a"}) == []


def test_a_file_that_nothing_renders_is_noticed():
    rendered = [path for path in K8S.rglob("*.yaml") if path.parent.name != "values"]
    assert strays({}) == sorted(rendered)


@pytest.mark.parametrize("file", KUSTOMIZATIONS, ids=lambda file: file.parent.name)
def test_a_kustomization_lists_what_lies_beside_it(file: Path):
    resources = yaml.safe_load(file.read_text())["resources"]
    beside = {path.name for path in file.parent.glob("*.yaml")} - {file.name}
    assert {name for name in resources if "/" not in name} == beside
    assert all((file.parent / name).exists() for name in resources)


def test_there_is_a_base_and_an_overlay_for_each_device():
    assert [file.parent.name for file in KUSTOMIZATIONS] == ["base", "cpu", "gpu"]


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_an_overlay_with_the_base_is_whole(overlay: str):
    folders = (K8S / "base", K8S / "overlays" / overlay)
    objects = [yaml.safe_load(file.read_text()) for folder in folders for file in folder.glob("*-*.yaml")]
    kinds = {item["kind"] for item in objects}
    assert {"Deployment", "Service", "Namespace", "NetworkPolicy", "PersistentVolumeClaim", "Job"} <= kinds
    for item in objects:
        kubernetes_validate.validate(item, kubernetes_validate.latest_version(), strict=True)
    assert not any("helm" in label for item in objects for label in str(item["metadata"]).lower().split("'"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "values", ["open", "keys", "ingress", "http-route", "load-balancer", "models", "keda-zero", "queue"]
)
def test_the_notes_name_the_way_to_the_service(every_chart: Chart, tmp_path: Path, values: str):
    """Helm prints notes only when it has a cluster, so they are rendered as the text of an object."""
    folder = tmp_path / "inkwell"
    shutil.copytree(FOLDER, folder)
    notes = (folder / "templates" / "NOTES.txt").read_text()
    (folder / "templates" / "_notes.tpl").write_text('{{- define "notes" -}}\n' + notes + "{{- end }}\n")
    (folder / "templates" / "notes.yaml").write_text(
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\ndata: {notes: {{ include "notes" . | toJson }}}\n'
    )
    own = Chart(every_chart.program, folder)
    file = FOLDER / "ci" / f"{values}-values.yaml"
    rendering = own.render_file(file) if file.exists() else own.render(OPEN | {"autoscaling": {"mode": "hpa-queue"}})
    text = rendering.one("ConfigMap", "notes")["data"]["notes"]
    expected = {
        "ingress": "URL=https://inkwell.example\n",
        "http-route": "URL=https://inkwell.example\n",
        "load-balancer": "URL=http://$HOST:8080\n",
    }
    assert expected.get(values, "port-forward service/inkwell 8000:80") in text
    assert ("Authorization: Bearer $KEY" in text) == (values not in ("open", "queue"))
    assert ("configure a scrape of port http" in text) == (values == "queue")
    assert ("get jobs" in text) == (values == "models")
    assert ("503" in text) == (values == "keda-zero")


@pytest.mark.slow
def test_the_chart_can_be_packed_without_its_tests(tmp_path: Path, chart: Chart):
    run_helm(chart.program, "package", str(FOLDER), "--destination", str(tmp_path))
    (packed,) = tmp_path.iterdir()
    shutil.unpack_archive(packed, tmp_path / "unpacked", "gztar")
    assert not (tmp_path / "unpacked" / "inkwell" / "ci").exists()
    unpacked = Chart(chart.program, tmp_path / "unpacked" / "inkwell")
    assert unpacked.render(OPEN).objects == chart.render(OPEN).objects
