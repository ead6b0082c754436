"""Authentication: every endpoint has a scope, a wrong key reveals nothing, and without keys none is required."""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from flask import Blueprint, Flask, g
from flask.testing import FlaskClient

from inkwell.access.keys import ANONYMOUS, ANYONE, INFER, SCOPES
from inkwell.app import create_app
from inkwell.http.auth import PUBLIC, ScopedBlueprint, check_scopes, scope_of
from inkwell.http.services import Services
from inkwell.settings.settings import Settings
from tests.serving import problem, running_app

KEYS = {"alice": "ink-alice", "root": "ink-root", "both": "ink-both"}
SCOPE = {"alice": "infer", "root": "admin", "both": "infer,admin"}
CLOSED = "/models"  # the fastest endpoint that requires a key
FAILED = "ink-zwitschernde-rohrdommel"


@pytest.fixture(scope="module")
def guarded(models_dir: Path) -> Iterator[Flask]:
    """The application with three clients."""
    lines = [f"{name} {hashlib.sha256(key.encode()).hexdigest()} {SCOPE[name]}" for name, key in KEYS.items()]
    with running_app(models_dir, keys=";".join(lines)) as app:
        yield app


@pytest.fixture
def asker(guarded: Flask) -> FlaskClient:
    return guarded.test_client()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def scopes_of(app: Flask) -> dict[str, str | None]:
    """The scope of each endpoint."""
    with app.app_context():
        return {rule.endpoint: scope_of(rule.endpoint) for rule in app.url_map.iter_rules()}


def test_every_endpoint_has_a_scope(guarded: Flask):
    assert set(scopes_of(guarded).values()) <= {PUBLIC, *SCOPES}


def test_only_these_addresses_are_open(guarded: Flask):
    """Written out a second time, so that nothing becomes public by a slip."""
    scopes = scopes_of(guarded)
    public = {rule.rule for rule in guarded.url_map.iter_rules() if scopes[rule.endpoint] == PUBLIC}
    pages = {"/apidocs/", "/apidocs/assets/<name>", "/apidocs/static/<path:filename>", "/apispec_1.json"}
    playground = {rule for rule in public if rule.startswith("/playground")}
    assert public - playground == {"/", "/health", "/livez", "/readyz", *pages}


def test_every_closed_address_asks_for_a_key(guarded: Flask, asker: FlaskClient):
    tried, scopes = 0, scopes_of(guarded)
    for rule in guarded.url_map.iter_rules():
        for method in rule.methods - {"HEAD"} if scopes[rule.endpoint] != PUBLIC else ():
            response = asker.open(re.sub("<[^>]+>", "1", rule.rule), method=method)
            problem(response, 401, "invalid_api_key")
            assert response.headers["WWW-Authenticate"] == "Bearer"
            tried += 1
    assert tried >= 5


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/apidocs/", "/apispec_1.json"])
@pytest.mark.parametrize("headers", [{}, bearer(FAILED)], ids=["none", "wrong"])
def test_an_open_address_asks_for_none_and_minds_no_wrong_one(asker: FlaskClient, path: str, headers: dict):
    assert asker.get(path, headers=headers).status_code in (200, 302, 503)


@pytest.mark.parametrize("name", ["alice", "both"])
@pytest.mark.parametrize("headers", [
    lambda key: {"Authorization": f"Bearer {key}"},
    lambda key: {"Authorization": f"bearer   {key}"},
    lambda key: {"X-Api-Key": key},
    lambda key: {"X-Api-Key": key, "Authorization": f"Bearer {key}"},
], ids=["bearer", "lower case", "plain", "both the same"])  # fmt: skip
def test_a_valid_key_opens_what_its_scope_covers(asker: FlaskClient, name: str, headers):
    assert asker.get(CLOSED, headers=headers(KEYS[name])).status_code == 200


ALICE = KEYS["alice"]
WRONG: dict[str, dict[str, str]] = {
    "no key": {},
    "a wrong key": bearer(FAILED),
    "an empty key": bearer(""),
    "the scheme alone": {"Authorization": "Bearer"},
    "another scheme": {"Authorization": f"Basic {ALICE}"},
    "no scheme": {"Authorization": ALICE},
    "the digest instead of the key": bearer(hashlib.sha256(ALICE.encode()).hexdigest()),
    "a key with a tail": bearer(f"{ALICE}x"),
    "a key and another word": bearer(f"{ALICE} {ALICE}"),
    "another case": bearer(ALICE.upper()),
    "two headers in one": {"Authorization": f"Bearer {ALICE}, Bearer {ALICE}"},
    "two keys that differ": bearer(ALICE) | {"X-Api-Key": KEYS["both"]},
    "a right and a wrong key": bearer(ALICE) | {"X-Api-Key": FAILED},
    "a key beside another scheme": {"Authorization": "Basic x", "X-Api-Key": ALICE},
    "an empty plain key": {"X-Api-Key": ""},
    "eight thousand letters": bearer("a" * 8_000),
    "letters beyond ASCII": bearer("ink-\xe4\xff"),
    "a cookie": {"Cookie": f"api_key={ALICE}"},
}


