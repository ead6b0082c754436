"""What the engine returns besides tokens, for the demo model: against transformers, alone and in a batch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2LMHeadModel

from inkwell.engine.contract import EngineConfig, InspectionEvent, Job, PromptEvent, TokenEvent
from inkwell.engine.engine import Engine
from inkwell.engine.loading import load_model
from inkwell.parameters.sampling import GREEDY, Sampling
from tests.engine.test_engine import drive
from tests.engine.tiny import random_tokens

DEMO = Path(__file__).resolve().parents[2] / "models" / "demo"
CONFIG = EngineConfig(device="cpu", dtype="float32", threads=1, max_rows=4)
PROMPTS = [tuple(random_tokens(count, seed=count, vocab_size=3000)) for count in (70, 1, 2, 33, 45, 9)]


PLAIN = Sampling()


def job_of(key: int, prompt: tuple[int, ...], max_tokens: int, sampling: Sampling = PLAIN, **more: Any) -> Job:
    return Job(key, prompt, max_tokens, sampling, seed=7, **more)


def engine(**changes: Any) -> Engine:
    return load_model(DEMO, replace(CONFIG, **changes)).engine


@pytest.fixture(scope="module")
def oracle() -> GPT2LMHeadModel:
    return GPT2LMHeadModel.from_pretrained(DEMO, dtype=torch.float32).eval()


def expected(oracle: GPT2LMHeadModel, tokens: list[int]) -> torch.Tensor:
    """Log-probabilities [len(tokens), vocab] of the tokens that follow each token."""
    with torch.inference_mode():
        return oracle(torch.tensor([tokens])).logits[0].double().log_softmax(dim=-1)


def prompt_events(events: list) -> list[PromptEvent]:
    return [event for event in events if isinstance(event, PromptEvent)]


@pytest.mark.parametrize("prompt", PROMPTS, ids=len)
def test_prompt_and_generated_tokens_have_the_log_probabilities_of_transformers(oracle, prompt: tuple[int, ...]):
    wanted = job_of(1, prompt, 12, logprobs=3, prompt_logprobs=2)
    events = drive(engine(prefill_chunk=16), {0: [wanted]})[1]
    scored, chosen = prompt_events(events), [event for event in events if isinstance(event, TokenEvent)]
    assert events == [*scored, *chosen] and len(chosen) == 12
    text = [*prompt, *(event.token for event in chosen)]
    returned = [value for event in scored for value in event.logprobs] + [event.logprob for event in chosen]
    tops = [top for event in scored for top in event.top] + [event.top for event in chosen]
    rows = expected(oracle, text)[:-1]
    assert returned == pytest.approx([float(row[token]) for row, token in zip(rows, text[1:], strict=True)], abs=2e-4)
    assert [event.first for event in scored] == list(range(1, len(prompt), 16))[: len(scored)]
    for row, top, count in zip(rows, tops, [2] * (len(prompt) - 1) + [3] * 12, strict=True):
        assert [value for _, value in top] == pytest.approx(row.topk(count).values.tolist(), abs=2e-4)
        assert [float(row[token]) for token, _ in top] == pytest.approx([value for _, value in top], abs=2e-4)


def told_of(events: list) -> tuple:
    """All numbers of a job, however its prompt was split."""
    scored, chosen = prompt_events(events), [event for event in events if isinstance(event, TokenEvent)]
    values = [pair for event in scored for pair in zip(event.logprobs, event.top, strict=True)]
    return values, [(event.token, event.logprob, event.top) for event in chosen]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_they_are_the_same_to_the_last_bit_alone_and_in_a_crowd(dtype: str):
    jobs = [job_of(key, prompt, 9, logprobs=2, prompt_logprobs=1) for key, prompt in enumerate(PROMPTS)]
    crowd = drive(engine(dtype=dtype, prefill_chunk=11), {3 * job.key: [job] for job in jobs})
    one = engine(dtype=dtype, speculation="off")
    for job in jobs:
        assert told_of(drive(one, {0: [job]})[job.key]) == told_of(crowd[job.key])


def test_where_torch_computes_in_16_bits_they_are_the_same_alone_and_in_a_crowd():
    jobs = [job_of(key, prompt, 5, logprobs=2, prompt_logprobs=1) for key, prompt in enumerate(PROMPTS)]
    crowd = drive(engine(dtype="bfloat16", kernels="torch", prefill_chunk=48), {job.key: [job] for job in jobs})
    one = engine(dtype="bfloat16", kernels="torch", prefill_chunk=48)
    for job in jobs:
        assert told_of(drive(one, {0: [job]})[job.key]) == told_of(crowd[job.key])


def test_every_token_that_was_drafted_has_its_own(oracle):
    prompt = PROMPTS[5] * 6
    wanted = Job(1, prompt, 60, GREEDY, logprobs=0)
    machine, steps, events = engine(), 0, []
    machine.submit(wanted)
    while machine.has_work:
        events += machine.step()
        steps += 1
    assert steps < 60, "nothing was drafted, so this test shows nothing"
    text = [*prompt, *(event.token for event in events)]
    rows = expected(oracle, text)[len(prompt) - 1 : -1]
    assert [event.logprob for event in events] == pytest.approx(rows.amax(dim=-1).tolist(), abs=2e-4)


def test_who_does_not_ask_is_told_nothing():
    events = drive(engine(), {0: [job_of(1, PROMPTS[3], 5), job_of(2, PROMPTS[3], 5, logprobs=1)]})
    assert all(event.logprob is None and event.top == () for event in events[1])
    assert all(event.logprob is not None and len(event.top) == 1 for event in events[2])


def test_the_stop_token_has_none():
    free = drive(engine(), {0: [job_of(1, PROMPTS[3], 9, logprobs=1)]})[1]
    stopped = job_of(1, PROMPTS[3], 9, logprobs=1, stop_tokens=(free[4].token,))
    events = drive(engine(), {0: [stopped]})[1]
    last = events[-1]
    assert (last.token, last.finish, last.logprob, last.top) == (None, "stop", None, ())


@pytest.mark.parametrize("prompt", PROMPTS, ids=len)
def test_a_job_of_no_tokens_ends_when_its_prompt_is_computed(prompt: tuple[int, ...]):
    machine = engine(prefill_chunk=16)
    (event,) = drive(machine, {0: [job_of(1, prompt, 0)]})[1]
    assert replace(event, queue_s=0.0) == TokenEvent(1, None, "length")
    *scored, last = drive(machine, {0: [job_of(2, prompt, 0, prompt_logprobs=0)]})[2]
    assert sum(len(event.logprobs) for event in scored) == len(prompt) - 1
    assert (last.token, last.finish, last.cached_tokens) == (None, "length", 0)
    assert all(top == () for event in scored for top in event.top)


def test_a_scored_prompt_is_computed_whole_and_serves_others():
    machine = engine(max_rows=2)
    scored = job_of(1, PROMPTS[0], 0, prompt_logprobs=0)
    first = drive(machine, {0: [scored]})[1]
    again = drive(machine, {0: [scored]})[1]
    assert told_of(first) == told_of(again) and again[-1].cached_tokens == 0
    assert drive(machine, {0: [job_of(2, PROMPTS[0], 1)]})[2][-1].cached_tokens == len(PROMPTS[0]) - 1


def test_scored_prompts_do_not_wait_for_others_that_begin_alike_and_others_may_wait_for_them():
    scored = [job_of(key, PROMPTS[0], 2, logprobs=0, prompt_logprobs=0) for key in (1, 2)]
    events = drive(engine(prefill_chunk=30), {0: [*scored, job_of(3, PROMPTS[0], 2)]})
    assert told_of(events[1]) == told_of(events[2])
    cached = [sum(getattr(event, "cached_tokens", 0) for event in events[key]) for key in (1, 2, 3)]
    assert cached[:2] == [0, 0] and cached[2] > 0
    assert [event.token for event in events[3]] == [token for token, _, _ in told_of(events[1])[1]]


@pytest.mark.parametrize("prompt", [PROMPTS[1], PROMPTS[0]], ids=len)
def test_an_inspection_is_of_the_distribution_that_the_next_token_is_chosen_from(oracle, prompt: tuple[int, ...]):
    wanted = Sampling(0.7, top_k=4)
    first, last = drive(engine(), {0: [Job(1, prompt, 0, wanted, inspect=6)]})[1]
    assert isinstance(first, InspectionEvent) and (last.token, last.finish) == (None, "length")
    model = expected(oracle, list(prompt))[-1]
    assert first.stages[0].probabilities == pytest.approx(model[list(first.tokens)].exp().tolist(), abs=2e-4)
    assert [stage.name for stage in first.stages] == ["model", "temperature", "top_k"]
    kept = {token for token, share in zip(first.tokens, first.stages[-1].probabilities, strict=True) if share > 0}
    jobs = [Job(seed, prompt, 1, wanted, seed) for seed in range(60)]
    chosen = {events[0].token for events in drive(engine(), {0: jobs}).values()}
    assert chosen <= kept and len(kept) == 4
