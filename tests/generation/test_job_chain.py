"""Texts that outgrow the model's context: each job continues where the previous one was full."""

from collections.abc import Iterator

import pytest

from inkwell.engine.contract import Job, TokenEvent
from inkwell.generation.choice import Choice
from inkwell.models.model_store import Model
from tests.generation.texts import choice_of

CONTEXT = 16
SLIDE = {"on_overflow": "slide"}


def run(choice: Choice, tokens: Iterator[int]) -> list[Job]:
    """Play the engine: answer every job with its maximum number of tokens, and collect the jobs."""
    jobs, job = [], choice.first_job
    while job is not None:
        jobs.append(job)
        assert len(jobs) < 200
        for place in range(job.max_tokens):
            finish = "length" if place == job.max_tokens - 1 else None
            reported = {} if place else {"cached_tokens": 3 * len(jobs)}
            choice.take(TokenEvent(0, next(tokens), finish, **reported))
            if choice.finish:
                return jobs
        job = choice.next_job()
    return jobs


def endless(model: Model) -> Iterator[int]:
    while True:
        yield from model.tokenizer.encode("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize(
    ("prompt", "length"), [("x" * 5, 11), ("x" * 5, 12), ("x" * 15, 1), ("x" * 15, 90), ("x", 200)]
)
def test_a_text_goes_on_with_the_newer_half_of_the_context(letters: Model, prompt: str, length: int):
    choice = choice_of(letters, prompt, length=length, **SLIDE)
    jobs = run(choice, endless(letters))
    assert (choice.finish, choice.generated, len(choice.text)) == ("length", length, length)
    assert choice.text == ("abcdefghijklmnopqrstuvwxyz" * 8)[:length]
    everything = letters.tokenizer.encode(prompt + choice.text)
    done = 0
    for number, job in enumerate(jobs):
        assert 0 < job.max_tokens <= CONTEXT - len(job.prompt)
        assert job.generated_before == done
        before = everything[: len(prompt) + done]
        assert list(job.prompt) == (before[-CONTEXT // 2 :] if number else before)
        done += job.max_tokens
    assert done == length
    assert choice.dropped_tokens == (len(jobs) - 1) * CONTEXT // 2


def test_results_for_the_prompt_come_from_the_first_job(letters: Model):
    choice = choice_of(letters, "x" * 10, length=40, prompt_logprobs=0, **SLIDE)
    jobs = run(choice, endless(letters))
    assert len(jobs) > 2
    assert [job.prompt_logprobs for job in jobs] == [0] + [None] * (len(jobs) - 1)
    assert choice.prompt.cached_tokens == 3


def test_tokens_cut_off_the_prompt_count_as_dropped_too(letters: Model):
    choice = choice_of(letters, "x" * 20, length=3, **SLIDE)
    assert (len(choice.prompt.tokens), choice.dropped_tokens) == (CONTEXT - 1, 5)
    run(choice, endless(letters))
    assert choice.dropped_tokens == 5 + CONTEXT // 2


def test_without_slide_no_job_follows(letters: Model):
    choice = choice_of(letters, "x" * 10, length=6)
    assert len(run(choice, endless(letters))) == 1 and choice.dropped_tokens == 0


def test_a_stop_string_over_the_border_of_two_jobs_ends_the_text(letters: Model):
    choice = choice_of(letters, "x" * 10, length=40, stop=("fgh",), **SLIDE)  # the first job ends with "f"
    jobs = run(choice, endless(letters))
    assert (choice.text, choice.finish, len(jobs)) == ("abcde", "stop_sequence", 2)
    assert choice.next_job() is None


def test_the_end_of_text_ends_a_text_that_slides(letters: Model):
    choice = choice_of(letters, "x" * 10, length=40, **SLIDE)
    choice.take(TokenEvent(0, None, "stop"))
    assert choice.finish == "stop" and choice.next_job() is None


def test_a_sentence_may_slide_to_its_end(letters: Model):
    choice = choice_of(letters, "x" * 10, length=6, finish_sentence=True, sentence_grace_tokens=9, **SLIDE)
    jobs = run(choice, iter(letters.tokenizer.encode("abc def ghi. jkl")))
    assert len(jobs) == 2
    assert (choice.text, choice.finish, choice.sentence) == ("abc def ghi.", "sentence", "extended")
