"""`/text-generate` on bodies and methods that it does not take: refused before anybody looks at a parameter."""

import gzip
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

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


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH"])
def test_another_method_is_refused_with_those_that_are_allowed(client: FlaskClient, method: str):
    response = client.open(f"{PATH}?input_text={quote('a b')}", method=method)
    assert response.status_code == 405
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))
