"""`/text-generate` with valid input: all forms of requests and replies, and the effect of the parameters."""

import threading

import pytest
import requests
from flask.testing import FlaskClient

from tests.servable import SPACED, continued
from tests.serving import problem

PATH = "/text-generate"
GREEDY = {"input_text": "Hello ", "length": 20, "temperature": 0}
JSON = {"Accept": "application/json"}


def text_of(client: FlaskClient, **values: object) -> str:
    response = client.get(PATH, query_string=values)
    assert response.status_code == 200, response.text
    return response.text


def details_of(client: FlaskClient, **values: object) -> dict:
    response = client.get(PATH, query_string=values, headers=JSON)
    assert response.status_code == 200 and response.mimetype == "application/json", response.text
    return response.json


def test_the_call_of_the_old_service_is_answered_with_the_text_and_nothing_else(client: FlaskClient):
    response = client.get(f"{PATH}?input_text=where%20is%20finland%3F&model_name=124M")
    assert response.status_code == 200
    assert response.content_type == "text/plain; charset=utf-8"
    assert int(response.headers["Content-Length"]) == len(response.data)


@pytest.mark.parametrize("send", ["json", "data"])
def test_a_post_is_answered_like_the_get(client: FlaskClient, send: str):
    response = client.post(PATH, **{send: GREEDY})
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.text == text_of(client, **GREEDY) == continued("Hello ", 20)


def test_a_json_post_may_name_its_charset(client: FlaskClient):
    body = '{"input_text": "é ", "length": 8, "temperature": 0}'.encode()
    response = client.post(PATH, data=body, content_type="application/json; charset=UTF-8")
    assert response.text == continued("é ", 8)


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        ("*/*", "text/plain"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/plain"),
        ("text/plain", "text/plain"),
        ("image/png", "text/plain"),
        ("application/json", "application/json"),
        ("application/json, text/plain;q=0.5", "application/json"),
        ("application/json;q=0.5, text/plain", "text/plain"),
        ("text/event-stream", "text/event-stream"),
    ],
)
def test_accept_chooses_the_form_of_the_answer(client: FlaskClient, accept: str, mimetype: str):
    response = client.get(PATH, query_string=GREEDY, headers={"Accept": accept}, buffered=True)
    assert (response.status_code, response.mimetype) == (200, mimetype)


def test_without_accept_the_answer_is_text(client: FlaskClient):
    assert client.get(PATH, query_string=GREEDY).mimetype == "text/plain"


def test_the_headers_of_a_text_answer_tell_model_seed_and_reason(client: FlaskClient):
    headers = client.get(PATH, query_string=GREEDY | {"seed": 7}).headers
    assert headers["X-Inkwell-Model"] == "124M"
    assert headers["X-Inkwell-Seed"] == "7"
    assert headers["X-Inkwell-Finish-Reason"] == "length"


def test_the_json_answer_tells_everything(client: FlaskClient):
    response = client.post(PATH, json=GREEDY | {"seed": 7}, headers=JSON | {"X-Request-Id": "mine"})
    details = response.json
    assert 0 <= details.pop("queue_s") <= details.pop("first_token_s") <= details.pop("duration_s")
    assert details == {
        "request_id": "mine",
        "model_name": "124M",
        "samples": [{"finish_reason": "length", "generated_tokens": 20, "text": continued("Hello ", 20)}],
        "prompt_tokens": 6,
        "cached_tokens": 0,
        "generated_tokens": 20,
        "dropped_tokens": 0,
        "parameters": {
            **{"length": 20, "temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0},
            **{"repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "logit_bias": {}},
            **{"seed": 7, "nsamples": 1, "best_of": 1, "stop": [], "keep_stop": False, "ignore_eos": False},
            **{"finish_sentence": False, "sentence_grace_tokens": 32, "on_overflow": "error", "truncate": None},
            **{"timeout_s": 300, "logprobs": None, "prompt_logprobs": None, "trim_start": False, "echo": False},
        },
    }


def test_a_beginning_that_was_computed_before_is_told_and_changes_nothing(client: FlaskClient):
    asked = {"input_text": "a beginning of its own, " * 25, "length": 20, "temperature": 0}
    first, second = details_of(client, **asked), details_of(client, **asked)
    assert first["cached_tokens"] == 0
    assert 512 <= second["cached_tokens"] < second["prompt_tokens"] == 600
    assert first["samples"] == second["samples"]


@pytest.mark.parametrize("name", ["124M", "gpt2", "gpt2-small", "openai-community/gpt2"])
def test_a_model_answers_to_its_name_and_its_aliases(client: FlaskClient, name: str):
    assert details_of(client, **GREEDY, model_name=name)["model_name"] == "124M"


@pytest.mark.parametrize(("prompt", "length"), [("a", 512), ("a" * 511, 512), ("a" * 513, 511), ("a" * 1023, 1)])
def test_without_a_length_half_the_context_is_generated_or_what_is_left(client: FlaskClient, prompt: str, length: int):
    details = details_of(client, input_text=prompt, temperature=0)
    assert details["parameters"]["length"] == details["generated_tokens"] == length


def test_a_text_ends_before_its_length_when_the_model_ends_it(client: FlaskClient):
    details = details_of(client, input_text="The end.", temperature=0, length=50)
    assert details["samples"] == [{"finish_reason": "stop", "generated_tokens": 0, "text": ""}]
    assert text_of(client, input_text="The end.", temperature=0, length=50) == ""


def test_greedy_is_the_same_every_time_whatever_the_seed(client: FlaskClient):
    assert {text_of(client, **GREEDY, seed=seed) for seed in range(4)} == {continued("Hello ", 20)}


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 0.01}, {"temperature": 0.01}])
def test_each_way_to_leave_one_token_is_greedy(client: FlaskClient, narrow: dict):
    asked = {"input_text": "Hello ", "length": 20, "seed": 1} | narrow
    assert text_of(client, **asked) == continued("Hello ", 20)


