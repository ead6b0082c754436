"""Unusual jobs: continuing another, banning every token, with a prompt that cannot be scored; and queue times."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from inkwell.engine.contract import EngineConfig, FailureEvent, Job, Sampling
from inkwell.engine.engine import Engine
from inkwell.engine.loading import load_model
from inkwell.engine.runner import Computed
from inkwell.engine.scheduler import Plan, Scheduler
from tests.engine.test_engine import drive, greedy, tokens_of
from tests.engine.tiny import TINY, save_tiny

CONFIG = EngineConfig(device="cpu", dtype="float32", threads=1, max_rows=2)
PROMPT = (5, 9, 9, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    save_tiny(path)
    return path


@pytest.fixture
def engine(folder: Path) -> Engine:
    return load_model(folder, CONFIG).engine


def job_of(key: int, max_tokens: int, **more: Any) -> Job:
    sampling = Sampling(1.2, presence_penalty=0.7, frequency_penalty=0.9)
    return Job(key, PROMPT, max_tokens, sampling, seed=3, sample=1, **more)


@pytest.mark.parametrize("before", [1, 12, 29])
def test_a_job_that_goes_on_from_another_gives_what_the_other_would_have_given(engine: Engine, before: int):
    whole = tokens_of(drive(engine, {0: [job_of(1, 30)]})[1])
    job = replace(job_of(2, 30 - before, generated_before=before), prompt=(*PROMPT, *whole[:before]))
    assert tokens_of(drive(engine, {0: [job]})[2]) == whole[before:]
    assert tokens_of(drive(engine, {0: [replace(job, generated_before=0)]})[2]) != whole[before:]


def test_a_job_may_go_on_from_more_tokens_than_its_prompt_holds(engine: Engine):
    job = job_of(1, 10, generated_before=500)
    other = job_of(2, 10, generated_before=501)
    events = drive(engine, {0: [job, other]})
    assert tokens_of(events[1]) != tokens_of(events[2])


def test_a_ban_of_all_tokens_fails_the_job_alone_and_says_why(engine: Engine):
    bans = tuple((token, -100.0) for token in range(TINY["vocab_size"]))
    arrivals = [replace(job_of(1, 5), sampling=Sampling(logit_bias=bans)), job_of(2, 5)]
    inspected = replace(job_of(3, 0, inspect=5), sampling=Sampling(logit_bias=bans))
    events = drive(engine, {0: [*arrivals, inspected]})
    for key in (1, 3):
        (failure,) = events[key]
        assert isinstance(failure, FailureEvent) and failure.code == "invalid_parameter"
        assert "logit_bias" in failure.message
    assert len(tokens_of(events[2])) == 5


@pytest.mark.parametrize(
    ("max_tokens", "how"), [(0, {"prompt_logprobs": 0}), (4, {"prompt_logprobs": 2}), (0, {"inspect": 3})]
)
def test_damaged_weights_end_what_is_told_with_one_typed_failure(folder: Path, max_tokens: int, how: dict[str, int]):
    engine = load_model(folder, CONFIG).engine
    engine._runner._decoder.norm.weight.data[0] = torch.nan
    (event,) = drive(engine, {0: [replace(greedy(1, PROMPT, max_tokens), **how)]})[1]
    assert isinstance(event, FailureEvent) and event.code == "invalid_logits"
    assert not engine.has_work


class Steps:
    """A made-up model that counts its steps, and a clock that returns their number."""

    def __init__(self) -> None:
        self.count = 0.0

    def __call__(self) -> float:
        return self.count

    def run(self, plan: Plan) -> Computed:
        self.count += 1
        return Computed(torch.zeros(sum(row.logit_count for row in plan.rows), 10))


def waiting(change: Callable[[Engine], None] = lambda engine: None) -> dict[int, list]:
    """Three jobs of five steps each for two slots, all from the start."""
    steps = Steps()
    engine = Engine(steps, Scheduler(slots=2, prefill_chunk=8), clock=steps)  # type: ignore[arg-type]
    for key in (1, 2, 3):
        engine.submit(greedy(key, (key,), 5))
    change(engine)
    return drive(engine, {0: []})


def test_the_first_event_tells_how_long_the_job_waited_for_its_slot():
    events = waiting()
    assert [[event.queue_s for event in events[key]] for key in (1, 2, 3)] == [[0.0] * 5, [0.0] * 5, [5.0] + [0.0] * 4]


def test_who_leaves_is_not_remembered():
    def leave(engine: Engine) -> None:
        engine.step()
        engine.cancel(1)
        engine.cancel(3)
        engine.cancel(99)
        engine.submit(greedy(1, (4,), 5))

    events = waiting(leave)
    assert 3 not in events and events[1][0].queue_s == 0.0
