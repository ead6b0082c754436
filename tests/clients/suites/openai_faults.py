"""`openai` for Python, current: the error of each refusal, retries, and streams that are abandoned or fail."""

import time

import openai
import pytest
from openai import OpenAI

PROMPT = "Once upon a time"
ONE_TOO_MANY = 3  # for a key that allows one request per minute; a new minute may begin between two requests


@pytest.fixture(scope="module")
def client(url: str, key: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)


def patient(narrow, **more) -> OpenAI:
    """A client of the narrow server, which has no keys."""
    return OpenAI(base_url=f"{narrow.url}/v1", api_key="none", timeout=60, **more)


def long_stream(client: OpenAI):
    body = {"ignore_eos": True}
    return client.completions.create(model="demo", prompt=PROMPT, max_tokens=900, stream=True, extra_body=body)


def refused(kind: type[openai.APIStatusError], status: int, call, **more) -> openai.APIStatusError:
    with pytest.raises(kind) as caught:
        call(**{"model": "demo", "prompt": PROMPT, "max_tokens": 4} | more)
    assert caught.value.status_code == status and caught.value.request_id
    return caught.value


def test_an_unknown_model_is_not_found(client: OpenAI):
    error = refused(openai.NotFoundError, 404, client.completions.create, model="nobody")
    assert (error.code, error.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_a_value_out_of_range_is_a_bad_request_that_names_it(client: OpenAI):
    error = refused(openai.BadRequestError, 400, client.completions.create, temperature=9)
    assert (error.code, error.param, error.type) == ("invalid_parameter", "temperature", "invalid_request_error")


def test_a_field_that_cannot_be_honoured_is_named(client: OpenAI):
    error = refused(openai.BadRequestError, 400, client.completions.create, suffix="The end.")
    assert (error.code, error.param) == ("unsupported_parameter", "suffix")


def test_an_unknown_field_is_named(client: OpenAI):
    error = refused(openai.BadRequestError, 400, client.completions.create, extra_body={"temprature": 1})
    assert (error.code, error.param) == ("unknown_parameter", "temprature") and "temperature" in error.message


def test_a_prompt_beyond_the_context_is_a_bad_request_with_the_numbers(client: OpenAI):
    error = refused(openai.BadRequestError, 400, client.completions.create, max_tokens=4000)
    assert error.code == "context_length_exceeded" and "1024" in error.message
    stream = refused(openai.BadRequestError, 400, client.completions.create, prompt="wood " * 2000, stream=True)
    assert stream.code == "context_length_exceeded"


def test_chats_are_refused_in_the_same_way(client: OpenAI):
    asked = {"model": "demo", "messages": [{"role": "user", "content": "Who are you?"}]}
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**asked, tools=[tool])
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "tools")
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**asked | {"model": "nobody"})


def test_an_endpoint_that_is_not_there_is_not_found(client: OpenAI):
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="demo", input="a", encoding_format="float")
    assert caught.value.code == "not_found"


def test_a_wrong_key_is_an_authentication_error(url: str):
    stranger = OpenAI(base_url=f"{url}/v1", api_key="ink-wrong", max_retries=0)
    assert refused(openai.AuthenticationError, 401, stranger.completions.create).code == "invalid_api_key"
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def test_a_client_over_its_limit_is_told_when_to_come_back(url: str, slow_key: str):
    hasty = OpenAI(base_url=f"{url}/v1", api_key=slow_key, max_retries=0)
    with pytest.raises(openai.RateLimitError) as caught:
        for _ in range(ONE_TOO_MANY):
            hasty.completions.create(model="demo", prompt=PROMPT, max_tokens=1)
    assert caught.value.code == "rate_limit_exceeded" and 0 < int(caught.value.response.headers["retry-after"]) <= 120


def test_a_full_service_is_tried_again_when_it_says(narrow):
    client = patient(narrow)  # with the client's own retries
    times: list[tuple[float, int, str | None]] = []
    send = client._client.send

    def noted(request, **options):
        response = send(request, **options)
        times.append((time.monotonic(), response.status_code, response.headers.get("retry-after-ms")))
        return response

    client._client.send = noted
    with narrow.busy_for_a_moment():
        raw = client.completions.with_raw_response.create(model="demo", prompt=PROMPT, max_tokens=4)
    assert raw.retries_taken >= 1 and raw.parse().choices[0].text
    assert [status for _, status, _ in times] == [429] * raw.retries_taken + [200]
    (refused_at, _, asked_ms), (tried_again_at, _, _) = times[:2]
    assert tried_again_at - refused_at >= int(asked_ms) / 1000


def test_without_retries_a_full_service_is_a_rate_limit_error(narrow):
    with narrow.busy():
        error = refused(openai.RateLimitError, 429, patient(narrow, max_retries=0).completions.create)
    assert error.code == "queue_full" and int(error.response.headers["retry-after"]) >= 1


def test_a_stream_that_is_left_frees_its_place_at_once(narrow):
    client = patient(narrow, max_retries=0)
    stream = long_stream(client)
    next(iter(stream))
    assert narrow.requests() == 1
    stream.close()
    narrow.wait_until_free()
    assert client.completions.create(model="demo", prompt=PROMPT, max_tokens=2).choices[0].text


def test_a_request_can_be_cancelled_by_its_id(narrow):
    client = patient(narrow, max_retries=0)
    with client.completions.with_streaming_response.create(
        model="demo", prompt=PROMPT, max_tokens=900, stream=True, extra_body={"ignore_eos": True}
    ) as response:
        chunks = iter(response.parse())
        next(chunks)
        told = client.delete(f"/requests/{response.request_id}", cast_to=object)
        last = list(chunks)[-1]
    assert told["cancelled"] == 1
    assert last.choices[0].finish_reason == "stop" and last.inkwell["finish_reasons"] == ["cancelled"]


def test_a_model_that_dies_in_the_middle_of_a_stream_raises(narrow):
    client = patient(narrow, max_retries=0)
    stream = iter(long_stream(client))
    next(stream)
    narrow.kill_workers()
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.code == "worker_died"
    assert client.completions.create(model="demo", prompt=PROMPT, max_tokens=2).choices[0].text  # a fresh worker
