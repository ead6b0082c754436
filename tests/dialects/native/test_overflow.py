"""Prompts and texts that exceed the model's context: truncated, or continued in a sliding context."""

import pytest
from flask.testing import FlaskClient

from tests.dialects.native.native import ask, details_of, sample_of, stream_of, texts
from tests.servable import continued
from tests.serving import problem

CONTEXT = 1024
ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("size", "wanted", "prompt_tokens", "dropped"),
    [
        (1500, {"on_overflow": "truncate_left", "length": 24}, 1000, 500),
        (1500, {"on_overflow": "truncate_left"}, 512, 988),
        (1500, {"on_overflow": "slide", "length": 1}, 1023, 477),
        (1500, {"truncate": 100, "length": 10}, 100, 1400),
        (90, {"truncate": 100, "length": 10}, 90, 0),
    ],
)
def test_the_beginning_of_a_prompt_is_dropped_and_counted(
    client: FlaskClient, size: int, wanted: dict, prompt_tokens: int, dropped: int
):
    prompt = (ALPHABET * 58)[:size]
    details = details_of(client, input_text=prompt, temperature=0, echo=True, **wanted)
    assert (details["prompt_tokens"], details["dropped_tokens"]) == (prompt_tokens, dropped)
    (sample,) = details["samples"]
    kept = prompt[-prompt_tokens:]
    assert sample["text"] == kept + continued(kept, sample["generated_tokens"])


def test_a_cut_prompt_gives_the_text_of_its_end_alone(demo: FlaskClient):
    end = " In the castle there lived an old king who had"
    asked = {"length": 20, "seed": 5}
    whole = sample_of(demo, input_text=end, **asked)
    tokens = details_of(demo, input_text=end, **asked)["prompt_tokens"]
    assert sample_of(demo, input_text="He said nothing at all." * 9 + end, truncate=tokens, **asked) == whole


def test_a_text_may_grow_past_the_context(client: FlaskClient):
    asked = {"input_text": "a", "length": 3000, "temperature": 0, "on_overflow": "slide"}
    details = details_of(client, **asked)
    assert details["samples"][0]["text"] == continued("a", 3000)
    assert details["dropped_tokens"] == 4 * CONTEXT // 2  # 1023 tokens, and 512 each time that half was dropped
    *pieces, last, _ = stream_of(client, **asked)
    assert texts(pieces) == [continued("a", 3000)]
    assert last["dropped_tokens"] == details["dropped_tokens"]


def test_before_the_context_is_full_sliding_changes_nothing(demo: FlaskClient):
    asked = {"length": 40, "seed": 8, "nsamples": 2, "temperature": 1.1}
    plain, sliding = details_of(demo, **asked), details_of(demo, **asked, on_overflow="slide")
    assert plain["samples"] == sliding["samples"] and sliding["dropped_tokens"] == 0


@pytest.mark.parametrize(
    "sampling", [{}, {"presence_penalty": 1.5, "frequency_penalty": 1.0, "repetition_penalty": 1.3}]
)
@pytest.mark.slow
def test_the_same_seed_slides_to_the_same_text(demo: FlaskClient, sampling: dict):
    prompt = "Once upon a time there was a king who had a beautiful daughter. " * 100
    asked = {"input_text": prompt, "length": 520, "seed": 8, "on_overflow": "slide", "ignore_eos": True, **sampling}
    first = details_of(demo, **asked)
    assert first["generated_tokens"] == 520
    assert first["dropped_tokens"] > 2 * CONTEXT // 2
    assert details_of(demo, **asked)["samples"] == first["samples"]
    longer = details_of(demo, **asked | {"length": 521})["samples"][0]["text"]
    assert longer.startswith(first["samples"][0]["text"])


@pytest.mark.slow
@pytest.mark.parallel
def test_samples_slide_each_for_itself(client: FlaskClient):
    details = details_of(client, input_text="a", length=1100, seed=2, nsamples=2, on_overflow="slide", ignore_eos=True)
    one, other = details["samples"]
    assert one["text"] != other["text"] and details["dropped_tokens"] == 2 * CONTEXT // 2
    alone = details_of(client, input_text="a", length=1100, seed=2, on_overflow="slide", ignore_eos=True)
    assert alone["samples"] == [one]


def test_what_can_never_fit_is_still_refused(client: FlaskClient):
    response = ask(client, input_text="a" * 30, length=CONTEXT, on_overflow="truncate_left")
    assert "1 tokens" in problem(response, 400, "context_length_exceeded", "length")
    response = ask(client, input_text="a" * 2000, truncate=CONTEXT)
    problem(response, 400, "context_length_exceeded", "input_text")
