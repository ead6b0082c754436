"""The specification of OpenAI's endpoints: its examples work unchanged, and replies match its schemas."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

GENERATING = ["/v1/completions", "/v1/engines/{engine}/completions", "/v1/chat/completions"]


@pytest.fixture
def spec(client: FlaskClient) -> dict:
    return client.get("/apispec_1.json").json


def examples(spec: dict, path: str) -> Iterator[dict]:
    content = spec["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    named = content.get("examples", {"only": {"value": content.get("example")}})
    yield from (each["value"] for each in named.values())


def check(value: object, schema: dict) -> None:
    """Check that a reply has exactly the described properties, with the described types."""
    if value is None:
        assert schema["nullable"]
        return
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": int | float}
    assert isinstance(value, kinds[schema["type"]])
    assert value in schema.get("enum", [value])
    if "properties" in schema:
        assert value.keys() == schema["properties"].keys()
        for name, described in schema["properties"].items():
            check(value[name], described)
    for each in value if isinstance(value, list) else []:
        check(each, schema["items"])


@pytest.mark.parametrize("path", GENERATING)
def test_the_examples_work_as_they_stand(client: FlaskClient, spec: dict, path: str):
    for example in examples(spec, path):
        response = client.post(path.format(engine="demo"), json=example)
        assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", GENERATING)
def test_a_reply_is_as_it_is_described(client: FlaskClient, spec: dict, path: str):
    described = spec["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    asked = next(examples(spec, path)) | ({"logprobs": True, "top_logprobs": 1} if "chat" in path else {"logprobs": 1})
    check(client.post(path.format(engine="demo"), json=asked).json, described)


def test_the_models_are_as_they_are_described(client: FlaskClient, spec: dict):
    for path in ("/v1/models", "/v1/models/{model}"):
        described = spec["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        check(client.get(path.format(model="demo")).json, described)


@pytest.mark.parametrize("path", GENERATING)
def test_the_body_allows_no_other_field(spec: dict, path: str):
    content = spec["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"]["additionalProperties"] is False


@pytest.mark.parametrize("path", GENERATING)
def test_every_example_of_a_field_is_taken(client: FlaskClient, spec: dict, path: str):
    content = spec["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    properties = content["schema"]["properties"]
    required = {name: properties[name]["example"] for name in content["schema"].get("required", ())}
    needs = {"stream_options": {"stream": True}, "top_logprobs": {"logprobs": True}}
    for name, described in properties.items():
        limit = {} if name == "max_completion_tokens" else {"max_tokens": 4}
        asked = {"model": "demo", **limit, **required, **needs.get(name, {}), name: described["example"]}
        response = client.post(path.format(engine="demo"), json=asked, buffered=True)
        assert response.status_code == 200, (name, response.text)
