"""The access log: exactly one record per request, and its content for every kind of ending."""

import logging
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inkwell.observability.logs import formatter
from tests.serving import running_app

PATH = "/text-generate"
GOOD = {"input_text": "a", "length": 3, "temperature": 0}
FACTS = {"request_id", "client", "address", "method", "route", "status", "code", "duration_s"}
GENERATION = {"model", "outcome", "finish_reasons", "prompt_tokens", "cached_tokens", "generated_tokens", "queue_s",
              "first_token_s"}  # fmt: skip
USUAL = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
Ask = Callable[..., logging.LogRecord]


@pytest.fixture
def ask(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> Ask:
    """Send a request with the id "mine" to its end; return its only record."""
    client.post(PATH, json=GOOD)  # the model's worker logs its start
    caplog.set_level(logging.DEBUG)

    def ask(method: str, path: str = PATH, **wanted: object) -> logging.LogRecord:
        caplog.clear()
        client.open(path, method=method, headers={"X-Request-Id": "mine"}, buffered=True, **wanted)
        (record,) = [record for record in caplog.records if not record.name.startswith("inkwell.models")]
        assert (record.message, record.request_id) == ("request ended", "mine")
        formatter("json").format(record)
        return record

    return ask


def facts(record: logging.LogRecord) -> set[str]:
    return set(vars(record)) - USUAL


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_text_is_told_with_its_request_counts_and_times(ask: Ask, stream: bool):
    record = ask("POST", json=GOOD | {"stream": stream})
    assert facts(record) == FACTS | GENERATION and record.levelno == logging.INFO
    assert (record.client, record.method, record.route, record.status) == ("anyone", "POST", PATH, 200)
    assert (record.code, record.outcome, record.model) == (None, "ok", "124M")
    assert (record.prompt_tokens, record.generated_tokens, record.finish_reasons) == (1, 3, ["length"])
    assert 0 <= record.queue_s <= record.first_token_s <= record.duration_s


def test_a_score_is_logged_without_finish_reasons(ask: Ask):
    record = ask("POST", path="/v1/score", json={"text": "abc"})
    assert facts(record) == FACTS | GENERATION
    assert (record.outcome, record.prompt_tokens, record.generated_tokens) == ("ok", 3, 0)
    assert (record.finish_reasons, record.first_token_s) == ([], None)


REFUSED = {
    "a parameter that there is not": (400, "unknown_parameter", {"path": f"{PATH}?no_such=1"}, False),
    "a model that there is not": (404, "model_not_found", {"path": f"{PATH}?input_text=a&model_name=x"}, True),
    "a prompt that is too long": (400, "context_length_exceeded", {"path": f"{PATH}?input_text={'a' * 2000}"}, True),
    "no such address": (404, "not_found", {"path": "/nowhere?q=a"}, False),
    "no such method": (405, "method_not_allowed", {"path": "/models", "method": "DELETE"}, False),
    "no such media type": (415, "unsupported_media_type", {"method": "POST", "data": "a"}, False),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_told_with_its_code(ask: Ask, case: str):
    status, code, wanted, admitted = REFUSED[case]
    record = ask(**{"method": "GET", **wanted})
    assert (record.status, record.code, record.levelno) == (status, code, logging.INFO)
    assert facts(record) == FACTS | (GENERATION if admitted else set())
    assert not admitted or record.outcome == "refused"
    assert record.route == ("other" if code in ("not_found", "method_not_allowed") else PATH)


def test_a_failure_is_told_once_with_its_cause(ask: Ask):
    record = ask("POST", json=GOOD | {"model_name": "half"})
    assert (record.status, record.code, record.levelno) == (503, "model_corrupt", logging.ERROR)
    assert (record.model, record.outcome) == ("half", "model_corrupt") and "not a complete" in record.error
    assert facts(record) == FACTS | GENERATION | {"error", "cause"}


def test_a_stream_that_fails_is_told_with_the_code_that_its_status_does_not_tell(app: Flask, ask: Ask):
    process = app.extensions["inkwell"].worker("124M").process
    process.send_signal(signal.SIGSTOP)
    try:
        record = ask("POST", json=GOOD | {"timeout_s": 0.3, "stream": True})
    finally:
        process.send_signal(signal.SIGCONT)
    assert (record.status, record.code, record.outcome) == (200, "deadline_exceeded", "deadline_exceeded")
    assert record.levelno == logging.ERROR and 0.2 < record.queue_s <= record.duration_s


def test_a_client_that_leaves_a_stream_is_told_as_cancelled(client: FlaskClient, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    client.post(PATH, json=GOOD | {"length": 900, "stream": True}).close()
    (record,) = [record for record in caplog.records if record.message == "request ended"]
    assert (record.status, record.code, record.outcome) == (200, None, "cancelled")


def test_a_load_that_takes_too_long_is_counted_and_told(models_dir: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    with running_app(models_dir, default_model="124M", load_timeout_s=0.01) as app:
        client = app.test_client()
        client.post(PATH, json=GOOD, buffered=True)
        (record,) = [record for record in caplog.records if record.message == "request ended"]
        assert (record.code, record.outcome, record.generated_tokens) == ("model_loading", "model_loading", 0)
        told = client.get("/metrics").text
    assert 'inkwell_generations_total{model="124M",outcome="model_loading"} 1.0' in told
    assert 'inkwell_refusals_total{code="model_loading"} 1.0' in told


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/metrics"])
def test_probes_and_scrapes_are_told_to_who_debugs_alone(ask: Ask, path: str):
    assert ask("GET", path).levelno == logging.DEBUG
    assert ask("DELETE", path).levelno == logging.INFO


def test_a_file_is_told_when_it_was_sent(ask: Ask):
    assert ask("GET", "/apidocs/assets/swagger-ui.css").route == "/apidocs/assets/<name>"


def test_a_method_of_the_clients_own_making_is_not_told(ask: Ask):
    assert ask("CANARY", "/models").method is None


def test_the_client_is_told_by_its_name(models_dir: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of "foo"
    with running_app(models_dir, keys=f"alice {digest} infer") as app:
        for key in ("foo", "bar"):
            app.test_client().get("/models", headers={"X-Api-Key": key}, buffered=True)
    told = [(record.client, record.status) for record in caplog.records if record.message == "request ended"]
    assert [status for _, status in told] == [200, 401] and told[0][0] == "alice" != told[1][0]
