"""`/text-generate` with unsupported bodies and methods: refused before any parameter is read."""

import gzip
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from inkwell.access.admission import LARGE_BYTES, MAX_LARGE
from tests.serving import problem

PATH = "/text-generate"


def by_body(
    client: FlaskClient, raw: bytes | str, content_type: str = "application/json", **more: object
) -> TestResponse:
    return client.post(PATH, data=raw, content_type=content_type, **more)


@pytest.mark.parametrize(
    "body", ["", "null", "[]", '"x"', "1", "true", "not json", "{", '{"input_text": "a"} x', "<html>"]
)
def test_a_body_that_is_no_json_object_is_refused_and_not_repeated(client: FlaskClient, body: str):
    message = problem(by_body(client, body), 400, "invalid_body")
    assert "JSON" in message and "<html>" not in message


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe{}", "{}".encode("utf-16"), "{}".encode("utf-16-le"), b'{"input_text": "\xe9"}']
)
def test_a_body_in_another_encoding_is_refused(client: FlaskClient, raw: bytes):
    problem(by_body(client, raw), 400, "invalid_body")


def test_a_byte_order_mark_is_refused(client: FlaskClient):
    problem(by_body(client, '{"input_text": "a"}'.encode("utf-8-sig")), 400, "invalid_body")


@pytest.mark.parametrize("raw", ["[" * 100_000, '{"a":' * 1000, '{"input_text": ' + "[" * 33 + "]" * 33 + "}"])
def test_a_deeply_nested_body_is_refused(client: FlaskClient, raw: str):
    assert "nested" in problem(by_body(client, raw), 400, "invalid_body")


def test_brackets_in_a_text_are_no_nesting(client: FlaskClient):
    body = {"input_text": '[{"' * 50 + '\\"[', "length": 1, "temperature": 0}
    assert client.post(PATH, json=body).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "text/json", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "a" * 9000],
)
def test_another_content_type_is_refused(client: FlaskClient, content_type: str):
    problem(by_body(client, '{"input_text": "a"}', content_type), 415, "unsupported_media_type")


def test_a_multipart_form_is_refused(client: FlaskClient):
    response = client.post(PATH, data={"input_text": "a"}, content_type="multipart/form-data")
    problem(response, 415, "unsupported_media_type")


def test_a_compressed_body_is_refused(client: FlaskClient):
    body = gzip.compress(b'{"input_text": "a"}')
    response = by_body(client, body, headers={"Content-Encoding": "gzip"})
    problem(response, 415, "unsupported_media_type")


def test_a_post_with_a_query_is_refused(client: FlaskClient):
    response = client.post(f"{PATH}?length=5", json={"input_text": "a"})
    assert "body, not in the query" in problem(response, 400, "invalid_body")


class Slow(io.RawIOBase):
    """A body of which one byte has arrived; the rest follows when the event is set."""

    def __init__(self, rest: threading.Event) -> None:
        self.read_from = threading.Event()
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        self.read_from.set()
        assert self._rest.wait(30)
        buffer[:] = b" " * len(buffer)
        return len(buffer)


def send_large(client: FlaskClient, body: Slow) -> TestResponse:
    environ = {"wsgi.input": body, "CONTENT_LENGTH": str(LARGE_BYTES + 1)}
    return client.application.test_client().post(PATH, content_type="application/json", environ_overrides=environ)


def test_large_bodies_that_arrive_slowly_hold_neither_small_ones_nor_the_refusal_of_further_ones(client: FlaskClient):
    rest = threading.Event()
    bodies = [Slow(rest) for _ in range(MAX_LARGE)]
    with ThreadPoolExecutor(MAX_LARGE) as pool:
        try:
            replies = [pool.submit(send_large, client, body) for body in bodies]
            assert all(body.read_from.wait(10) for body in bodies)
            unread = Slow(rest)
            refused = send_large(client, unread)
            assert str(LARGE_BYTES) in problem(refused, 429, "queue_full")
            assert refused.headers["Retry-After"] in ("1", "2") and not unread.read_from.is_set()
            assert client.post(PATH, json={"input_text": "a", "length": 1, "temperature": 0}).text == "b"
        finally:
            rest.set()
        for reply in replies:
            problem(reply.result(), 400, "invalid_body")
    assert by_body(client, "{}" + " " * LARGE_BYTES).status_code == 400


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH"])
def test_another_method_is_refused_with_those_that_are_allowed(client: FlaskClient, method: str):
    response = client.open(f"{PATH}?input_text={quote('a b')}", method=method)
    assert response.status_code == 405
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))
