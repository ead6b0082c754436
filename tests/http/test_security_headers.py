"""The security headers of every reply."""

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/text-generate?input_text=a&length=1", 200),
        ("GET", "/text-generate?input_text=a&length=1&stream=true", 200),
        ("GET", "/text-generate", 400),
        ("GET", "/models", 200),
        ("GET", "/livez", 200),
        ("GET", "/", 302),
        ("GET", "/apidocs", 308),
        ("GET", "/apidocs/", 200),
        ("GET", "/apispec_1.json", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/models", 405),
        ("OPTIONS", "/models", 200),
    ],
)
def test_every_reply_forbids_to_guess_its_type(client: FlaskClient, method: str, path: str, status: int):
    response = client.open(path, method=method, buffered=True)
    assert response.status_code == status
    assert response.headers.getlist("X-Content-Type-Options") == ["nosniff"]


@pytest.mark.parametrize(
    ("header", "value", "status"), [("If-None-Match", "*", 304), ("Range", "bytes=99999999-", 416)]
)
def test_so_does_every_reply_without_the_file_that_was_asked_for(
    client: FlaskClient, header: str, value: str, status: int
):
    response = client.get("/apidocs/assets/swagger-ui.css", headers={header: value}, buffered=True)
    assert response.status_code == status
    assert response.headers.getlist("X-Content-Type-Options") == ["nosniff"]
