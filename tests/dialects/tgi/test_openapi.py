"""The specification of TGI, tokens, scores and cancelling: its examples work, and replies match its schemas."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from openapi_schema_validator import OAS30Validator

TGI = ["/generate", "/"]
POSTS = [*TGI, "/generate_stream", "/tokenize", "/detokenize", "/v1/score", "/v1/next"]
JSON = "application/json"


@pytest.fixture(scope="module")
def spec(app) -> dict:
    return app.test_client().get("/apispec_1.json").json


def body_of(spec: dict, path: str) -> dict:
    return spec["paths"][path]["post"]["requestBody"]["content"][JSON]


def examples(spec: dict, path: str) -> Iterator[dict]:
    """Return the example bodies of the page; without any, the page builds one from the fields' examples."""
    content = body_of(spec, path)
    fields = {name: each["example"] for name, each in content["schema"]["properties"].items()}
    named = content.get("examples", {"only": {"value": content.get("example", fields)}})
    yield from (each["value"] for each in named.values())


def check(spec: dict, path: str, method: str, value: object) -> None:
    """Check that a reply matches its schema, and that no object in it has an undescribed field."""
    schema = spec["paths"][path][method]["responses"]["200"]["content"][JSON]["schema"]
    assert list(OAS30Validator(schema).iter_errors(value)) == []
    check_known(value, schema)


def check_known(value: object, schema: dict) -> None:
    if isinstance(value, list):
        for each in value:
            check_known(each, schema["items"])
    elif isinstance(value, dict) and "properties" in schema:
        assert value.keys() <= schema["properties"].keys()
        for name, each in value.items():
            check_known(each, schema["properties"][name])


@pytest.mark.parametrize("path", POSTS)
def test_the_examples_work_as_they_stand(client: FlaskClient, spec: dict, path: str):
    for example in examples(spec, path):
        response = client.post(path, json=example, buffered=True)
        assert response.status_code == 200, response.text
        if path != "/generate_stream":
            check(spec, path, "post", response.json)


@pytest.mark.parametrize("path", TGI)
def test_a_reply_with_everything_is_as_described(client: FlaskClient, spec: dict, path: str):
    everything = {"best_of": 2, "top_k": 9, "decoder_input_details": True, "top_n_tokens": 2, "max_new_tokens": 3}
    check(spec, path, "post", client.post(path, json={"inputs": "ab", "parameters": everything}).json)


def test_every_example_of_a_parameter_is_taken(client: FlaskClient, spec: dict):
    for name, described in body_of(spec, "/generate")["schema"]["properties"]["parameters"]["properties"].items():
        parameters = {"max_new_tokens": 3, "do_sample": True, name: described["example"]}
        response = client.post("/generate", json={"inputs": "ab", "parameters": parameters})
        assert response.status_code == 200, (name, response.text)


@pytest.mark.parametrize("path", POSTS)
def test_the_body_allows_no_other_field(spec: dict, path: str):
    schema = body_of(spec, path)["schema"]
    assert schema["additionalProperties"] is False
    if "parameters" in schema["properties"]:
        assert schema["properties"]["parameters"]["additionalProperties"] is False


def test_info_health_and_cancelling_are_as_described(client: FlaskClient, spec: dict):
    for path in ("/info", "/health"):
        check(spec, path, "get", client.get(path).json)
        properties = spec["paths"][path]["get"]["responses"]["200"]["content"][JSON]["schema"]["properties"]
        assert client.get(path).json.keys() == properties.keys()
    responses = spec["paths"]["/v1/requests/{request_id}"]["delete"]["responses"]
    assert "`request_not_found`" in responses["404"]["description"]
    check(spec, "/v1/requests/{request_id}", "delete", {"id": "a", "cancelled": 1})
