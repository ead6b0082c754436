"""A sampling parameter is a field of `Sampling` and a row of `processors.py`: with these alone, the service has it.

The whole service runs from a copy of its source in which two invented parameters were added to those two files.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.layers import PACKAGE
from tests.servable import continued, save_servable
from tests.serving import problem

ROOT = Path(__file__).resolve().parents[2]
Z = 90  # the id of the token "z"
FIELDS = """
    z_bias: float = _parameter("number", 0.0, "Added to the logit of z.", 50, low=-50, high=50)
    only_id: int = _parameter("integer", 0, "Keep this token alone.", 90, needs_drawing=True, low=0, high=256)
"""
FUNCTIONS = f"""
def _add_z_bias(scores: Tensor, rows: Rows) -> None:
    for number, item in rows:
        scores[number, {Z}] += item.sampling.z_bias


def _only_id(exponents: Tensor, weights: Tensor, sampling: Sampling) -> Tensor:
    return torch.arange(len(exponents)) == sampling.only_id


"""
PROCESSOR, CUT = '    LogitProcessor(("z_bias",), _add_z_bias, "z_bias"),\n', '    Cut("only_id", _only_id),\n'
EDITS = {  # by file: text, and what it is inserted before
    "parameters/sampling.py": [(FIELDS, "\n    @property\n    def greedy")],
    "engine/sampling/processors.py": [
        (FUNCTIONS, "LOGIT_PROCESSORS = ("), (PROCESSOR, ")\nCUTS = ("), (CUT, ")\n_SLOW_CUTS")
    ],
}  # fmt: skip
PROGRAM = """
import json, sys
from pathlib import Path
from tests.serving import running_app

with running_app(Path(sys.argv[1]), default_model="demo") as app:
    client = app.test_client()
    replies = [client.open(path, method=method, **how) for method, path, how in json.load(sys.stdin)]
print(json.dumps([{"status": reply.status_code, "text": reply.text, "json": reply.json} for reply in replies]))
"""
VALUES = {"z_bias": 50, "only_id": Z}
RANGES = {"z_bias": "between -50 and 50", "only_id": "between 0 and 256"}
STAGES = {"z_bias": (257, 0), "only_id": (1, 256)}  # tokens kept and removed
DIALECTS = ("query", "form", "native", "completions", "chat", "tgi", "next")
Call = tuple[str, str, dict[str, Any]]
Reply = dict[str, Any]
Replies = dict[tuple[str, str, bool], Reply]


def call(dialect: str, **given: int) -> Call:
    """A request for three tokens after "a", or for a look at the first of them."""
    native = {"input_text": "a", "length": 3, **given}
    details = {"headers": {"Accept": "application/json"}}
    messages = [{"role": "user", "content": "a"}]
    calls: dict[str, Call] = {
        "query": ("GET", "/text-generate", {"query_string": native}),
        "form": ("POST", "/text-generate", {"data": native}),
        "native": ("POST", "/text-generate", {"json": native, **details}),
        "completions": ("POST", "/v1/completions", {"json": {"prompt": "a", "max_tokens": 3, **given}}),
        "chat": ("POST", "/v1/chat/completions", {"json": {"messages": messages, "max_tokens": 3, **given}}),
        "tgi": ("POST", "/generate", {"json": {"inputs": "a", "parameters": {"max_new_tokens": 3, **given}}}),
        "next": ("POST", "/v1/next", {"json": {"prompt": "a", **given}}),
    }
    return calls[dialect]


def text_of(dialect: str, reply: Reply) -> str:
    """The generated text of a reply."""
    assert reply["status"] == 200, reply["text"]
    match dialect:
        case "native":
            return reply["json"]["samples"][0]["text"]
        case "completions":
            return reply["json"]["choices"][0]["text"]
        case "chat":
            return reply["json"]["choices"][0]["message"]["content"]
        case "tgi":
            return reply["json"]["generated_text"]
        case _:
            return reply["text"]


def copy_with_edits(package: Path) -> None:
    """Copy the source, with the edits that add the parameters."""
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, edits in EDITS.items():
        source = (package / name).read_text()
        for text, mark in edits:
            assert source.count(mark) == 1, mark
            source = source.replace(mark, text + mark)
        (package / name).write_text(source)


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> Replies:
    """Replies of the service with the two parameters, by parameter, dialect and whether the value was valid."""
    folder = tmp_path_factory.mktemp("invented")
    copy_with_edits(folder / "inkwell")
    save_servable(folder / "models" / "demo")
    calls: dict[tuple[str, str, bool], Call] = {("", "swagger", True): ("GET", "/apispec_1.json", {})}
    for parameter, value in VALUES.items():
        for dialect in DIALECTS:
            calls[parameter, dialect, True] = call(dialect, **{parameter: value})
            calls[parameter, dialect, False] = call(dialect, **{parameter: 999})
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder / "models")],
        cwd=folder, env={"PYTHONPATH": f"{folder}:{ROOT}"}, input=json.dumps(list(calls.values())),
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return dict(zip(calls, json.loads(run.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("parameter", VALUES)
@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "next"])
def test_it_is_parsed_sent_to_the_worker_and_applied(replies: Replies, dialect: str, parameter: str):
    assert continued("a", 3) == "bcd"  # the likeliest text without it
    assert text_of(dialect, replies[parameter, dialect, True]) == "zzz"


@pytest.mark.parametrize("parameter", VALUES)
def test_it_is_among_the_effective_parameters(replies: Replies, parameter: str):
    effective = replies[parameter, "native", True]["json"]["parameters"]
    assert {name: effective[name] for name in VALUES} == {"z_bias": 0, "only_id": 0, parameter: VALUES[parameter]}


@pytest.mark.parametrize("parameter", VALUES)
def test_it_is_a_stage_of_next(replies: Replies, parameter: str):
    reply = replies[parameter, "next", True]["json"]
    assert [stage["name"] for stage in reply["stages"]] == ["model", parameter]
    assert (reply["stages"][1]["kept"], reply["stages"][1]["removed"]) == STAGES[parameter]
    [z] = [token for token in reply["tokens"] if token["text"] == "z"]
    assert z["probabilities"][parameter] == pytest.approx(1)


@pytest.mark.parametrize("parameter", VALUES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_its_range_is_checked(replies: Replies, dialect: str, parameter: str):
    reply = replies[parameter, dialect, False]
    assert reply["status"] == 400, reply["text"]
    assert f"{parameter} must be {RANGES[parameter]}; it is 999" in reply["text"]


@pytest.mark.parametrize("parameter", VALUES)
def test_it_is_in_the_swagger_page(replies: Replies, parameter: str):
    paths = replies["", "swagger", True]["json"]["paths"]
    query = {row["name"]: row["description"] for row in paths["/text-generate"]["get"]["parameters"]}
    assert RANGES[parameter] in query[parameter].lower()
    for path in ("/text-generate", "/v1/completions", "/v1/chat/completions", "/generate", "/v1/next"):
        for kind in paths[path]["post"]["requestBody"]["content"].values():
            properties = kind["schema"]["properties"]
            if path == "/generate":
                properties = properties["parameters"]["properties"]
            assert RANGES[parameter] in properties[parameter]["description"].lower(), path


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_the_edits_it_is_refused(client: FlaskClient, dialect: str):
    method, path, how = call(dialect, z_bias=50)
    problem(client.open(path, method=method, **how), 400, "unknown_parameter", "z_bias")
