"""X-Request-Id: on every reply, the client's own if it is harmless."""

import re

import pytest
from flask.testing import FlaskClient

HEADER = "X-Request-Id"


@pytest.mark.parametrize("path", ["/livez", "/models", "/nothing", "/text-generate", "/apidocs/", "/apispec_1.json"])
def test_every_reply_has_an_id(client: FlaskClient, path: str):
    assert re.fullmatch("[0-9a-f]{32}", client.get(path).headers[HEADER])


def test_two_requests_have_two_ids(client: FlaskClient):
    assert client.get("/livez").headers[HEADER] != client.get("/livez").headers[HEADER]


@pytest.mark.parametrize("given", ["mine", "a.b_c-9@d", "0" * 64, "."])
def test_a_harmless_id_is_kept(client: FlaskClient, given: str):
    assert client.get("/livez", headers={HEADER: given}).headers[HEADER] == given


@pytest.mark.parametrize(
    "given", ["", " ", "a b", "a\tb", "0" * 65, "x" * 10_000, "naïve", "<script>", '"', "a,b", "a\x1b[0m", "a/b"]
)
def test_any_other_id_is_replaced(client: FlaskClient, given: str):
    response = client.get("/livez", environ_overrides={"HTTP_X_REQUEST_ID": given})
    assert re.fullmatch("[0-9a-f]{32}", response.headers[HEADER])


@pytest.mark.parametrize("given", ["a\r\nSet-Cookie: x=1", "a\n", "\0"])
def test_an_id_cannot_carry_a_header_or_a_line(client: FlaskClient, given: str):
    response = client.get("/livez", environ_overrides={"HTTP_X_REQUEST_ID": given})
    assert re.fullmatch("[0-9a-f]{32}", response.headers[HEADER]) and "Set-Cookie" not in response.headers


def test_a_new_id_begins_with_apaches_and_cannot_be_guessed(client: FlaskClient):
    own = "awIiy4swUbkkBrZ@-M55xgAAAAI"
    ids = {client.get("/livez", environ_overrides={"UNIQUE_ID": own}).headers[HEADER] for _ in range(3)}
    assert len(ids) == 3 and all(re.fullmatch(f"{own}-[0-9a-f]{{32}}", each) for each in ids)
    assert {client.get("/livez", headers={HEADER: each}).headers[HEADER] for each in ids} == ids