def test_the_same_seed_gives_the_same_text_and_others_give_others(client: FlaskClient):
    texts = [text_of(client, input_text="a", length=30, seed=seed) for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1] and len(set(texts)) == 3


def test_a_drawn_seed_is_told_and_gives_the_same_text_again(client: FlaskClient):
    first = details_of(client, input_text="a", length=30)
    seed = first["parameters"]["seed"]
    assert details_of(client, input_text="a", length=30, seed=seed)["samples"] == first["samples"]
    assert details_of(client, input_text="a", length=30)["parameters"]["seed"] != seed


def test_the_largest_seed_works(client: FlaskClient):
    assert details_of(client, input_text="a", length=2, seed=2**63 - 1)["parameters"]["seed"] == 2**63 - 1


def test_several_samples_differ_and_the_first_is_that_of_a_single_one(client: FlaskClient):
    details = details_of(client, input_text="a", length=30, seed=5, nsamples=4)
    texts = [sample["text"] for sample in details["samples"]]
    assert len(set(texts)) == 4
    assert details["generated_tokens"] == sum(sample["generated_tokens"] for sample in details["samples"])
    assert texts[0] == text_of(client, input_text="a", length=30, seed=5)


def test_several_samples_do_not_fit_a_text_answer(client: FlaskClient):
    response = client.get(PATH, query_string=GREEDY | {"nsamples": 2})
    assert "application/json" in problem(response, 400, "invalid_parameter", "nsamples")


@pytest.mark.parametrize(
    "prompt", ["😀", "你好，世界", "naïve café ", "👩‍👩‍👧‍👦", "مرحبا \u202e", "a\0b", "\n\n", "<|endoftext|>"]
)
def test_any_text_can_be_continued(client: FlaskClient, prompt: str):
    by_get = details_of(client, input_text=prompt, length=9, temperature=0)
    by_post = client.post(PATH, json={"input_text": prompt, "length": 9, "temperature": 0}, headers=JSON).json
    assert by_get["samples"] == by_post["samples"] and by_get["generated_tokens"] == 9
    tokens = 1 if prompt == "<|endoftext|>" else len(prompt.encode())
    assert by_get["prompt_tokens"] == by_post["prompt_tokens"] == tokens


def test_a_plus_in_a_query_is_a_space_and_an_escaped_one_is_a_plus(client: FlaskClient):
    assert client.get(f"{PATH}?input_text=a+&length=9&temperature=0").text == continued(" ", 9)
    assert client.get(f"{PATH}?input_text=a%2B&length=2&temperature=0").text == "ab"


@pytest.mark.parametrize(("model", "context"), [("124M", 1024), ("gpt-j-6B", 2048)])
def test_prompt_and_length_may_fill_the_context_exactly_and_no_more(client: FlaskClient, model: str, context: int):
    asked = {"input_text": "a" * (context - 4), "model_name": model, "temperature": 0}
    assert text_of(client, **asked, length=4) == "bcde"
    response = client.get(PATH, query_string=asked | {"length": 5})
    message = problem(response, 400, "context_length_exceeded", "length")
    assert f"{context - 4} tokens" in message and f"takes {context}" in message and "4 at most" in message


@pytest.mark.parametrize(("model", "context"), [("gpt2", 1024), ("EleutherAI/gpt-j-6b", 2048)])
@pytest.mark.parametrize("excess", [0, 1, 5000])
def test_a_prompt_as_long_as_the_context_is_refused_with_both_numbers(
    client: FlaskClient, model: str, context: int, excess: int
):
    response = client.post(PATH, json={"input_text": "a" * (context + excess), "model_name": model})
    message = problem(response, 400, "context_length_exceeded", "input_text")
    assert f"has {context + excess} tokens" in message and f"takes {context}" in message


def test_sixteen_at_once_get_the_same_as_one_by_one(server: str):
    asked = [
        {"input_text": "Hello" + "a" * number + " ", "length": 5 + 3 * number, "temperature": 0} for number in range(16)
    ]
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        while True:
            response = requests.post(server + PATH, json=asked[number], timeout=30)
            if response.status_code != 429:  # this application admits 8 requests at once
                answers[number] = response.text
                return

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: continued(" ", 5 + 3 * number) for number in range(16)}
    assert SPACED[1:] in answers[15]
