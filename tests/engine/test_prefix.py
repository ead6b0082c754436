"""Reuse of cached prefixes, without tensors: which jobs may share what, and which slot is evicted."""

import pytest

from inkwell.engine.contract import Job
from inkwell.engine.scheduler import Scheduler
from inkwell.engine.slots import MIN_OPEN_SLOTS, MIN_REUSED_TOKENS, Copy

CHUNK = 32
STORY = tuple(range(100, 200))


def job(key: int, prompt: tuple[int, ...], max_tokens: int = 1, cache_salt: str = "") -> Job:
    return Job(key, prompt, max_tokens, cache_salt=cache_salt)


def run(scheduler: Scheduler, *jobs: Job, steps: int = 1000) -> dict[int, tuple[int, int]]:
    """Compute the jobs; returns (slot, prompt tokens that were reused) by key."""
    for item in jobs:
        scheduler.add(item)
    seen: dict[int, tuple[int, int]] = {}
    while scheduler.has_work and steps:
        steps -= 1
        plan = scheduler.plan()
        for row in plan.rows:
            seen[row.sequence.job.key] = (row.sequence.slot, row.sequence.reused)
        scheduler.commit(plan, {row.sequence.job.key: [7] for row in plan.rows if row.completes})
    return seen


def invariant_scheduler(slots: int = 3) -> Scheduler:
    return Scheduler(slots, prefill_chunk=CHUNK, batch_invariant=True)


def test_a_prompt_that_goes_on_with_a_finished_text_computes_only_what_is_new():
    scheduler = invariant_scheduler()
    first = run(scheduler, job(1, STORY, max_tokens=3))
    second = run(scheduler, job(2, (*STORY, 7, 7, 7, 1, 2)))
    assert first == {1: (second[2][0], 0)}
    assert second[2][1] == len(STORY) + 2  # the third new token was chosen and never computed


def test_the_same_prompt_again_computes_its_last_token():
    scheduler = invariant_scheduler()
    run(scheduler, job(1, STORY))
    assert run(scheduler, job(2, STORY))[2][1] == len(STORY) - 1


def test_another_salt_shares_nothing():
    scheduler = invariant_scheduler()
    run(scheduler, job(1, STORY, cache_salt="one"))
    assert run(scheduler, job(2, STORY, cache_salt="two"))[2] == (1, 0)
    assert run(scheduler, job(3, STORY, cache_salt=""))[3] == (2, 0)
    assert run(scheduler, job(4, STORY, cache_salt="one"))[4] == (0, len(STORY) - 1)


def test_a_beginning_too_short_to_matter_is_computed_again():
    scheduler = invariant_scheduler()
    run(scheduler, job(1, STORY))
    assert run(scheduler, job(2, (*STORY[: MIN_REUSED_TOKENS - 1], 1, 2)))[2][1] == 0


def test_a_beginning_that_is_in_use_is_copied():
    scheduler = invariant_scheduler()
    scheduler.add(job(1, STORY, max_tokens=50))
    for _ in range(6):
        plan = scheduler.plan()
        scheduler.commit(plan, {1: [7]} if plan.rows[0].completes else {})
    scheduler.add(job(2, (*STORY[:60], 1, 2)))
    plan = scheduler.plan()
    assert plan.copies == (Copy(0, 1, 60),)
    assert [(row.start, row.length) for row in plan.prefill] == [(60, 2)]


def test_samples_of_one_prompt_wait_for_the_first_and_copy_it():
    scheduler = invariant_scheduler()
    for key in (1, 2, 3):
        scheduler.add(job(key, STORY, max_tokens=2))
    computed = []
    while scheduler.has_work:
        plan = scheduler.plan()
        computed += [row.length for row in plan.prefill]
        scheduler.commit(plan, {row.sequence.job.key: [7] for row in plan.rows if row.completes})
    assert sum(computed) == len(STORY) + 2


def test_who_waits_for_a_beginning_goes_on_when_the_other_leaves():
    scheduler = invariant_scheduler()
    scheduler.add(job(1, STORY))
    scheduler.add(job(2, STORY))
    assert [row.sequence.job.key for row in scheduler.plan().prefill] == [1]
    scheduler.abort(1)
    assert [row.sequence.job.key for row in scheduler.plan().prefill] == [2]


def test_only_whole_chunks_of_a_prompt_are_shared_when_the_decoder_is_not_batch_invariant():
    scheduler = Scheduler(3, prefill_chunk=CHUNK)
    run(scheduler, job(1, STORY[:70], max_tokens=40))
    assert run(scheduler, job(2, (*STORY[:70], *[7] * 40)))[2][1] == 64
    assert run(scheduler, job(3, STORY[:64]))[3][1] == 32  # its last token must be computed, and with it its chunk
    assert run(scheduler, job(4, STORY[:31]))[4][1] == 0


