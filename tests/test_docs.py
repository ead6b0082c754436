"""The pages say what the code does: generated parts are fresh, links lead somewhere, versions agree."""

import re
import subprocess
from pathlib import Path

import pytest

from inkwell import __version__
from inkwell.settings.settings import settings_table
from scripts.render_docs import README, ROOT, rendered, tree

PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
)


def test_the_generated_parts_of_the_readme_are_fresh():
    assert rendered(README.read_text()) == README.read_text(), "run make docs"


def test_every_setting_stands_in_the_readme_with_its_default():
    text = README.read_text()
    for name, kind, default, meaning in settings_table():
        assert f"| `{name}` | {kind} | {f'`{default}`' if default else ''} | {meaning} |" in text


def test_every_tracked_file_has_its_line_in_the_tree():
    lines = tree().splitlines()[1:-1]
    assert len(lines) > 50
    assert all(re.fullmatch(r"\S+ {2,}\S.*", line) for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_in_code_marks_exist(page: Path):
    named = re.findall(r"`((?:service|scripts|tests|docs|models)/[\w./-]+\.\w+)`", page.read_text())
    assert not [name for name in named if "NAME" not in name and not (ROOT / name).exists()]


def test_the_changelog_begins_with_the_version_of_the_code():
    versions = re.findall(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == __version__


@pytest.mark.parametrize("record", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda record: record.stem)
def test_a_decision_record_is_short_and_says_its_status(record: Path):
    text = record.read_text()
    assert len(text.splitlines()) <= 40
    assert text.startswith(f"# {record.name[:4]}: ") and "Accepted, 20" in text
