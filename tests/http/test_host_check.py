"""DNS-rebinding and cross-site protection of a service without keys."""

import pytest
from flask.testing import FlaskClient

from tests.serving import problem, running_app

ASK = "/text-generate?input_text=a&length=1"


@pytest.fixture(scope="module")
def asker(models_dir):
    origins = "https://friend.example"
    with running_app(models_dir, default_model="124M", hosts="inkwell.lan", cors_origins=origins) as app:
        yield app.test_client()


@pytest.mark.parametrize("host", ["localhost:8000", "app.localhost", "127.0.0.1:8000", "[::1]:8000", "10.1.2.3",
                                  "inkwell.lan", "INKWELL.lan:80"])  # fmt: skip
def test_its_own_names_and_addresses_are_answered(asker: FlaskClient, host: str):
    assert asker.get(ASK, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["attacker.example", "localhost.attacker.example:8000", "127.0.0.1.nip.io", "notlocalhost"]
)
def test_a_name_that_was_made_to_point_here_is_not(asker: FlaskClient, host: str):
    problem(asker.get(ASK, headers={"Host": host}), 403, "permission_denied")


def test_probes_and_pages_are_open_under_any_name(asker: FlaskClient):
    for address in ("/livez", "/readyz", "/apidocs/"):
        assert asker.get(address, headers={"Host": "inkwell.namespace.svc"}).status_code == 200


def test_a_page_elsewhere_cannot_make_a_browser_spend_tokens(asker: FlaskClient):
    strange = {"Sec-Fetch-Site": "cross-site", "Origin": "https://attacker.example"}
    form = {"input_text": "a", "length": "1"}
    problem(asker.post("/text-generate", data=form, headers=strange), 403, "permission_denied")
    problem(asker.get(ASK, headers={"Sec-Fetch-Site": "cross-site"}), 403, "permission_denied")  # like <img>
    friend = {"Sec-Fetch-Site": "cross-site", "Origin": "https://friend.example"}
    assert asker.post("/text-generate", data=form, headers=friend).status_code == 200
    assert asker.get("/apidocs/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200  # a link to the page
    assert asker.get(ASK, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_who_opened_the_service_to_everybody_meant_it(models_dir):
    with running_app(models_dir, default_model="124M", open=1) as app:
        assert app.test_client().get(ASK, headers={"Host": "any.example"}).status_code == 200
