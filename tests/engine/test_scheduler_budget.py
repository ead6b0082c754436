"""How many prompt tokens a step computes, by the measured cost of steps."""

import pytest

from inkwell.engine.scheduler import MAX_DECODE_SLOWDOWN, MAX_FULL_BATCH_SLOWDOWN, MIN_PREFILL_TOKENS, Scheduler
from inkwell.engine.step_costs import StepCostModel
from tests.engine.test_scheduler import commit, decoding, job


def known_costs(per_row: float = 0.05, per_token: float = 0.01) -> StepCostModel:
    """A model trained on steps that take 1 s, plus `per_row` and `per_token` for each row and prompt token."""
    costs = StepCostModel()
    for turn in range(3000):
        rows, prompt = turn % 17, (turn * 7) % 256 if turn % 3 == 0 else 0
        costs.observe(rows, prompt, 1 + per_row * rows + per_token * prompt)
    return costs


@pytest.mark.parametrize("rows", [1, 4, 16])
def test_a_prompt_stretches_the_steps_of_those_who_decode_by_no_more_than_the_bound(rows: int):
    costs = known_costs()
    scheduler = Scheduler(slots=rows + 1, prefill_chunk=1000, batch_invariant=True, costs=costs)
    decoding(scheduler, rows)
    scheduler.add(job(1, prompt_tokens=3000))
    chunk = scheduler.plan().prefill[0].length
    alone = 1 + 0.05 * rows
    assert alone * (MAX_DECODE_SLOWDOWN - 0.1) < alone + 0.01 * chunk < alone * (MAX_DECODE_SLOWDOWN + 0.1)


def test_where_many_wait_behind_few_a_step_may_take_as_long_as_one_of_them_all():
    costs = known_costs()
    scheduler = Scheduler(slots=40, prefill_chunk=1000, batch_invariant=True, costs=costs)
    decoding(scheduler, 2)
    for key in range(1, 39):
        scheduler.add(job(key, prompt_tokens=300))
    prompt_tokens = sum(row.length for row in scheduler.plan().prefill)
    full_batch = MAX_FULL_BATCH_SLOWDOWN * (1 + 0.05 * 40)
    assert full_batch > MAX_DECODE_SLOWDOWN * (1 + 0.05 * 2)
    assert 0.9 * full_batch < 1 + 0.05 * 2 + 0.01 * prompt_tokens < 1.1 * full_batch


def test_a_prompt_gets_on_however_slow_the_machine_is_and_uses_all_of_it_when_nobody_decodes():
    costs = known_costs(per_token=5.0)
    scheduler = Scheduler(slots=2, prefill_chunk=100, batch_invariant=True, costs=costs)
    scheduler.add(job(1, prompt_tokens=3000))
    assert scheduler.plan().prefill[0].length == 100
    scheduler.abort(1)
    decoding(scheduler, 1)
    scheduler.add(job(2, prompt_tokens=3000))
    assert scheduler.plan().prefill[0].length == MIN_PREFILL_TOKENS


def test_measured_time_never_moves_the_borders_of_a_decoder_that_is_not_batch_invariant():
    scheduler = Scheduler(slots=2, prefill_chunk=100, costs=known_costs(per_token=5.0))
    decoding(scheduler, 1)
    scheduler.add(job(1, prompt_tokens=250))
    lengths = []
    for _ in range(3):
        plan = scheduler.plan()
        lengths.append(plan.prefill[0].length)
        commit(scheduler, plan)
    assert lengths == [100, 100, 50]
