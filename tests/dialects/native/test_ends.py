"""Why a text ends: stop strings, the end of a sentence, its time, and somebody's wish."""

import threading
import time

import pytest
from flask.testing import FlaskClient

from tests.dialects.native.native import details_of, sample_of, stream_of, texts
from tests.servable import continued
from tests.serving import problem

PATH = "/text-generate"
SEED = {"length": 40, "seed": 3}


def test_a_text_ends_before_the_first_stop_string(demo: FlaskClient):
    whole = sample_of(demo, **SEED)["text"]
    for stop in (whole[30:34], whole[7], whole[90:110]):
        place = whole.index(stop)
        sample = sample_of(demo, **SEED, stop=stop)
        assert (sample["text"], sample["finish_reason"], sample["stop"]) == (whole[:place], "stop_sequence", stop)
        kept = sample_of(demo, **SEED, stop=["never in it", stop], keep_stop=True)
        assert (kept["text"], kept["stop"]) == (whole[: place + len(stop)], stop)
        assert sample["generated_tokens"] == kept["generated_tokens"] < 40


@pytest.mark.parametrize("asked", [{"stop": [" the"]}, {"stop": [" the", "\n"], "keep_stop": True}])
@pytest.mark.parametrize("seed", range(6))
def test_a_stream_ends_where_a_whole_text_ends(demo: FlaskClient, seed: int, asked: dict):
    whole = sample_of(demo, length=60, seed=seed, **asked)
    *pieces, details, done = stream_of(demo, length=60, seed=seed, **asked)
    assert texts(pieces) == [whole["text"]] and done == "[DONE]"
    assert [piece.get("finish_reason") for piece in pieces] == [None] * (len(pieces) - 1) + [whole["finish_reason"]]
    assert details["samples"] == [{key: value for key, value in whole.items() if key != "text"}]


def test_a_stop_string_over_several_tokens_is_never_shown(client: FlaskClient):
    *pieces, _, _ = stream_of(client, input_text="a", length=20, temperature=0, stop=["fgh", "zzz"])
    assert [piece["text"] for piece in pieces] == ["b", "c", "d", "e", ""]
    *pieces, _, _ = stream_of(client, input_text="a", length=7, temperature=0, stop="ghij")
    assert "".join(piece["text"] for piece in pieces) == "bcdefgh"  # a beginning that the limit left alone


def test_a_stop_string_may_be_a_part_of_a_text_with_characters_of_many_bytes(client: FlaskClient):
    sample = sample_of(client, input_text=" ", length=40, temperature=0, stop="世é")
    assert (sample["text"], sample["finish_reason"]) == ("😀", "stop_sequence")


def test_each_sample_has_its_own_stop(demo: FlaskClient):
    asked = {"length": 60, "seed": 1, "nsamples": 6}
    free = details_of(demo, **asked)["samples"]
    bound = details_of(demo, **asked, stop=[" the"])["samples"]
    for before, after in zip(free, bound, strict=True):
        assert after["text"] == before["text"].partition(" the")[0]
        assert after.get("stop") == (" the" if " the" in before["text"] else None)


def test_the_end_of_text_can_be_ignored(client: FlaskClient):
    asked = {"input_text": "The end.", "temperature": 0, "length": 5}
    assert sample_of(client, **asked)["finish_reason"] == "stop"
    sample = sample_of(client, **asked, ignore_eos=True)
    assert (sample["finish_reason"], sample["generated_tokens"]) == ("length", 5)
    assert sample["text"].startswith("<|endoftext|>")


@pytest.mark.parametrize("seed", range(8))
def test_a_sentence_is_finished_beyond_the_limit_or_cut_back(demo: FlaskClient, seed: int):
    asked = {"length": 20, "seed": seed}
    longest = sample_of(demo, length=60, seed=seed)["text"]
    plain = sample_of(demo, **asked)["text"]
    sample = sample_of(demo, **asked, finish_sentence=True, sentence_grace_tokens=40)
    text = sample["text"]
    assert longest.startswith(text) and sample["generated_tokens"] <= 60
    assert sample["sentence"] in ("whole", "extended", "cut", "open")
    assert (sample["finish_reason"] == "sentence") == (sample["sentence"] in ("whole", "extended"))
    if sample["sentence"] == "open":
        assert text == plain.rstrip()
    else:
        assert text.rstrip("\"'”’)")[-1] in ".!?…" or longest[len(text) :].lstrip(" ").startswith("\n")
    assert (len(text) > len(plain)) == (sample["sentence"] == "extended")
    *pieces, _, _ = stream_of(demo, **asked, finish_sentence=True, sentence_grace_tokens=40)
    assert texts(pieces) == [text]


def test_the_time_of_a_request_ends_it_with_what_it_has(demo: FlaskClient):
    details_of(demo, length=1)  # loads the model, if nobody has yet
    started = time.monotonic()
    details = details_of(demo, length=8192, seed=1, on_overflow="slide", ignore_eos=True, timeout_s=0.5)
    assert details["parameters"]["timeout_s"] == 0.5
    assert details_of(demo, length=1, timeout_s=9000)["parameters"]["timeout_s"] == 300  # the service's own limit
    assert time.monotonic() - started >= 0.5
    (sample,) = details["samples"]
    assert sample["finish_reason"] == "timeout" and sample["text"]
    assert 0 < sample["generated_tokens"] == details["generated_tokens"] < 8192


def test_a_stream_that_runs_out_of_time_is_complete(client: FlaskClient):
    stream_of(client, length=1)  # loads the model, if nobody has yet
    *pieces, _, done = stream_of(client, length=8192, temperature=0, on_overflow="slide", timeout_s=0.4)
    assert pieces[-1]["finish_reason"] == "timeout" and done == "[DONE]"


def test_without_a_token_in_time_there_is_an_error(client: FlaskClient):
    stream_of(client, length=1)  # the model is loaded
    response = client.post(PATH, json={"input_text": "a", "timeout_s": 1e-6})
    problem(response, 504, "deadline_exceeded")
    *_, last = stream_of(client, input_text="a", timeout_s=1e-6)
    assert last["error"]["code"] == "deadline_exceeded"


def test_somebody_else_may_end_a_stream(client: FlaskClient):
    stream_of(client, length=1)  # loads the model, if nobody has yet
    asked = {"input_text": "a", "length": 8192, "temperature": 0, "on_overflow": "slide", "nsamples": 2}
    canceller = threading.Timer(0.4, lambda: client.application.test_client().delete("/v1/requests/mine"))
    canceller.start()
    response = client.post(PATH, json=asked, headers={"X-Request-Id": "mine", "Accept": "application/json"})
    canceller.join()
    samples = response.json["samples"]
    assert [sample["finish_reason"] for sample in samples] == ["cancelled", "cancelled"]
    assert all(continued("a", 8192).startswith(sample["text"]) and sample["text"] for sample in samples)
