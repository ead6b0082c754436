"""CORS: nothing without the setting, and only the listed origins with it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.serving import problem, running_app

PAGE, OTHER = "https://app.example", "http://localhost:3000"
KEY = "ink-page"


@pytest.fixture(scope="module")
def opened(models_dir: Path) -> Iterator[Flask]:
    """The application with keys and two origins."""
    line = f"page {hashlib.sha256(KEY.encode()).hexdigest()} infer"
    with running_app(models_dir, keys=line, cors_origins=f"{PAGE},{OTHER}") as app:
        yield app


@pytest.fixture
def browser(opened: Flask) -> FlaskClient:
    return opened.test_client()


def preflight(origin: str, method: str = "POST") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }


def words(value: str) -> set[str]:
    return {word.lower() for word in value.split(", ")}


@pytest.mark.parametrize("origin", [PAGE, OTHER])
def test_a_preflight_is_answered_without_a_key(browser: FlaskClient, origin: str):
    response = browser.options("/text-generate", headers=preflight(origin))
    assert response.status_code == 204 and response.data == b""
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert words(response.headers["Access-Control-Allow-Methods"]) >= {"get", "post"}
    assert words(response.headers["Access-Control-Allow-Headers"]) == {
        "authorization", "content-type", "x-api-key", "x-request-id",
    }  # fmt: skip
    assert "Origin" in response.headers["Vary"] and response.headers["X-Request-Id"]
    methods = browser.options("/models", headers=preflight(origin)).headers["Access-Control-Allow-Methods"]
    assert "POST" not in methods and "GET" in methods


def test_a_page_may_read_replies_errors_and_the_headers_that_say_more(browser: FlaskClient):
    good = browser.get("/models", headers={"Origin": PAGE, "X-Api-Key": KEY})
    refused = browser.get("/models", headers={"Origin": PAGE})
    missing = browser.get("/nowhere", headers={"Origin": PAGE})
    assert (good.status_code, refused.status_code, missing.status_code) == (200, 401, 404)
    for response in (good, refused, missing):
        assert response.headers["Access-Control-Allow-Origin"] == PAGE
        assert words(response.headers["Access-Control-Expose-Headers"]) >= {"x-request-id", "retry-after"}


def test_the_headers_of_a_text_are_exposed_by_name(browser: FlaskClient):
    body = {"input_text": "a", "length": 1, "temperature": 0, "model_name": "124M"}
    response = browser.post("/text-generate", json=body, headers={"Origin": PAGE, "X-Api-Key": KEY})
    own = {name.lower() for name in response.headers.keys() if name.startswith("X-Inkwell-")}
    assert own and own <= words(response.headers["Access-Control-Expose-Headers"])


STRANGERS = [
    "https://evil.invalid", "null", "", "*", "https://app.example.evil.invalid", "https://evilapp.example",
    "https://app.example:444", "http://app.example", "https://APP.example", "https://app.example/", "https://xapp.example",
    "https://app.example, https://evil.invalid", "file://", "https://app.example\t",
]  # fmt: skip


@pytest.mark.parametrize("origin", STRANGERS)
def test_another_origin_gets_no_header_and_its_preflight_no_answer(browser: FlaskClient, origin: str):
    problem(browser.options("/text-generate", headers=preflight(origin)), 401, "invalid_api_key")
    for response in (
        browser.options("/text-generate", headers=preflight(origin)),
        browser.get("/livez", headers={"Origin": origin}),
        browser.get("/models", headers={"Origin": origin, "X-Api-Key": KEY}),
    ):
        assert not any(name.startswith("Access-Control") for name in response.headers.keys())
        assert "Origin" in response.headers["Vary"]  # otherwise a cache could serve this reply to an allowed page


def test_cookies_and_private_networks_play_no_part(browser: FlaskClient):
    asked = preflight(PAGE) | {"Access-Control-Request-Private-Network": "true"}
    for response in (browser.options("/models", headers=asked), browser.get("/livez", headers={"Origin": PAGE})):
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Access-Control-Allow-Private-Network" not in response.headers


def test_a_preflight_opens_nothing_by_itself(browser: FlaskClient):
    problem(browser.get("/models", headers=preflight(PAGE)), 401, "invalid_api_key")
    problem(browser.options("/models", headers={"Origin": PAGE}), 401, "invalid_api_key")
    problem(browser.options("/nowhere", headers=preflight(PAGE)), 404, "not_found")


@pytest.mark.parametrize("origin", [PAGE, "null", "https://evil.invalid"])
def test_without_the_setting_no_page_may_read_anything(client: FlaskClient, origin: str):
    for response in (
        client.options("/text-generate", headers=preflight(origin)),
        client.get("/models", headers={"Origin": origin}),
    ):
        assert not any(name.startswith("Access-Control") for name in response.headers.keys())
        assert "Vary" not in response.headers
