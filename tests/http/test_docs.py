"""The specification and its page: complete, valid, and loaded only from this host."""

import json
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator

from inkwell.parameters import PARAMETERS

SPEC = "/apispec_1.json"
OPERATIONS = [
    ("get", "/text-generate"),
    ("post", "/text-generate"),
    ("get", "/models"),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/health"),
    ("get", "/metrics"),
    ("post", "/v1/completions"),
    ("post", "/v1/engines/{engine}/completions"),
    ("post", "/v1/chat/completions"),
    ("get", "/v1/models"),
    ("get", "/v1/models/{model}"),
    ("post", "/"),
    ("post", "/generate"),
    ("post", "/generate_stream"),
    ("get", "/info"),
    ("post", "/tokenize"),
    ("post", "/detokenize"),
    ("post", "/v1/score"),
    ("post", "/v1/next"),
    ("delete", "/v1/requests/{request_id}"),
]
GENERATION = OPERATIONS[:2]


@pytest.fixture
def spec(client: FlaskClient) -> dict:
    return client.get(SPEC).json


def test_the_spec_is_valid_openapi(spec: dict):
    assert spec["openapi"] == "3.0.3"
    assert list(OpenAPIV30SpecValidator(spec).iter_errors()) == []


def test_every_route_is_in_the_spec_and_nothing_else(spec: dict, app: Flask):
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(rule)))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not str(rule).startswith("/api") and rule.endpoint != "root"
    }
    documented = {(method, path) for path, operations in spec["paths"].items() for method in operations}
    assert documented == routes == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_has_a_summary_and_a_group(spec: dict, method: str, path: str):
    operation = spec["paths"][path][method]
    assert operation["summary"] and operation["tags"] and operation["responses"]["200"]["description"]


def test_the_query_documents_every_parameter_with_limits_default_and_example(spec: dict):
    documented = {each["name"]: each for each in spec["paths"]["/text-generate"]["get"]["parameters"]}
    assert list(documented) == [row.name for row in PARAMETERS]
    for row in PARAMETERS:
        each = documented[row.name]
        assert (each["in"], each["required"]) == ("query", row.required)
        assert each["description"].startswith(row.help) and row.range in each["description"].lower()
        as_text = row.example if row.parse is None else json.dumps(row.example)
        assert each["example"] == as_text
        assert each["schema"].get("default") == (row.default if row.parse is None else None)
        assert each["schema"].get("maximum") == row.high
        assert each["schema"].get("minimum") == (row.low if row.above is None else row.above)
        assert each["schema"].get("exclusiveMinimum", False) == (row.above is not None)


@pytest.mark.parametrize("media", ["application/json", "application/x-www-form-urlencoded"])
def test_the_body_documents_every_parameter_and_allows_no_other(spec: dict, media: str):
    schema = spec["paths"]["/text-generate"]["post"]["requestBody"]["content"][media]["schema"]
    assert list(schema["properties"]) == [row.name for row in PARAMETERS]
    assert schema["required"] == ["input_text"] and schema["additionalProperties"] is False
    assert all(schema["properties"][row.name]["description"].startswith(row.help) for row in PARAMETERS)


@pytest.mark.parametrize(("method", "path"), GENERATION)
def test_the_three_forms_of_the_answer_are_documented(spec: dict, method: str, path: str):
    content = spec["paths"][path][method]["responses"]["200"]["content"]
    assert list(content) == ["text/plain", "application/json", "text/event-stream"]


def test_the_example_request_of_the_spec_works(client: FlaskClient, spec: dict):
    parameters = spec["paths"]["/text-generate"]["get"]["parameters"]
    query = {each["name"]: str(each["example"]).lower() for each in parameters if each["name"] != "input_text"}
    response = client.get(
        "/text-generate", query_string=query | {"input_text": "Once upon a time", "model_name": "124M"}
    )
    assert response.status_code == 200


