"""Errors on their way to HTTP: the table, the one shape, and what may leave the house."""

import logging
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.exceptions import UnsupportedMediaType, default_exceptions
from werkzeug.test import TestResponse

from inkwell.errors import InkwellError, InvalidBody, QueueFull, SettingsError, error_kinds
from inkwell.http.error_handlers import TABLE, classify
from inkwell.parameters.refusals import REFUSALS, refusal_of
from tests.serving import problem, running_app

STATUS = {
    "invalid_parameter": 400,
    "unknown_parameter": 400,
    "invalid_body": 400,
    "context_length_exceeded": 400,
    "unsupported_parameter": 400,
    "model_not_found": 404,
    "model_not_downloaded": 404,
    "request_not_found": 404,
    "invalid_api_key": 401,
    "permission_denied": 403,
    "queue_full": 429,
    "rate_limit_exceeded": 429,
    "server_shutting_down": 503,
    "model_corrupt": 503,
    "model_needs_conversion": 503,
    "model_loading": 503,
    "model_load_failed": 503,
    "request_cancelled": 400,
    "deadline_exceeded": 504,
    "worker_died": 500,
    "engine_error": 500,
    "invalid_logits": 500,
}


def answer_to(error: Exception, models_dir: Path) -> TestResponse:
    """What a client gets when a view of the application raises this."""

    def fail() -> None:
        raise error

    with running_app(models_dir) as app:
        app.view_functions["health.livez"] = fail
        return app.test_client().get("/livez", headers={"X-Request-Id": "mine"}, buffered=True)


LEAVES = [kind for kind in error_kinds() if kind is not SettingsError]


def test_every_leaf_of_the_tree_has_the_status_that_is_promised():
    assert {kind.code: classify(kind("x"))[0] for kind in LEAVES} == STATUS


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_every_leaf_has_a_row_of_its_own_branch(kind: type[InkwellError]):
    assert next(row for row in kind.__mro__ if row in TABLE) is not InkwellError


def test_what_may_pass_later_says_when_to_try_again():
    retried = {kind.code for kind in LEAVES if classify(kind("x"))[2]}
    assert retried == {"queue_full", "rate_limit_exceeded", "server_shutting_down", "model_loading"}


@pytest.mark.parametrize(
    ("wait_s", "seconds", "milliseconds"),
    [(0.0, "1", "1"), (0.2501, "1", "251"), (1.0, "1", "1000"), (1.001, "2", "1001"), (59.5, "60", "59500")],
)
def test_the_wait_that_an_error_knows_overrules_the_table(
    models_dir: Path, wait_s: float, seconds: str, milliseconds: str
):
    response = answer_to(QueueFull("full", retry_after_s=wait_s), models_dir)
    problem(response, 429, "queue_full")
    assert (response.headers["Retry-After"], response.headers["retry-after-ms"]) == (seconds, milliseconds)


def test_an_error_without_a_wait_names_none(models_dir: Path):
    response = answer_to(InvalidBody("no"), models_dir)
    problem(response, 400, "invalid_body")
    assert "Retry-After" not in response.headers and "retry-after-ms" not in response.headers
    assert "WWW-Authenticate" not in response.headers


def test_an_endpoint_may_say_what_media_it_takes(models_dir: Path):
    assert problem(answer_to(UnsupportedMediaType("JSON alone"), models_dir), 415, "unsupported_media_type") == (
        "JSON alone"
    )


ASSET = "/apidocs/assets/swagger-ui.css"


def test_a_range_beyond_the_end_of_a_file_is_named_as_the_reason(client: FlaskClient):
    response = client.get(ASSET, headers={"Range": "bytes=99999999-"})
    assert "Range" in problem(response, 416, "range_not_satisfiable")
    assert response.headers["Content-Range"].startswith("bytes */")


def test_a_file_that_does_not_match_a_precondition_is_not_sent(client: FlaskClient):
    response = client.get(ASSET, headers={"If-Match": '"another"'}, buffered=True)
    assert "If-Match" in problem(response, 412, "precondition_failed")
    assert client.get(ASSET, headers={"If-None-Match": "*"}, buffered=True).status_code == 304


def test_a_websocket_is_refused_as_one(client: FlaskClient):
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    assert "WebSocket" in problem(client.get("/models", headers=asked), 400, "bad_request")


@pytest.mark.parametrize("status", sorted(default_exceptions))
def test_no_status_is_explained_by_the_reason_of_another(status: int, models_dir: Path):
    response = answer_to(default_exceptions[status](), models_dir)
    message = problem(response, status, refusal_of(status).code)
    assert ("well-formed HTTP" in message) == (status == 400)
    assert status in {row.status for row in REFUSALS} or str(status) in message
    assert response.json["error"]["type"] == "server_error" or status < 500 or status in {501, 503, 504, 505}


@pytest.mark.parametrize("path", ["/nothing", "/text-generate/", "/v1/nothing", "/.env", "/apidocs/nothing"])
def test_an_unknown_address_is_told_in_the_one_shape(client: FlaskClient, path: str):
    problem(client.get(path), 404, "not_found")


@pytest.mark.parametrize("path", ["/models", "/livez", "/readyz", "/apidocs/"])
def test_a_wrong_method_is_told_in_the_one_shape_with_the_right_ones(client: FlaskClient, path: str):
    response = client.post(path, json={})
    problem(response, 405, "method_not_allowed")
    assert "GET" in response.headers["Allow"]


def test_a_redirect_stays_one_and_carries_the_id(client: FlaskClient):
    response = client.get("/apidocs")
    assert response.status_code == 308 and response.headers["X-Request-Id"]


def test_the_root_leads_to_the_documentation(client: FlaskClient):
    response = client.get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "apidocs/")


def test_an_error_that_nobody_foresaw_tells_its_place_to_the_log_and_nothing_to_the_client(models_dir, caplog):
    response = answer_to(ValueError("canary of the prompt"), models_dir)
    assert "canary" not in problem(response, 500, "internal_error")
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert (record.code, record.status) == ("internal_error", 500)
    assert record.request_id == "mine" and "ValueError in " in record.error and __file__ in record.error
    assert "canary" not in caplog.text and "canary" not in str([vars(record) for record in caplog.records])


def test_a_host_that_is_too_long_is_not_well_formed(client: FlaskClient):
    problem(client.get("/models", environ_overrides={"HTTP_HOST": "a" * 5000}), 400, "bad_request")


@pytest.mark.parametrize("host", ["a b", "<x>", "x:y", "", "\xff"])
def test_a_host_that_is_no_name_is_refused_as_every_strange_one(client: FlaskClient, host: str):
    problem(client.get("/models", environ_overrides={"HTTP_HOST": host}), 403, "permission_denied")


@pytest.mark.parametrize("origin", ["https://evil.invalid", "null"])
def test_no_other_site_may_read_the_replies(client: FlaskClient, origin: str):
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for response in (client.options("/text-generate", headers=asked), client.get("/models", headers=asked)):
        assert not any(name.startswith("Access-Control") for name in response.headers.keys())