@pytest.mark.parametrize("case", WRONG)
def test_no_key_and_every_wrong_one_get_the_same_reply(asker: FlaskClient, case: str, caplog):
    caplog.set_level(logging.DEBUG)
    expected = asker.get(CLOSED).data
    response = asker.get(CLOSED, headers=WRONG[case])
    message = problem(response, 401, "invalid_api_key")
    assert response.data == expected
    assert response.headers["WWW-Authenticate"] == "Bearer" and response.json["error"]["type"] == "authentication_error"
    assert FAILED not in message + caplog.text and ALICE not in message + caplog.text


@pytest.mark.parametrize("name", ["api_key", "key", "access_token"])
def test_a_key_in_the_address_opens_nothing(asker: FlaskClient, name: str):
    problem(asker.get(f"{CLOSED}?{name}={ALICE}"), 401, "invalid_api_key")


def test_two_headers_of_one_name_open_nothing(asker: FlaskClient):
    twice = [("Authorization", f"Bearer {ALICE}"), ("Authorization", f"Bearer {FAILED}")]
    problem(asker.get(CLOSED, headers=twice), 401, "invalid_api_key")


def test_a_key_of_another_scope_is_told_which_one_is_needed(asker: FlaskClient):
    response = asker.get(CLOSED, headers=bearer(KEYS["root"]))
    assert INFER in problem(response, 403, "permission_denied")
    assert response.json["error"]["type"] == "permission_error"


def test_the_key_is_asked_for_before_anything_else_is_judged(asker: FlaskClient):
    for options in ({"data": b"{", "content_type": "application/json"}, {"data": b"x", "content_type": "text/plain"}):
        problem(asker.post("/text-generate", **options), 401, "invalid_api_key")
        assert asker.post("/text-generate", headers=bearer(ALICE), **options).status_code in (400, 415)


@pytest.mark.parametrize(("path", "method", "status"), [("/nowhere", "GET", 404), ("/models", "DELETE", 405)])
def test_where_nothing_would_be_called_no_key_is_asked_for(asker: FlaskClient, path: str, method: str, status: int):
    assert asker.open(path, method=method).status_code == status


def test_an_endpoint_without_a_scope_is_closed_to_everybody(models_dir: Path):
    with running_app(models_dir) as app:
        app.add_url_rule("/newcomer", "newcomer", lambda: "open")
        assert scopes_of(app)["newcomer"] is None
        problem(app.test_client().get("/newcomer"), 403, "permission_denied")


class Newcomer:
    """A dialect of one endpoint."""

    def __init__(self, make: Callable[[], Blueprint]) -> None:
        self._make = make

    def register(self, app: Flask, services: Services) -> None:
        routes = self._make()
        routes.add_url_rule("/newcomer", "view", lambda: "open")
        app.register_blueprint(routes)


@pytest.mark.parametrize(
    ("make", "refused"),
    [
        (lambda: Blueprint("newcomer", __name__), True),
        (lambda: ScopedBlueprint("newcomer", __name__, scope="infre"), True),
        (lambda: ScopedBlueprint("newcomer", __name__, scope=INFER), False),
    ],
    ids=["no scope", "an unknown scope", "a scope"],
)
def test_a_blueprint_that_declares_no_scope_is_refused_at_the_start(
    models_dir: Path, make: Callable[[], Blueprint], refused: bool
):
    settings = Settings.from_environ({"INKWELL_MODELS_DIR": str(models_dir)})
    with pytest.raises(LookupError, match="newcomer.view") if refused else nullcontext():
        create_app(settings, dialects=[Newcomer(make)])


def test_an_endpoint_beside_a_library_s_declared_one_is_refused_at_the_start(models_dir: Path):
    with running_app(models_dir) as app:
        app.add_url_rule("/newcomer", "flasgger.newcomer", lambda: "open")
        with pytest.raises(LookupError, match="flasgger.newcomer"):
            check_scopes(app)


def test_the_host_header_decides_nothing(asker: FlaskClient):
    for host in ("localhost", "127.0.0.1", "livez", "x/livez?"):
        response = asker.get(CLOSED, environ_overrides={"HTTP_HOST": host})
        assert response.status_code in (400, 401)


def test_without_keys_everybody_is_anyone_whatever_they_present(app: Flask, client: FlaskClient):
    assert ANYONE.scopes == SCOPES and ANYONE.cache_salt == ""
    for headers in ({}, bearer(FAILED), {"X-Api-Key": "a", "Authorization": "Basic b"}):
        with client:
            assert client.get(CLOSED, headers=headers).status_code == 200
            assert g.client is ANYONE


def test_the_view_learns_who_asks(asker: FlaskClient):
    for headers, name in ((bearer(ALICE), "alice"), ({"X-Api-Key": KEYS["both"]}, "both")):
        with asker:
            asker.get(CLOSED, headers=headers)
            assert (g.client.name, g.client.cache_salt) == (name, name)
    with asker:
        asker.get("/livez", headers=bearer(FAILED))
        assert g.client is ANONYMOUS and not ANONYMOUS.scopes
