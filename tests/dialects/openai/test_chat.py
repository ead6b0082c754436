"""`/v1/chat/completions`: the transcript that the model sees, replies whole and streamed, and what is dropped."""

import json
import math
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.servable import CERTAINTY, VOCABULARY
from tests.serving import problem, running_app

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]
# The model goes on behind ":" with "a", which begins the alphabet.
LETTERS = {"max_tokens": 5, "temperature": 0}


def talk(client: FlaskClient, messages: list[dict] | None = None, **values: object) -> dict:
    response = client.post(PATH, json={**LETTERS, "messages": messages or HELLO, **values})
    assert response.status_code == 200, response.text
    return response.json


def chunks(client: FlaskClient, **values: object) -> list[dict]:
    response = client.post(PATH, json={**LETTERS, "messages": HELLO, "stream": True, **values}, buffered=True)
    assert (response.status_code, response.mimetype) == (200, "text/event-stream"), response.text
    frames = [frame for frame in response.text.split("\n\n") if frame and not frame.startswith(":")]
    assert frames[-1] == "data: [DONE]"
    return [json.loads(frame.removeprefix("data: ")) for frame in frames[:-1]]


def rounds(number: int) -> list[dict]:
    """A conversation of so many answered rounds of 40 tokens, and a last question."""
    said = [("user", "x" * 18), ("assistant", "y" * 3)] * number
    return [{"role": role, "content": text} for role, text in [("system", "Top."), *said, ("user", "Last?")]]


def test_a_reply_has_openai_s_shape_and_our_facts_at_the_end(client: FlaskClient):
    response = client.post(PATH, json={**LETTERS, "messages": HELLO}, headers={"X-Request-Id": "mine"})
    reply = response.json
    metadata = reply.pop("inkwell")
    message = {"role": "assistant", "content": "abcde", "refusal": None}
    prompt_tokens = len("User: Hello\nAssistant:")
    assert reply == {
        "id": "chatcmpl-mine",
        "object": "chat.completion",
        "created": reply["created"],
        "model": "124M",
        "system_fingerprint": reply["system_fingerprint"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "length"}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": 5, "total_tokens": prompt_tokens + 5},
    }
    written = {"template": "{name}: {text}", "max_turns": 0, "chat_overflow": "drop"}
    assert metadata["chat"] == {"user_name": "User", "assistant_name": "Assistant"} | written
    assert metadata["dropped_messages"] == 0 and metadata["parameters"]["stop"] == ["\nUser:", "\nAssistant:"]


def test_the_model_sees_the_transcript(client: FlaskClient):
    messages = [{"role": "system", "content": "A wood."}, *HELLO]
    transcript = "A wood.\n\nHans: Hello\nGrethel:"
    asked = {"max_tokens": 30, "seed": 3, "temperature": 1}
    native = {"input_text": transcript, "length": 30, "seed": 3, "stop": ["\nHans:", "\nGrethel:"], "trim_start": True}
    reply = talk(client, messages, **asked, user_name="Hans", assistant_name="Grethel")
    assert reply["choices"][0]["message"]["content"] == client.post("/text-generate", json=native).text
    assert reply["usage"]["prompt_tokens"] == len(transcript)


def test_the_text_ends_where_the_next_turn_would_begin(client: FlaskClient):
    # Behind "a" comes "b" unless it is banned; so a name that the alphabet spells is met on the way.
    reply = talk(client, template="{name}e{text}", assistant_name="c", user_name="User", max_tokens=9, stop="h")
    assert reply["choices"][0]["message"]["content"] == "fg"
    assert (reply["choices"][0]["finish_reason"], reply["inkwell"]["stops"]) == ("stop", ["h"])
    reply = talk(client, template="{name}: {text}ghi", max_tokens=20)
    assert (reply["choices"][0]["message"]["content"], reply["inkwell"]["stops"]) == ("abcdef", ["ghi"])


def test_white_space_before_the_answer_is_left_out(client: FlaskClient):
    space = client.post("/tokenize", json={"inputs": " "}).json[0]["id"]
    asked = {"logit_bias": {str(space): 100}, "max_tokens": 3}
    assert talk(client, **asked)["choices"][0]["message"]["content"] == ""


