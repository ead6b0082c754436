"""`/v1/completions` as streams: chunks that add up to the whole reply, usage, and the end of a stream."""

import json

import pytest
from flask.testing import FlaskClient

from tests.servable import continued

PATH = "/v1/completions"


def chunks(client: FlaskClient, **values: object) -> list[dict]:
    """Return the chunks of a stream that ended successfully."""
    response = client.post(PATH, json={"temperature": 0, "stream": True, **values}, buffered=True)
    assert (response.status_code, response.mimetype) == (200, "text/event-stream"), response.text
    frames = [frame for frame in response.text.split("\n\n") if frame and not frame.startswith(":")]
    assert frames[-1] == "data: [DONE]"
    return [json.loads(frame.removeprefix("data: ")) for frame in frames[:-1]]


def joined(found: list[dict]) -> list[dict]:
    """Merge the chunks into choices."""
    choices: dict[int, dict] = {}
    for piece in (piece for chunk in found for piece in chunk["choices"]):
        whole = choices.setdefault(piece["index"], {"text": "", "index": piece["index"], "logprobs": None})
        assert whole.get("finish_reason") is None, "nothing comes after the last piece of a choice"
        whole["text"] += piece["text"]
        whole["finish_reason"] = piece["finish_reason"]
        if piece["logprobs"]:
            lists = whole["logprobs"] = whole["logprobs"] or {name: [] for name in piece["logprobs"]}
            for name, values in piece["logprobs"].items():
                lists[name] += values
    return [choices[index] for index in sorted(choices)]


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "a"},
        {"prompt": " ", "max_tokens": 9},
        {"prompt": ["a", "1"], "n": 2, "seed": 4, "temperature": 1},
        {"prompt": "a", "echo": True},
        {"prompt": "a", "stop": "ef"},
        {"prompt": "The end."},
        {"prompt": "a", "logprobs": 2, "max_tokens": 5},
        {"prompt": " ", "logprobs": 0, "max_tokens": 6},
        {"prompt": ["é1", "ab"], "echo": True, "logprobs": 1, "n": 3, "seed": 4, "temperature": 1, "max_tokens": 6},
        {"prompt": "abc", "echo": True, "logprobs": 1, "max_tokens": 0},
        {"prompt": "a", "echo": True, "max_tokens": 0},
        {"prompt": ["ab", "é1"], "n": 2, "echo": True, "logprobs": 0, "max_tokens": 0},
        {"prompt": "a", "logprobs": 1, "stop": "def", "max_tokens": 9},
    ],
)
def test_the_chunks_join_to_the_whole_reply(client: FlaskClient, values: dict):
    whole = client.post(PATH, json={"temperature": 0, **values}).json
    assert joined(chunks(client, **values)) == whole["choices"]


def test_every_chunk_has_the_shape_of_a_reply(client: FlaskClient):
    found = chunks(client, prompt="a", max_tokens=4)
    assert {(chunk["id"], chunk["object"], chunk["model"], chunk["created"]) for chunk in found} == {
        (found[0]["id"], "text_completion", "124M", found[0]["created"])
    }
    assert found[0]["id"].startswith("cmpl-") and all("usage" not in chunk for chunk in found)
    assert [chunk["choices"][0]["finish_reason"] for chunk in found] == [*[None] * (len(found) - 1), "length"]


def test_without_usage_every_chunk_has_a_choice_and_the_last_one_our_facts(client: FlaskClient):
    found = chunks(client, prompt=["a", "1"], max_tokens=4, seed=6)
    assert all(len(chunk["choices"]) == 1 for chunk in found)
    assert ["inkwell" in chunk for chunk in found] == [*[False] * (len(found) - 1), True]
    metadata = found[-1]["inkwell"]
    assert (metadata["generated_tokens"], metadata["parameters"]["seed"]) == (8, 6)


def test_the_usage_comes_in_a_last_chunk_without_choices(client: FlaskClient):
    found = chunks(client, prompt="a", max_tokens=4, stream_options={"include_usage": True})
    assert all(chunk["usage"] is None and "inkwell" not in chunk for chunk in found[:-1])
    assert found[-1]["choices"] == []
    assert found[-1]["usage"] == {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}
    assert found[-1]["inkwell"]["finish_reasons"] == ["length"]


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_stream_of_scored_prompts_has_its_metadata_at_the_end(client: FlaskClient, include_usage: bool):
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    found = chunks(client, prompt=["a", "1"], max_tokens=0, echo=True, **options)
    assert [len(chunk["choices"]) for chunk in found] == [1, 1, *[0] * include_usage]
    assert ["inkwell" in chunk for chunk in found] == [*[False] * (len(found) - 1), True]
    assert found[-1].get("usage") == (
        {"prompt_tokens": 2, "completion_tokens": 0, "total_tokens": 2} if include_usage else None
    )


def test_the_old_address_streams_as_well(client: FlaskClient):
    asked = {"prompt": "a", "max_tokens": 4, "temperature": 0, "stream": True}
    response = client.post("/v1/engines/gpt2/completions", json=asked, buffered=True)
    assert response.text.endswith("data: [DONE]\n\n")


def test_text_comes_before_the_end_is_known(client: FlaskClient):
    with client.post(PATH, json={"prompt": "a", "max_tokens": 1000, "temperature": 0, "stream": True}) as response:
        first = json.loads(next(response.response).removeprefix(b"data: "))
    text = first["choices"][0]["text"]
    assert 0 < len(text) < 1000 and continued("a", 1000).startswith(text)


def test_a_request_that_is_refused_is_no_stream(client: FlaskClient):
    response = client.post(PATH, json={"model": "nope", "stream": True})
    assert (response.status_code, response.json["error"]["code"]) == (404, "model_not_found")
