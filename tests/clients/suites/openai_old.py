"""`openai` for Python 0.28, with the interface from before 2024: `openai.Completion.create(engine=...)`."""

import asyncio
import time
from collections.abc import Iterator

import openai
import pytest
from openai import error

PROMPT = "Once upon a time"
ONE_TOO_MANY = 3  # for a key that allows one request per minute; a new minute may begin between two requests


@pytest.fixture(autouse=True)
def addressed(url: str, key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This client has one server and one key for the whole process."""
    monkeypatch.setattr(openai, "api_base", f"{url}/v1")
    monkeypatch.setattr(openai, "api_key", key)
    yield


def complete(**more):
    return openai.Completion.create(**{"engine": "demo", "prompt": PROMPT, "max_tokens": 12, "seed": 7} | more)


def test_an_engine_completes_a_text():
    reply = complete()
    assert reply["object"] == "text_completion" and reply["model"] == "demo"
    assert reply["choices"][0]["text"] and reply.choices[0].finish_reason == "length"
    assert reply["usage"]["completion_tokens"] == 12 and reply["usage"]["total_tokens"] == 16
    assert reply.get("error") is None


def test_a_model_completes_the_same_text_as_an_engine():
    assert complete(engine=None, model="demo").choices[0].text == complete().choices[0].text


def test_a_model_of_that_time_is_an_alias():
    assert complete(engine="text-davinci-003").model == "demo"
    assert complete(engine="tales/old").model == "demo"  # the client encodes the slash


def test_a_stream_gives_the_same_text_in_pieces():
    chunks = list(complete(stream=True))
    assert len(chunks) > 3 and "".join(chunk.choices[0].text for chunk in chunks) == complete().choices[0].text
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["length"]


def test_n_texts_differ_and_are_numbered():
    choices = complete(n=3).choices
    assert [choice.index for choice in choices] == [0, 1, 2] and len({choice.text for choice in choices}) == 3


def test_logprobs_and_echo_tell_the_prompt_as_well():
    told = complete(logprobs=2, echo=True, max_tokens=3).choices[0]
    assert told.text.startswith(PROMPT) and "".join(told.logprobs.tokens) == told.text
    assert told.logprobs.token_logprobs[0] is None and told.logprobs.text_offset[0] == 0


def test_a_stop_string_and_a_seed_are_heeded():
    whole = complete(max_tokens=40).choices[0].text
    stop = whole[8:12]
    reply = complete(max_tokens=40, stop=stop).choices[0]
    assert reply.text == whole[: whole.index(stop)] and reply.finish_reason == "stop"


def test_a_chat_is_answered_whole_and_streamed():
    asked = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "Who are you?"}], "seed": 7}
    whole = openai.ChatCompletion.create(**asked, max_tokens=12)
    chunks = list(openai.ChatCompletion.create(**asked, max_tokens=12, stream=True))
    assert whole["choices"][0]["message"]["role"] == "assistant"
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])
    assert said == whole["choices"][0]["message"]["content"] != ""


def test_models_are_listed_and_told():
    assert "demo" in [model["id"] for model in openai.Model.list()["data"]]
    assert openai.Model.retrieve("demo")["id"] == "demo"


def test_an_unknown_engine_is_an_invalid_request():
    with pytest.raises(error.InvalidRequestError) as caught:
        complete(engine="nobody")
    assert caught.value.http_status == 404 and caught.value.code == "model_not_found"
    assert caught.value.json_body["error"]["message"]


def test_a_bad_parameter_is_an_invalid_request_that_names_it():
    with pytest.raises(error.InvalidRequestError) as caught:
        complete(temperature=9)
    assert (caught.value.http_status, caught.value.param) == (400, "temperature")
    with pytest.raises(error.InvalidRequestError) as caught:
        complete(max_tokens=4000, stream=True)
    assert caught.value.code == "context_length_exceeded"


def test_a_wrong_key_is_an_authentication_error():
    with pytest.raises(error.AuthenticationError) as caught:
        complete(api_key="ink-wrong")
    assert caught.value.http_status == 401 and caught.value.error["code"] == "invalid_api_key"


def test_a_client_over_its_limit_is_told_when_to_come_back(slow_key: str):
    with pytest.raises(error.RateLimitError) as caught:
        for _ in range(ONE_TOO_MANY):
            complete(api_key=slow_key, max_tokens=1)
    assert 0 < int(caught.value.headers["Retry-After"]) <= 120


def test_a_program_that_waits_as_it_is_told_gets_its_text(narrow):
    with narrow.busy_for_a_moment():
        with pytest.raises(error.RateLimitError) as caught:
            complete(api_base=f"{narrow.url}/v1")
        time.sleep(int(caught.value.headers["Retry-After"]))
        assert complete(api_base=f"{narrow.url}/v1").choices[0].text


def test_a_model_that_dies_in_the_middle_of_a_stream_raises(narrow):
    body = {"api_base": f"{narrow.url}/v1", "max_tokens": 900, "ignore_eos": True, "stream": True}
    stream = complete(**body)
    next(stream)
    narrow.kill_workers()
    with pytest.raises(error.APIError):
        list(stream)


def test_a_stream_that_is_left_frees_its_place(narrow):
    stream = complete(api_base=f"{narrow.url}/v1", max_tokens=900, ignore_eos=True, stream=True)
    next(stream)
    assert narrow.requests() == 1
    stream.close()
    narrow.wait_until_free()


def test_the_asynchronous_calls_work():
    async def both():
        whole = await openai.Completion.acreate(engine="demo", prompt=PROMPT, max_tokens=12, seed=7)
        stream = await openai.Completion.acreate(engine="demo", prompt=PROMPT, max_tokens=12, seed=7, stream=True)
        return whole.choices[0].text, "".join([chunk.choices[0].text async for chunk in stream])

    whole, streamed = asyncio.run(both())
    assert whole == streamed == complete().choices[0].text
