"""`/text-generate` on bad input: each is refused before anything is generated, in one shape and with the reason."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.serving import problem

PATH = "/text-generate"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
LONG = "a" * 1_000_000


def by_query(client: FlaskClient, raw: str) -> TestResponse:
    """A GET whose query is exactly this, one byte a character."""
    return client.get(PATH, environ_overrides={"QUERY_STRING": raw})


def by_body(client: FlaskClient, raw: bytes | str, content_type: str = JSON, **more: object) -> TestResponse:
    return client.post(PATH, data=raw, content_type=content_type, **more)


# --- input_text


@pytest.mark.parametrize("query", ["", "length=5", "input_text", "input_text=", "input_text=&length=5"])
def test_missing_and_empty_text_is_refused(client: FlaskClient, query: str):
    assert "input_text" in problem(by_query(client, query), 400, "invalid_parameter", "input_text")
    assert "input_text" in problem(by_body(client, query, FORM), 400, "invalid_parameter", "input_text")


@pytest.mark.parametrize("body", ["{}", '{"input_text": ""}', '{"input_text": null}', '{"length": 5}'])
def test_missing_and_empty_text_in_json_is_refused(client: FlaskClient, body: str):
    assert "input_text" in problem(by_body(client, body), 400, "invalid_parameter", "input_text")


def test_repeated_text_is_refused(client: FlaskClient):
    twice = "input_text=a&input_text=b"
    assert "more than once" in problem(by_query(client, twice), 400, "invalid_parameter", "input_text")
    assert "more than once" in problem(by_body(client, twice, FORM), 400, "invalid_parameter", "input_text")
    response = by_body(client, '{"input_text": "a", "length": 1, "input_text": "b"}')
    assert "more than once" in problem(response, 400, "invalid_body", "input_text")


def test_a_megabyte_of_text_is_refused_with_limit_and_size(client: FlaskClient):
    for response in (
        by_query(client, f"input_text={LONG}"),
        by_body(client, json.dumps({"input_text": LONG})),
        by_body(client, f"input_text={LONG}", FORM),
    ):
        message = problem(response, 400, "invalid_parameter", "input_text")
        assert "65536" in message and "1000000" in message


def test_a_larger_body_is_not_read_at_all(client: FlaskClient):
    for content_type in (JSON, FORM):
        problem(by_body(client, "a" * ((1 << 20) + 1), content_type), 413, "payload_too_large")


@pytest.mark.parametrize("raw", ["%FF", "%C3", "%C3%28", "%ED%A0%80", "%F5%80%80%80", "%C0%80", "caf\xe9", "\xc3\xa9"])
def test_text_that_is_not_utf8_is_refused(client: FlaskClient, raw: str):
    assert "UTF-8" in problem(by_query(client, f"input_text={raw}"), 400, "invalid_body")
    assert "UTF-8" in problem(by_body(client, f"input_text={raw}".encode("latin-1"), FORM), 400, "invalid_body")


@pytest.mark.parametrize("raw", [r"\ud800", r"a\udc00b", r"\ude00\ud83d"])
@pytest.mark.parametrize("name", ["input_text", "model_name"])
def test_a_lone_surrogate_is_refused(client: FlaskClient, raw: str, name: str):
    body = f'{{"{name}": "{raw}"}}' if name == "input_text" else f'{{"input_text": "a", "{name}": "{raw}"}}'
    assert "surrogate" in problem(by_body(client, body), 400, "invalid_parameter", name)


def test_a_pair_of_surrogates_is_a_character(client: FlaskClient):
    body = r'{"input_text": "\ud83d\ude00", "length": 1, "temperature": 0}'
    assert by_body(client, body, headers={"Accept": JSON}).json["prompt_tokens"] == 4


# --- numbers


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
@pytest.mark.parametrize("name", ["temperature", "length"])
def test_numbers_that_are_not_finite_are_refused(client: FlaskClient, literal: str, name: str):
    typed = by_body(client, f'{{"input_text": "a", "{name}": {literal}}}')
    if "e" in literal:  # JSON, and too large for a float
        assert name in problem(typed, 400, "invalid_parameter", name)
    else:
        assert literal in problem(typed, 400, "invalid_body")
    message = problem(by_query(client, f"input_text=a&{name}={literal}"), 400, "invalid_parameter", name)
    assert message.startswith(f"{name} must be")


@pytest.mark.parametrize("literal", ["true", '"5"', "5.0", "[5]", "{}", "-1", "0", "1e99", "99999999999999999999"])
def test_what_is_no_whole_number_in_the_range_is_refused(client: FlaskClient, literal: str):
    response = by_body(client, f'{{"input_text": "a", "length": {literal}}}')
    assert "length must be" in problem(response, 400, "invalid_parameter", "length")


@pytest.mark.parametrize("literal", ["true", '"5"', "[5]", "{}", "-1", "2.5", "9" * 400])
def test_what_is_no_number_in_the_range_is_refused(client: FlaskClient, literal: str):
    response = by_body(client, f'{{"input_text": "a", "temperature": {literal}}}')
    assert "temperature must be" in problem(response, 400, "invalid_parameter", "temperature")


@pytest.mark.parametrize("text", ["", "true", "5.0", "-1", "1e3", "nan", "five", "5;6", "%00", "%D9%A5"])
def test_text_that_is_no_whole_number_is_refused(client: FlaskClient, text: str):
    for response in (
        by_query(client, f"input_text=a&length={text}"),
        by_body(client, f"input_text=a&length={text}", FORM),
    ):
        assert "length must be" in problem(response, 400, "invalid_parameter", "length")


def test_null_stands_for_the_default(client: FlaskClient):
    body = {"input_text": "a", "length": None, "seed": None, "stream": None, "temperature": 0}
    assert client.post(PATH, json=body, headers={"Accept": JSON}).json["parameters"]["length"] == 512


def test_a_number_of_thousands_of_digits_is_refused(client: FlaskClient):
    response = by_body(client, f'{{"input_text": "a", "seed": {"9" * 5000}}}')
    assert "number that is too long" in problem(response, 400, "invalid_body")


# --- names


def test_an_unknown_parameter_is_refused_with_the_nearest_known_one(client: FlaskClient):
    for response in (
        by_query(client, "input_text=a&temprature=1"),
        by_body(client, '{"input_text": "a", "temprature": 1}'),
        by_body(client, "input_text=a&temprature=1", FORM),
    ):
        message = problem(response, 400, "unknown_parameter", "temprature")
        assert "did you mean temperature?" in message


def test_too_many_parameters_are_refused(client: FlaskClient):
    many = "&".join(f"p{number}=1" for number in range(100))
    for response in (by_query(client, many), by_body(client, many, FORM)):
        assert "64" in problem(response, 400, "invalid_body")


def test_a_hundred_thousand_names_are_refused_in_a_moment(client: FlaskClient):
    names = "".join(f'"{number}":0,' for number in range(80_000))
    started = time.thread_time()  # on the processor: a busy machine must not fail this
    message = problem(by_body(client, "{" + names + '"79999":0}'), 400, "invalid_body", "79999")
    assert "more than once" in message and time.thread_time() - started < 20


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (r'{"input_text": "a", "\ud800": 1}', "unknown_parameter"),
        (r'{"input_text": "a", "\ud800": 1, "\ud800": 2}', "invalid_body"),
    ],
)
def test_a_name_that_is_no_text_comes_back_as_text(client: FlaskClient, body: str, code: str):
    message = problem(by_body(client, body), 400, code, "?")
    assert message.encode()


def test_an_unknown_model_is_not_found_and_the_present_ones_are_listed(client: FlaskClient):
    message = problem(by_query(client, "input_text=a&model_name=gpt-5"), 404, "model_not_found", "model_name")
    assert "'gpt-5'" in message and "124M" in message and "gpt-j-6B" in message


@pytest.mark.parametrize("name", ["355M", "gpt2-xl", "openai-community/gpt2-large"])
def test_a_published_model_that_is_not_here_is_told_with_the_remedy(client: FlaskClient, name: str):
    message = problem(by_query(client, f"input_text=a&model_name={name}"), 404, "model_not_downloaded", "model_name")
    assert "make model NAME=" in message and "Present: 124M" in message


def test_json_without_its_content_type_is_told_so_and_not_quoted(client: FlaskClient):
    response = client.post(PATH, data='{"input_text": "hello"}', content_type="application/x-www-form-urlencoded")
    message = problem(response, 400, "invalid_body")
    assert "Content-Type: application/json" in message and "hello" not in message


def test_a_misspelt_model_is_told_the_nearest_one(client: FlaskClient):
    assert "did you mean demo?" in problem(
        by_query(client, "input_text=a&model_name=dmeo"), 404, "model_not_found", "model_name"
    )


PATHS = [
    "..", ".", "../../etc", "../124M", "124M/", "./124M", "124M/../124M", "/etc/passwd", "/dev/random", "..%2f..%2fetc",
    "%2e%2e", "C:\\windows", "\\\\host\\share", "http://169.254.169.254/", "file:///etc/passwd", "$(id)", "`id`",
    "124M\0", "124M\n", "124m", " 124M", "~", "*", ".git", "a" * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("name", PATHS, ids=ascii)
def test_a_path_is_no_model(client: FlaskClient, name: str):
    by_get = client.get(PATH, query_string={"input_text": "a", "model_name": name})
    by_post = client.post(PATH, json={"input_text": "a", "model_name": name})
    for response in (by_get, by_post):
        assert len(problem(response, 404, "model_not_found", "model_name")) < 1000


AUDIT = """
import json, sys
from pathlib import Path
from inkwell.app import create_app
from inkwell.settings.settings import Settings

models = sys.argv[1]
client = create_app(Settings.from_environ({"INKWELL_MODELS_DIR": models})).test_client()
client.post("/text-generate", json={"input_text": "a", "model_name": "first, so that everything is imported"})
seen = []
sys.addaudithook(lambda event, values: seen.append((event, str(values[0]))) if event in (
    "open", "os.listdir", "os.scandir", "socket.connect", "subprocess.Popen", "os.system") else None)
for name in json.loads(sys.argv[2]):
    assert client.post("/text-generate", json={"input_text": "a", "model_name": name}).status_code == 404
print(json.dumps([each for each in seen if not each[1].startswith(models)]))
"""


def test_a_path_as_a_model_opens_and_starts_nothing(models_dir: Path):
    names = json.dumps([name for name in PATHS if "\0" not in name])
    root = Path(__file__).resolve().parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, str(models_dir), names], cwd=root, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
