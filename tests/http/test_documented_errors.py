"""The errors that the OpenAPI document lists: of each operation those that it can answer with, and no other."""

import re

import pytest

from inkwell.errors import SettingsError, error_kinds

BUG, KEY = {"internal_error"}, {"invalid_api_key", "permission_denied"}
MODEL = {"model_not_found", "model_not_downloaded", "model_corrupt", "model_needs_conversion"}
PARAMETERS = {"invalid_parameter", "unknown_parameter", "invalid_body"}
BODY = {"payload_too_large", "unsupported_media_type"}
PLACE = {"queue_full", "server_shutting_down"}
ENGINE = {
    "context_length_exceeded", "rate_limit_exceeded", "model_loading", "model_load_failed", "request_cancelled",
    "deadline_exceeded", "worker_died", "engine_error", "invalid_logits",
}  # fmt: skip
GENERATION = BUG | KEY | MODEL | PARAMETERS | PLACE | ENGINE
FOREIGN = GENERATION | BODY | {"unsupported_parameter"}  # endpoints that refuse parameters of others by name
ERRORS = {
    "get /text-generate": GENERATION,
    "post /text-generate": GENERATION | BODY,
    "get /models": BUG | KEY,
    "get /livez": set(),
    "get /readyz": set(),
    "get /health": set(),
    "get /metrics": BUG | KEY,
    "post /v1/completions": FOREIGN,
    "post /v1/engines/{engine}/completions": FOREIGN,
    "post /v1/chat/completions": FOREIGN,
    "get /v1/models": BUG | KEY,
    "get /v1/models/{model}": BUG | KEY | MODEL,
    "post /": FOREIGN,
    "post /generate": FOREIGN,
    "post /generate_stream": FOREIGN,
    "get /info": BUG | KEY | MODEL,
    "post /tokenize": BUG | KEY | MODEL | PARAMETERS | PLACE | BODY,
    "post /detokenize": BUG | KEY | MODEL | PARAMETERS | PLACE | BODY,
    "post /v1/score": GENERATION | BODY,
    "post /v1/next": FOREIGN,
    "delete /v1/requests/{request_id}": BUG | KEY | {"request_not_found"},
}


@pytest.fixture(scope="module")
def operations(app) -> dict[str, dict]:
    paths = app.test_client().get("/apispec_1.json").json["paths"]
    return {f"{method} {path}": each for path, methods in paths.items() for method, each in methods.items()}


def codes(operation: dict) -> dict[str, str]:
    """The status of each documented code."""
    responses = operation["responses"].items()
    return {code: status for status, each in responses for code in re.findall("`(\\w+)`:", each["description"])}


def test_every_operation_lists_the_errors_that_it_can_answer_with_and_no_other(operations: dict):
    assert {name: set(codes(operation)) for name, operation in operations.items()} == ERRORS


def test_every_error_that_a_client_can_see_is_listed_somewhere():
    assert {kind.code for kind in error_kinds() if kind is not SettingsError} <= set.union(*ERRORS.values())


def test_the_lists_of_models_have_no_status_that_only_a_request_for_one_model_can_get(operations: dict):
    for name in ("get /models", "get /v1/models"):
        assert set(operations[name]["responses"]) == {"200", "401", "403", "500"}


@pytest.mark.parametrize("name", [name for name, listed in ERRORS.items() if listed])
def test_every_error_has_an_example_of_the_one_shape(operations: dict, name: str):
    for status, each in operations[name]["responses"].items():
        if status != "200":
            error = each["content"]["application/json"]["example"]["error"]
            assert list(error) == ["message", "type", "param", "code"]
            assert f"`{error['code']}`" in each["description"]


@pytest.mark.parametrize("name", ["get /text-generate", "post /text-generate", "post /generate"])
def test_an_error_is_listed_under_its_status(operations: dict, name: str):
    found = codes(operations[name])
    assert (found["invalid_parameter"], found["queue_full"], found["model_corrupt"]) == ("400", "429", "503")


def test_tokens_take_a_place_and_no_quota_as_their_page_says(operations: dict):
    for name in ("post /tokenize", "post /detokenize"):
        assert "429" in operations[name]["responses"] and "429" in operations[name]["description"]
        assert "not counted" not in operations[name]["description"]