def test_an_empty_slot_is_taken_before_one_with_a_beginning_and_then_the_one_unused_for_longest():
    scheduler = invariant_scheduler(slots=3)
    prompts = {key: tuple(range(1000 * key, 1000 * key + 40)) for key in range(1, 6)}
    assert [run(scheduler, job(key, prompts[key]))[key][0] for key in (1, 2, 3)] == [0, 1, 2]
    assert run(scheduler, job(11, prompts[1]))[11] == (0, 39)
    assert run(scheduler, job(4, prompts[4]))[4] == (1, 0)


def fresh(key: int) -> tuple[int, ...]:
    """A prompt that shares nothing with those of other keys."""
    return tuple(range(1000 * key, 1000 * key + 40))


def test_a_lone_client_fills_a_few_slots_and_may_go_on_with_its_last_texts():
    scheduler = invariant_scheduler(slots=16)
    used = {run(scheduler, job(key, fresh(key)))[key][0] for key in range(1, 40)}
    assert used == set(range(MIN_OPEN_SLOTS))
    last = range(40 - MIN_OPEN_SLOTS, 40)
    assert [run(scheduler, job(100 + key, fresh(key)))[100 + key][1] for key in last] == [39] * MIN_OPEN_SLOTS
    assert run(scheduler, job(200, fresh(40 - MIN_OPEN_SLOTS - 1)))[200][1] == 0


def test_as_many_slots_are_filled_as_ever_ran_at_once():
    scheduler = invariant_scheduler(slots=16)
    for size, slots in ((6, 6), (2, 6), (9, 9), (1, 9)):
        used = set()
        for turn in range(12):
            keys = range(10_000 * size + 100 * turn, 10_000 * size + 100 * turn + size)
            used |= {slot for slot, _ in run(scheduler, *(job(key, fresh(key), max_tokens=9) for key in keys)).values()}
        assert used == set(range(slots))


def test_a_slot_whose_computation_failed_is_the_first_to_be_used_again():
    scheduler = invariant_scheduler(slots=16)
    for key in (1, 2):
        run(scheduler, job(key, fresh(key)))
    scheduler.add(job(3, fresh(3)))
    (row,) = scheduler.plan().rows
    scheduler.drop(3)
    assert run(scheduler, job(4, fresh(4)))[4] == (row.sequence.slot, 0)
    assert [run(scheduler, job(10 + key, fresh(key)))[10 + key][1] for key in (1, 2)] == [39, 39]


def test_a_long_text_is_not_given_away_for_a_short_beginning_that_it_shares():
    scheduler = invariant_scheduler(slots=2)
    run(scheduler, job(1, STORY))
    assert run(scheduler, job(2, (*STORY[:20], *range(500, 530))))[2] == (1, 20)
    assert run(scheduler, job(3, STORY))[3] == (0, len(STORY) - 1)


def test_what_a_failed_computation_left_is_never_used():
    scheduler = invariant_scheduler()
    scheduler.add(job(1, STORY, max_tokens=9))
    for _ in range(5):
        plan = scheduler.plan()
        scheduler.commit(plan, {1: [7]} if plan.rows[0].completes else {})
    scheduler.drop(1)
    assert run(scheduler, job(2, STORY))[2][1] == 0


def test_a_beginning_whose_copy_failed_is_copied_again():
    scheduler = Scheduler(3, prefill_chunk=CHUNK, batch_invariant=True)
    run(scheduler, job(1, STORY))
    scheduler.add(job(2, tuple(range(40)), max_tokens=1))  # takes the whole budget of the step
    scheduler.add(job(3, (*STORY[:40], 1, 2)))
    plan = scheduler.plan()
    assert plan.copies == (Copy(0, 2, 40),) and [row.sequence.job.key for row in plan.rows] == [2]
    scheduler.fail(plan)
    plan = scheduler.plan()
    assert plan.copies == (Copy(0, 2, 40),) and [(row.start, row.length) for row in plan.rows] == [(40, 2)]


@pytest.mark.parametrize("leaver", [1, 2])
def test_a_cancelled_sequence_leaves_what_it_computed(leaver: int):
    scheduler = invariant_scheduler()
    for key in (1, 2):
        scheduler.add(job(key, tuple(range(1000 * key, 1000 * key + 30)), max_tokens=9))
    for _ in range(4):
        plan = scheduler.plan()
        scheduler.commit(plan, {row.sequence.job.key: [7] for row in plan.rows if row.completes})
    scheduler.abort(leaver)
    again = job(3, tuple(range(1000 * leaver, 1000 * leaver + 30)))
    assert run(scheduler, again)[3][1] == 29
