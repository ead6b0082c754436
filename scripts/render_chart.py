"""Render the files generated from the chart: its values.schema.json, the tables of its README, and the k8s/ manifests.

`--check` writes nothing; it lists files that are out of date and exits with status 1 if there are any.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "service")]  # run as a script, Python only searches its folder

from scripts.chart.helm import NEWEST, helm_program  # noqa: E402
from scripts.chart.manifests import manifests  # noqa: E402
from scripts.chart.readme import with_values  # noqa: E402
from scripts.chart.schema import schema_of  # noqa: E402
from scripts.chart.values import read_values  # noqa: E402

CHART = ROOT / "helm"
K8S = ROOT / "k8s"
RENDERED_FOLDERS = (K8S / "base", K8S / "overlays")


def main() -> int:
    """Return 0 if all files were written or are up to date."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something is out of date")
    check = parser.parse_args().check
    files = chart_files()
    if not check:
        _write(files)  # the schema first: helm validates the values of k8s/ against it
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
    """Return the chart's schema and README by path."""
    values = read_values((CHART / "values.yaml").read_text())
    schema = json.dumps(schema_of(values), indent=2, ensure_ascii=False) + "\n"
    readme = CHART / "README.md"
    return {CHART / "values.schema.json": schema, readme: with_values(readme.read_text(), values)}


def k8s_files(program: Path) -> dict[Path, str]:
    """Return the plain manifests by path, as rendered by this helm binary."""
    return {K8S / name: text for name, text in manifests(program, CHART, K8S / "values").items()}


def out_of_date(files: dict[Path, str]) -> list[Path]:
    """Return the paths of files that differ or are missing."""
    return sorted(path for path, text in files.items() if not path.exists() or path.read_text() != text)


def strays(files: dict[Path, str]) -> list[Path]:
    """Return files in the rendered folders that were not rendered."""
    return sorted(path for folder in RENDERED_FOLDERS for path in folder.rglob("*.yaml") if path not in files)


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