@pytest.mark.parametrize(("answered", "dropped"), [(24, 0), (25, 2), (40, 32)])
def test_the_oldest_rounds_make_room_and_are_counted(client: FlaskClient, answered: int, dropped: int):
    reply = talk(client, rounds(answered), max_tokens=14)
    assert reply["inkwell"]["dropped_messages"] == dropped
    assert reply["usage"]["prompt_tokens"] == len("Top.\n\nUser: Last?\nAssistant:") + 40 * (answered - dropped // 2)


def test_without_a_limit_a_quarter_of_the_context_is_kept_free_and_all_that_is_left_used(client: FlaskClient):
    reply = talk(client, rounds(40), max_tokens=None)
    assert 1024 - 256 - 40 < reply["usage"]["prompt_tokens"] <= 1024 - 256
    assert reply["inkwell"]["parameters"]["length"] == 1024 - reply["usage"]["prompt_tokens"]
    assert talk(client, max_tokens=None)["inkwell"]["parameters"]["length"] == 512


def test_max_turns_drops_what_would_fit(client: FlaskClient):
    reply = talk(client, rounds(3), max_turns=2)
    assert reply["inkwell"]["dropped_messages"] == 4


def test_a_chat_that_does_not_fit_is_refused_if_that_is_wanted(client: FlaskClient):
    asked = {**LETTERS, "messages": rounds(40), "chat_overflow": "error"}
    problem(client.post(PATH, json=asked), 400, "context_length_exceeded", "messages")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_last_round_that_does_not_fit_is_refused_in_the_client_s_words(client: FlaskClient, name: str):
    asked = {"messages": [{"role": "user", "content": "x" * 1000}], name: 100}
    message = problem(client.post(PATH, json=asked), 400, "context_length_exceeded", name)
    assert message.startswith("messages has 1017 tokens")


def test_logprobs_have_chat_s_own_shape(client: FlaskClient):
    choice = talk(client, logprobs=True, top_logprobs=2)["choices"][0]
    content = choice["logprobs"]["content"]
    assert [entry["token"] for entry in content] == list("abcde")
    assert content[1]["bytes"] == [ord("b")] and len(content[1]["top_logprobs"]) == 2
    sure = CERTAINTY - math.log(math.exp(CERTAINTY) + VOCABULARY - 1)
    assert content[1]["logprob"] == content[1]["top_logprobs"][0]["logprob"] == pytest.approx(sure, abs=0.01)
    assert content[1]["top_logprobs"][0]["token"] == "b"
    assert talk(client, logprobs=True)["choices"][0]["logprobs"]["content"][0]["top_logprobs"] == []


def test_several_answers(client: FlaskClient):
    choices = talk(client, n=3, temperature=1, seed=2, max_tokens=20)["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in choices}) == 3


@pytest.mark.parametrize("values", [{}, {"n": 2, "temperature": 1, "seed": 8}, {"logprobs": True, "top_logprobs": 1}])
def test_the_chunks_join_to_the_whole_reply(client: FlaskClient, values: dict):
    whole = talk(client, **values)["choices"]
    found = chunks(client, **values)
    for choice in whole:
        pieces = [piece for chunk in found for piece in chunk["choices"] if piece["index"] == choice["index"]]
        assert pieces[0]["delta"] == {"role": "assistant", "content": ""}
        assert "".join(piece["delta"].get("content", "") for piece in pieces) == choice["message"]["content"]
        assert (pieces[-1]["delta"], pieces[-1]["finish_reason"]) == ({}, choice["finish_reason"])
        assert all(piece["finish_reason"] is None for piece in pieces[:-1])
        entries = [entry for piece in pieces if piece["logprobs"] for entry in piece["logprobs"]["content"]]
        assert entries == (choice["logprobs"]["content"] if choice["logprobs"] else [])


def test_chunks_tell_the_facts_and_the_usage_as_those_of_completions_do(client: FlaskClient):
    found = chunks(client)
    assert {chunk["object"] for chunk in found} == {"chat.completion.chunk"}
    assert found[-1]["inkwell"]["dropped_messages"] == 0 and found[-1]["choices"]
    found = chunks(client, stream_options={"include_usage": True})
    assert found[-1]["choices"] == [] and found[-1]["usage"]["completion_tokens"] == 5 and "inkwell" in found[-1]


def test_a_model_that_is_not_there_is_named_as_openai_does(client: FlaskClient):
    problem(client.post(PATH, json={"messages": HELLO, "model": "nope"}), 404, "model_not_found", "model")


@pytest.mark.parametrize("name", ["dummy", "tgi"])
def test_what_tgi_s_clients_send_for_a_model_is_the_default_one(client: FlaskClient, name: str):
    assert talk(client, model=name)["model"] == "124M"


def test_settings_say_how_conversations_are_written(models_dir: Path):
    template = {
        "chat_user": "Hans",
        "chat_assistant": "Grethel",
        "chat_template": "<{name}> {text}",
        "chat_max_turns": 1,
    }
    with running_app(models_dir, default_model="demo", chat_overflow="error", **template) as app:
        client = app.test_client()
        reply = talk(client, rounds(2))
        assert reply["inkwell"]["dropped_messages"] == 4
        assert reply["usage"]["prompt_tokens"] == len("Top.\n\n<Hans> Last?\n<Grethel>")
        assert reply["inkwell"]["parameters"]["stop"] == ["\n<Hans>", "\n<Grethel>"]
        response = client.post(PATH, json={**LETTERS, "messages": rounds(40), "max_turns": 0})
        problem(response, 400, "context_length_exceeded", "messages")
