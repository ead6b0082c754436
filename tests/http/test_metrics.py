"""`/metrics` of an application with real workers: counters increase as expected and contain no text sent by clients."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.http.test_privacy import CANARY, ask_everything
from tests.servable import save_servable
from tests.serving import problem, running_app

pytestmark = pytest.mark.slow  # models evict each other, and each load is a process

PATH = "/text-generate"


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """A service with two slots and room for one model; one of its three folders is truncated."""
    folder = tmp_path_factory.mktemp("counted")
    for name in ("demo", "other", "cut"):
        save_servable(folder / name)
    weights = folder / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with running_app(folder, max_models=1, max_rows=2, retry_load_s=0.01) as app:
        yield app


@pytest.fixture
def asker(counted: Flask) -> FlaskClient:
    return counted.test_client()


def metric(client: FlaskClient, name: str, **labels: str) -> float:
    """Return the sum over all series of that name with these labels; 0 if there are none."""
    families = parse(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == f"inkwell_{name}"]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def rise(client: FlaskClient, act: Callable[[], object], name: str, **labels: str) -> float:
    before = metric(client, name, **labels)
    act()
    return metric(client, name, **labels) - before


def generate(client: FlaskClient, **wanted: object) -> Callable[[], object]:
    return lambda: client.post(PATH, json={"input_text": "abc", "length": 5, "temperature": 0, **wanted})


def test_replies_are_counted_by_route_and_status(asker: FlaskClient):
    assert rise(asker, generate(asker), "requests_total", route=PATH, status="200") == 1
    assert rise(asker, generate(asker, length=0), "requests_total", route=PATH, status="400") == 1
    assert rise(asker, lambda: asker.get("/nowhere"), "requests_total", route="other", status="404") == 1


def test_tokens_and_times_of_a_request_are_counted(asker: FlaskClient):
    generate(asker)()
    for name, count in {
        "prompt_tokens_total": 3,
        "generated_tokens_total": 5,
        "inter_token_seconds_count": 4,
        "time_to_first_token_seconds_count": 1,
        "queue_seconds_count": 1,
        "request_duration_seconds_count": 1,
    }.items():
        assert rise(asker, generate(asker), name, model="demo") == count, name
    assert rise(asker, generate(asker), "generations_total", model="demo", outcome="ok") == 1


def test_a_text_that_a_stop_string_ends_tells_its_wait_and_its_prefix(asker: FlaskClient):
    prompt = "abcdefghijklmnopqrstuvwxyz" * 4
    stopped = generate(asker, input_text=prompt, stop=["d"], length=20)
    stopped()
    assert rise(asker, stopped, "cached_tokens_total", model="demo") == len(prompt) - 1
    assert rise(asker, stopped, "queue_seconds_sum", model="demo") > 0


def test_texts_without_a_slot_are_queued_and_make_a_wait(counted: Flask, asker: FlaskClient):
    generate(asker)()
    process = counted.extensions["inkwell"].worker("demo").process
    process.send_signal(signal.SIGSTOP)
    streams = [asker.post(PATH, json={"input_text": "a", "length": 1000, "stream": True}) for _ in range(5)]
    try:
        assert metric(asker, "requests_admitted") == 5
        assert metric(asker, "requests_running", model="demo") == 2 == metric(asker, "slots", state="used")
        assert metric(asker, "requests_queued", model="demo") == 3
        assert metric(asker, "slots", state="free") == 0
        assert metric(asker, "estimated_wait_seconds") > 0
    finally:
        process.send_signal(signal.SIGCONT)
        for stream in streams:
            stream.close()
    idle = ("requests_admitted", "requests_running", "requests_queued", "estimated_wait_seconds")
    assert [metric(asker, name) for name in idle] == [0, 0, 0, 0]
    assert metric(asker, "slots", state="free") == 2


def test_memory_and_version_are_told(asker: FlaskClient):
    generate(asker)()
    used = metric(asker, "worker_memory_bytes", model="demo") + metric(asker, "web_memory_bytes")
    assert 50e6 < used < metric(asker, "memory_limit_bytes")
    assert "inkwell_worker_gpu_memory_bytes{" not in asker.get("/metrics").text
    assert metric(asker, "build_info") == 1


def test_a_model_that_makes_room_is_counted_and_tells_no_more_of_itself(asker: FlaskClient):
    generate(asker)()
    assert rise(asker, generate(asker, model_name="other"), "model_evictions_total", model="demo") == 1
    assert rise(asker, generate(asker), "worker_restarts_total", model="demo") == 0
    generate(asker, model_name="other")()
    assert metric(asker, "slots", model="demo") == 0 and metric(asker, "slots", model="other") == 2
    assert metric(asker, "worker_exits_total", model="demo", reason="stopped") >= 1


def test_a_killed_worker_and_the_load_that_replaces_it_are_counted(counted: Flask, asker: FlaskClient):
    generate(asker)()
    worker = counted.extensions["inkwell"].worker("demo")

    def kill() -> None:
        os.kill(worker.process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while counted.extensions["inkwell"].worker("demo") is worker and time.monotonic() < deadline:
            time.sleep(0.01)

    assert rise(asker, kill, "worker_exits_total", model="demo", reason="killed") == 1
    restarts = metric(asker, "worker_restarts_total", model="demo")
    assert rise(asker, generate(asker), "model_loads_total", model="demo", result="ok") == 1
    assert metric(asker, "worker_restarts_total", model="demo") == restarts + 1


def test_a_load_that_fails_is_counted_once(asker: FlaskClient):
    failing = generate(asker, model_name="cut")
    assert rise(asker, failing, "model_loads_total", model="cut", result="failed") == 1
    time.sleep(0.02)
    assert rise(asker, failing, "worker_exits_total", model="cut", reason="load_failed") == 1


def test_nothing_that_a_client_sends_becomes_a_label(asker: FlaskClient):
    ask_everything(asker)
    asker.get(f"/v1/engines/{CANARY}/completions")
    asker.delete(f"/v1/requests/{CANARY}", headers={"X-Request-Id": CANARY})
    assert CANARY not in asker.get("/metrics").text


def test_the_form_follows_the_accept_header(asker: FlaskClient):
    plain = asker.get("/metrics")
    open_form = asker.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert plain.content_type.startswith("text/plain; version=")
    assert open_form.content_type.startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(open_form.text)}
    assert {"inkwell_requests", "inkwell_build_info"} <= names and not any("_created" in name for name in names)


@pytest.mark.parametrize(
    ("scope", "status"), [("metrics", 200), ("infer,metrics", 200), ("infer", 403), ("admin", 403)]
)
def test_with_keys_only_the_scope_metrics_opens_it(models_dir: Path, scope: str, status: int):
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of "foo"
    with running_app(models_dir, keys=f"prometheus {digest} {scope}") as app:
        client = app.test_client()
        assert client.get("/metrics", headers={"Authorization": "Bearer foo"}).status_code == status
        problem(client.get("/metrics"), 401, "invalid_api_key")
        if scope == "metrics":
            problem(client.get("/models", headers={"X-Api-Key": "foo"}), 403, "permission_denied")