def test_the_json_answer_has_the_documented_fields(client: FlaskClient, spec: dict):
    documented = details_schema(spec)["properties"]
    details = sample_details(client)
    assert details.keys() == documented.keys()
    assert details["parameters"].keys() == documented["parameters"]["properties"].keys()
    sample = documented["samples"]["items"]["properties"]
    assert details["samples"][0].keys() == sample.keys()
    for name in ("tokens", "prompt"):
        token = details["samples"][0][name][-1]
        assert token.keys() == sample[name]["items"]["properties"].keys()
        assert token["top"][0].keys() == sample[name]["items"]["properties"]["top"]["items"]["properties"].keys()


def test_the_json_answer_fits_its_schema(client: FlaskClient, spec: dict):
    schema = details_schema(spec)
    plain = client.get("/text-generate?input_text=a&length=1", headers={"Accept": "application/json"}).json
    for details in (sample_details(client), plain):
        assert list(OAS30Validator(schema).iter_errors(details)) == []


def details_schema(spec: dict) -> dict:
    return spec["paths"]["/text-generate"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]


def sample_details(client: FlaskClient) -> dict:
    """A reply with all optional fields."""
    optional = {"logprobs": 1, "prompt_logprobs": 1, "finish_sentence": True, "stop": "e"}
    asked = {"input_text": "ab", "length": 9, "temperature": 0} | optional
    return client.post("/text-generate", json=asked, headers={"Accept": "application/json"}).json


def test_the_listing_and_the_health_have_the_documented_fields(client: FlaskClient, spec: dict):
    for path in ("/models", "/livez", "/readyz"):
        schema = spec["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert client.get(path).json.keys() == schema["properties"].keys()
    rows = spec["paths"]["/models"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    row_schema = rows["properties"]["models"]["items"]["properties"]
    assert all(row.keys() == row_schema.keys() for row in client.get("/models").json["models"])


# --- the page


def test_the_page_forbids_everything_that_is_not_from_this_host(client: FlaskClient):
    headers = client.get("/apidocs/").headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'" and "http" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"


def test_the_page_names_no_other_host_and_holds_no_script_of_its_own(client: FlaskClient):
    page = client.get("/apidocs/").text
    assert "//" not in page.replace("<!doctype", "")
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == ["", ""]


def test_every_file_that_the_page_names_is_there(client: FlaskClient):
    page = client.get("/apidocs/").text
    names = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(names) == 4
    for name in names:
        response = client.get(f"/apidocs/{name}", buffered=True)
        assert response.status_code == 200 and response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("query", ["?configUrl=//evil/x.json", "?url=//evil/x.json", "?url=https://evil/x.json"])
def test_a_query_changes_nothing_in_the_page(client: FlaskClient, query: str):
    assert client.get(f"/apidocs/{query}").data == client.get("/apidocs/").data


def test_the_program_of_the_page_takes_no_configuration_from_the_query(client: FlaskClient):
    script = client.get("/apidocs/static/swagger.js", buffered=True).text
    assert "queryConfigEnabled: false" in script and "validatorUrl: null" in script


@pytest.mark.parametrize(
    "name", ["index.css", "oauth2-redirect.html", "swagger-ui.js", "../__init__.py", "..%2f__init__.py", "LICENSE", ""]
)
def test_only_what_the_page_needs_is_served(client: FlaskClient, name: str):
    assert client.get(f"/apidocs/assets/{name}").status_code == 404


@pytest.mark.parametrize("path", ["/apidocs/static/../docs.py", "/apidocs/static/%2e%2e/docs.py", "/flasgger_static/x"])
def test_nothing_beside_the_static_folder_is_served(client: FlaskClient, path: str):
    assert client.get(path).status_code == 404


def test_swagger_ui_is_one_without_the_known_holes(client: FlaskClient):
    bundle = client.get("/apidocs/assets/swagger-ui-bundle.js", buffered=True).text
    number = re.search(r'PACKAGE_VERSION:"(\d+)\.(\d+)\.(\d+)"', bundle)
    assert tuple(int(part) for part in number.groups()) >= (5, 32, 7)
