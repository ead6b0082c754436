"""Writes what is made from the chart: its values.schema.json, the tables of its README, and the manifests of k8s/.

`--check` writes nothing and names what is out of date, with exit status 1.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "service")]  # started as a file, Python finds its own folder alone

from scripts.chart.helm import NEWEST, helm_program  # noqa: E402
from scripts.chart.manifests import manifests  # noqa: E402
from scripts.chart.readme import with_values  # noqa: E402
from scripts.chart.schema import schema_of  # noqa: E402
from scripts.chart.values import read_values  # noqa: E402

CHART = ROOT / "helm"
K8S = ROOT / "k8s"
RENDERED_FOLDERS = (K8S / "base", K8S / "overlays")


def main() -> int:
    """0 where everything was written, or is fresh."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something is out of date")
    check = parser.parse_args().check
    files = chart_files()
    if not check:
        _write(files)  # the schema first: helm holds the values of k8s/ against it
    rendered = k8s_files(helm_program(NEWEST))
    stray = strays(rendered)
    if check:
        stale = out_of_date(files | rendered) + stray
        for path in stale:
            print(f"out of date: {path.relative_to(ROOT)}")
        return int(bool(stale))
    for path in stray:
        path.unlink()
    _write(rendered)
    return 0


def chart_files() -> dict[Path, str]:
    """The schema and the README of the chart."""
    values = read_values((CHART / "values.yaml").read_text())
    schema = json.dumps(schema_of(values), indent=2, ensure_ascii=False) + "\n"
    readme = CHART / "README.md"
    return {CHART / "values.schema.json": schema, readme: with_values(readme.read_text(), values)}


def k8s_files(program: Path) -> dict[Path, str]:
    """The plain manifests, as this helm renders them."""
    return {K8S / name: text for name, text in manifests(program, CHART, K8S / "values").items()}


def out_of_date(files: dict[Path, str]) -> list[Path]:
    """Files that differ or are missing."""
    return sorted(path for path, text in files.items() if not path.exists() or path.read_text() != text)


def strays(files: dict[Path, str]) -> list[Path]:
    """What lies where only rendered files should."""
    return sorted(path for folder in RENDERED_FOLDERS for path in folder.rglob("*.yaml") if path not in files)


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
