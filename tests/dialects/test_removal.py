"""A dialect is a folder and its line in app.py: without them, the service is whole."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV30SpecValidator

from tests.layers import PACKAGE

pytestmark = [pytest.mark.slow, pytest.mark.parallel]  # half a minute of one core

DIALECTS = sorted(file.parent.name for file in (PACKAGE / "dialects").glob("*/__init__.py"))
PROGRAM = """
import json
from inkwell.app import create_app
from inkwell.settings.settings import Settings

client = create_app(Settings.from_environ({})).test_client()
pages = {path: client.get(path).status_code for path in ("/livez", "/apidocs/")}
print(json.dumps({"pages": pages, "spec": client.get("/apispec_1.json").json}))
"""
PATHS = {  # of the dialects
    "cancel": {"/v1/requests/{request_id}"},
    "models": {"/models"},
    "native": {"/text-generate"},
    "next": {"/v1/next"},
    "openai": {
        "/v1/chat/completions", "/v1/completions", "/v1/engines/{engine}/completions", "/v1/models",
        "/v1/models/{model}",
    },
    "score": {"/v1/score"},
    "tgi": {"/", "/generate", "/generate_stream", "/info"},
    "tokens": {"/tokenize", "/detokenize"},
}  # fmt: skip


def remove(package: Path, name: str) -> None:
    """Delete a dialect's folder and its line in app.py."""
    shutil.rmtree(package / "dialects" / name)
    app, line = package / "app.py", f'    "{name}",\n'
    assert app.read_text().count(line) == 1
    app.write_text(app.read_text().replace(line, ""))


@pytest.mark.parametrize("name", DIALECTS)
def test_the_service_is_whole_without_a_dialect(tmp_path: Path, client: FlaskClient, name: str):
    package = tmp_path / "inkwell"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    remove(package, name)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["pages"] == {"/livez": 200, "/apidocs/": 200}
    assert list(OpenAPIV30SpecValidator(found["spec"]).iter_errors()) == []
    every_path = client.get("/apispec_1.json").json["paths"].keys()
    assert every_path - found["spec"]["paths"].keys() == PATHS[name]
