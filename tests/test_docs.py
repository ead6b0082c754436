"""The documentation matches the code: generated parts are up to date, links resolve, versions agree."""

import re
import subprocess
from pathlib import Path

import pytest

from inkwell import __version__
from inkwell.settings.settings import settings_table
from scripts.file_tree import ROOT, tree
from scripts.render_docs import PAGES, REFERENCE, rendered
from tests.layers import MAY_IMPORT

ALL_PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_generated_parts_of_a_page_are_fresh(page: Path):
    assert rendered(page) == page.read_text(), "run make docs"


def test_the_readme_is_short_and_has_no_generated_part():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 250
    assert "<!--" not in text


def test_every_setting_is_in_the_reference_with_its_default():
    text = REFERENCE.read_text()
    for name, kind, default, meaning in settings_table():
        assert f"| `{name}` | {kind} | {f'`{default}`' if default else ''} | {meaning} |" in text


def test_every_metric_is_in_the_reference():
    row = re.compile(r"^\| `(inkwell_\w+)` \| (?:counter|gauge|histogram) \| \S.* \|$", re.MULTILINE)
    names = row.findall(REFERENCE.read_text())
    assert len(names) == len(set(names)) > 20


def test_every_file_of_the_package_has_its_line_in_the_tree():
    lines = tree().splitlines()[1:-1]
    assert all(re.fullmatch(r"(?:  )*\S+ {2,}\S.*", line) for line in lines)
    named = [line.split()[0] for line in lines]
    tracked = subprocess.run(["git", "ls-files", "service"], cwd=ROOT, check=True, capture_output=True, text=True)
    files = [name for name in tracked.stdout.split() if name.endswith(".py") and not name.endswith("/__init__.py")]
    for name in {Path(file).name for file in files}:
        assert named.count(name) == sum(Path(file).name == name for file in files)


def test_a_file_of_the_tree_is_below_the_folder_that_holds_it():
    labels = [re.match(r" *\S+", line)[0] for line in tree().splitlines()[1:-1]]
    assert labels.index("    sampling/") < labels.index("      sampler.py") < labels.index("    speculation/")


def test_the_drawing_of_the_layers_has_every_component_once():
    text = (ROOT / "docs/architecture.md").read_text().split("<!-- layers -->")[1].split("<!-- /layers -->")[0]
    components = re.findall(r"^(\w[\w.]*) {2,}\S", text, re.MULTILINE)
    assert sorted(components) == sorted(MAY_IMPORT)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_in_code_marks_exist(page: Path):
    named = re.findall(r"`((?:service|scripts|tests|docs|models)/[\w./-]+\.\w+)`", page.read_text())
    folders = (ROOT, ROOT / "service/inkwell")  # models/ is a folder of both
    assert not [name for name in named if "NAME" not in name and not any((place / name).exists() for place in folders)]


def test_files_that_the_architecture_page_names_exist():
    text = (ROOT / "docs/architecture.md").read_text().split("## Files")[0]
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", text)
    folders = (ROOT, ROOT / "service/inkwell")
    assert len(named) > 20
    assert not [name for name in named if not any((folder / name).exists() for folder in folders)]


def test_the_changelog_begins_with_the_version_of_the_code():
    versions = re.findall(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == __version__


@pytest.mark.parametrize("record", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda record: record.stem)
def test_a_decision_record_is_short_and_says_its_status(record: Path):
    text = record.read_text()
    assert len(text.splitlines()) <= 40
    assert text.startswith(f"# {record.name[:4]}: ") and "Accepted, 20" in text
