"""The engine on tiny random models: against transformers, in changing batches, and when a step fails."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inkwell.engine.contract import EngineConfig, FailureEvent, Job, TokenEvent
from inkwell.engine.engine import Engine
from inkwell.engine.loading import load_model
from inkwell.engine.runner import Computed, Runner
from inkwell.engine.scheduler import Scheduler
from inkwell.engine.speculation.speculation import Drafter, Speculation
from inkwell.engine.step_costs import StepCostModel
from inkwell.errors import LoadFailed
from inkwell.parameters.sampling import GREEDY, Sampling
from tests.engine.tiny import save_tiny

CONFIG = EngineConfig(device="cpu", dtype="float32", threads=1, max_rows=4, prefill_chunk=8)
PROMPTS = [[5], [7, 8, 9], list(range(1, 20)), [11] * 8, list(range(40, 49)), [3, 1, 4, 1, 5, 9, 2, 6], [60, 61]]


def greedy(key: int, prompt: tuple[int, ...], max_tokens: int = 16) -> Job:
    return Job(key, prompt, max_tokens, GREEDY)


def drive(engine: Engine, arrivals: dict[int, list[Job]], cancels: dict[int, list[int]] | None = None) -> dict:
    """Step until no work is left; jobs arrive and are cancelled before the step of that number. Events by key."""
    events: dict[int, list] = {}
    step = 0
    while engine.has_work or step <= max(arrivals):
        for job in arrivals.get(step, []):
            engine.submit(job)
        for key in (cancels or {}).get(step, []):
            engine.cancel(key)
        for event in engine.step() if engine.has_work else []:
            events.setdefault(event.key, []).append(event)
        step += 1
    return events


def tokens_of(events: list) -> list[int]:
    return [event.token for event in events if event.token is not None]


@pytest.fixture(scope="module", params=["gpt2", "gptj"])
def oracle(request, tmp_path_factory):
    """A folder and what transformers generates from it, greedily, for every prompt."""
    folder = tmp_path_factory.mktemp(request.param)
    model = save_tiny(folder, request.param)
    texts = []
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        mask = torch.ones_like(ids)
        out = model.generate(ids, attention_mask=mask, max_new_tokens=64, do_sample=False, pad_token_id=0)
        texts.append(out[0, len(prompt) :].tolist())
    return folder, texts


def test_each_request_of_a_shifting_crowd_gets_what_transformers_gives_it_alone(oracle):
    folder, expected = oracle
    engine = load_model(folder, CONFIG).engine
    arrivals = {3 * key: [greedy(key, tuple(prompt), 64)] for key, prompt in enumerate(PROMPTS)}
    arrivals[4] = [greedy(100, (9, 9), 64)]  # joins and is cancelled in the middle
    events = drive(engine, arrivals, cancels={7: [100]})
    for key, text in enumerate(expected):
        assert tokens_of(events[key]) == text, f"prompt {key}"
        assert [event.finish for event in events[key]] == [None] * 63 + ["length"]
    assert 0 < len(events[100]) < 64


def test_sampled_text_is_the_same_alone_and_in_a_crowd_in_bfloat16(tmp_path: Path):
    save_tiny(tmp_path)
    config = EngineConfig(device="cpu", dtype="bfloat16", threads=1, max_rows=8, prefill_chunk=8)
    jobs = [Job(key, tuple(prompt), 40, Sampling(0.9, 20, 0.9), seed=key) for key, prompt in enumerate(PROMPTS)]
    alone = {job.key: tokens_of(drive(load_model(tmp_path, config).engine, {0: [job]})[job.key]) for job in jobs[:3]}
    crowd = drive(load_model(tmp_path, config).engine, {2 * job.key: [job] for job in jobs})
    assert {key: tokens_of(crowd[key]) for key in alone} == alone


def test_the_stop_token_ends_the_text_and_is_no_part_of_it(oracle):
    folder, expected = oracle
    stop = expected[2][10]
    before = expected[2][: expected[2].index(stop)]
    engine = load_model(folder, CONFIG).engine
    job = Job(1, tuple(PROMPTS[2]), 64, GREEDY, stop_tokens=(stop,))
    events = drive(engine, {0: [job]})[1]
    assert tokens_of(events) == before
    assert replace(events[-1], queue_s=0.0) == TokenEvent(1, None, "stop")


def test_the_last_position_of_the_context_can_be_used(oracle):
    folder, _ = oracle
    engine = load_model(folder, CONFIG).engine
    prompt = tuple(index % 90 for index in range(120))  # the tiny context is 128
    assert len(tokens_of(drive(engine, {0: [greedy(1, prompt, 8)]})[1])) == 8


def test_damaged_weights_end_only_with_a_typed_failure(tmp_path: Path):
    save_tiny(tmp_path)
    loaded = load_model(tmp_path, CONFIG)
    loaded.engine._runner._decoder.norm.weight.data[0] = torch.nan
    (event,) = drive(loaded.engine, {0: [greedy(1, (5, 6))]})[1]
    assert isinstance(event, FailureEvent) and event.code == "invalid_logits"
    assert not loaded.engine.has_work


def test_a_model_that_loads_and_cannot_compute_is_a_failed_load(tmp_path: Path, monkeypatch):
    save_tiny(tmp_path)
    monkeypatch.setattr(Runner, "run", lambda self, plan: 1 / 0)
    with pytest.raises(LoadFailed, match="cannot compute"):
        load_model(tmp_path, CONFIG)


class FailingRunner:
    """Computes made-up logits, and fails in the step of a given number."""

    def __init__(self, failing_step: int) -> None:
        self.steps_left = failing_step

    def run(self, plan):
        self.steps_left -= 1
        if self.steps_left == 0:
            raise RuntimeError("kernel failed")
        return Computed(torch.zeros(len(plan.rows), 10))


def test_a_failed_step_fails_its_rows_and_the_next_request_works():
    engine = Engine(FailingRunner(failing_step=2), Scheduler(slots=2, prefill_chunk=8))
    events = drive(engine, {0: [greedy(1, (5,), 4)], 4: [greedy(2, (5,), 4)]})
    assert isinstance(events[1][-1], FailureEvent)
    assert events[1][-1].code == "engine_error" and "kernel failed" not in events[1][-1].message
    assert events[2][-1].finish == "length"


def test_nan_in_one_row_leaves_its_neighbours_alone():
    class OneBadRow(FailingRunner):
        def run(self, plan):
            logits = torch.zeros(len(plan.rows), 10)
            for place, row in enumerate(plan.rows):
                if row.sequence.job.key == 2:
                    logits[place, 3] = torch.nan
            return Computed(logits)

    engine = Engine(OneBadRow(0), Scheduler(slots=3, prefill_chunk=8))
    events = drive(engine, {0: [greedy(key, (5,), 4) for key in (1, 2, 3)]})
    assert [type(event) for event in events[2]] == [FailureEvent]
    assert events[1][-1].finish == events[3][-1].finish == "length"


class Agreeable(Drafter):
    """Drafts what the made-up model generates: always the same token."""

    def propose(self, wishes):
        return [(3,) * wish.count for wish in wishes]


class Monotonous(FailingRunner):
    """Always chooses token 3; NaN logits after a sequence of a given length."""

    def __init__(self, silent_at: int = 10**6) -> None:
        self.silent_at, self.steps = silent_at, 0

    def run(self, plan):
        self.steps += 1
        ends = [row.start + row.length - back for row in plan.rows for back in reversed(range(row.logit_count))]
        logits = torch.zeros(len(ends), 10)
        logits[:, 3] = 1
        for place, end in enumerate(ends):
            if end >= self.silent_at:
                logits[place] = torch.nan
        return Computed(logits)


def speculative(runner: Monotonous) -> Engine:
    costs = StepCostModel()
    costs.observe(1, 0, 1.0)
    return Engine(runner, Scheduler(2, 8, batch_invariant=True), None, Speculation(Agreeable(), costs))


def test_right_drafts_save_steps_and_every_token_has_its_event():
    runner = Monotonous()
    events = drive(speculative(runner), {0: [greedy(1, (5,), 40)]})[1]
    assert [event.token for event in events] == [3] * 40 and runner.steps < 15
    assert [event.finish for event in events] == [None] * 39 + ["length"]


def test_a_text_that_breaks_behind_right_drafts_gives_what_was_sound_and_then_fails():
    events = drive(speculative(Monotonous(silent_at=9)), {0: [greedy(1, (5,), 40)]})[1]
    assert [event.token for event in events[:-1]] == [3] * 8
    assert isinstance(events[-1], FailureEvent) and events[-1].code == "invalid_logits"


def test_a_text_that_ends_before_it_breaks_is_whole():
    events = drive(speculative(Monotonous(silent_at=9)), {0: [greedy(1, (5,), 8)]})[1]
    assert [event.token for event in events] == [3] * 8 and events[-1].finish == "length"


def test_the_first_event_tells_what_was_found_computed(tmp_path: Path):
    save_tiny(tmp_path)
    config = EngineConfig(device="cpu", dtype="float32", threads=1, max_rows=2, prefill_chunk=16)
    engine = load_model(tmp_path, config).engine
    prompt = tuple(range(40))
    first = drive(engine, {0: [greedy(1, prompt, 5)]})[1]
    second = drive(engine, {0: [greedy(2, prompt, 5)]})[2]
    assert tokens_of(first) == tokens_of(second)
    assert [event.cached_tokens for event in first] == [0] * 5
    assert [event.cached_tokens for event in second][1:] == [0] * 4 and second[0].cached_tokens >= 32


def test_as_many_rows_as_fit_the_cache_and_never_none(tmp_path: Path):
    save_tiny(tmp_path)
    slot_bytes = 2 * 3 * 30 * 128 * 4  # keys and values, layers, width, context, float32
    room_for_two = EngineConfig(device="cpu", dtype="float32", max_rows=16, cache_bytes=2 * slot_bytes)
    room_for_none = EngineConfig(device="cpu", dtype="float32", max_rows=16, cache_bytes=1)
    assert load_model(tmp_path, room_for_two).rows == 2
    assert load_model(tmp_path, room_for_none).rows == 1
