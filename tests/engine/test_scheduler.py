"""The scheduler alone: no torch, no model, a made-up token for every row that completes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkwell.engine.contract import Job
from inkwell.engine.scheduler import Plan, Scheduler

CHUNK = 4


def job(key: int, prompt_tokens: int = 3, max_tokens: int = 5) -> Job:
    """No two jobs share a prefix."""
    prompt = tuple(range(1000 * key, 1000 * key + prompt_tokens))
    return Job(key, prompt, max_tokens, stop_tokens=(99,))


def commit(scheduler: Scheduler, plan: Plan, *tokens: int) -> list[tuple[int, int, str | None]]:
    chosen = {row.sequence.job.key: list(tokens or (1,)) for row in plan.rows if row.completes}
    return [(taken.sequence.job.key, taken.token, taken.finish) for taken in scheduler.commit(plan, chosen)]


def decoding(scheduler: Scheduler, count: int) -> None:
    """Let `count` jobs decode."""
    for key in range(900, 900 + count):
        scheduler.add(job(key, max_tokens=1000))
    while (plan := scheduler.plan()).prefill:
        commit(scheduler, plan)


def test_a_prompt_is_computed_in_chunks_that_end_at_fixed_positions():
    scheduler = Scheduler(slots=1, prefill_chunk=CHUNK)
    scheduler.add(job(1, prompt_tokens=10))
    spans = []
    for _ in range(3):
        plan = scheduler.plan()
        spans.append((plan.prefill[0].start, plan.prefill[0].length))
        commit(scheduler, plan)
    assert spans == [(0, 4), (4, 4), (8, 2)]


def test_a_decoder_that_is_not_batch_invariant_gets_one_chunk_of_one_prompt_and_every_decoding_row():
    scheduler = Scheduler(slots=3, prefill_chunk=CHUNK)
    scheduler.add(job(1))
    commit(scheduler, scheduler.plan())
    scheduler.add(job(2, prompt_tokens=9))
    scheduler.add(job(3, prompt_tokens=9))
    plan = scheduler.plan()
    assert [row.sequence.job.key for row in plan.prefill] == [2]
    assert [row.sequence.job.key for row in plan.decode] == [1]


def test_jobs_are_admitted_in_the_order_they_came():
    scheduler = Scheduler(slots=1, prefill_chunk=CHUNK)
    for key in (5, 3, 4):
        scheduler.add(job(key, max_tokens=1))
    finished = []
    while scheduler.has_work:
        finished += [key for key, _, finish in commit(scheduler, scheduler.plan()) if finish]
    assert finished == [5, 3, 4]


def test_no_more_rows_run_than_there_are_slots():
    scheduler = Scheduler(slots=2, prefill_chunk=CHUNK)
    for key in range(5):
        scheduler.add(job(key))
    for _ in range(4):
        plan = scheduler.plan()
        assert len({row.sequence.slot for row in plan.rows}) == len(plan.rows) <= 2
        commit(scheduler, plan)


def test_a_sequence_ends_at_its_limit_and_on_its_stop_token():
    scheduler = Scheduler(slots=2, prefill_chunk=CHUNK)
    scheduler.add(job(1, max_tokens=2))
    assert commit(scheduler, scheduler.plan()) == [(1, 1, None)]
    assert commit(scheduler, scheduler.plan()) == [(1, 1, "length")]
    scheduler.add(job(2))
    assert commit(scheduler, scheduler.plan(), 99) == [(2, 99, "stop")]
    assert not scheduler.has_work


def test_short_prompts_share_the_budget_of_a_step_in_the_order_they_came():
    scheduler = Scheduler(slots=4, prefill_chunk=10, batch_invariant=True)
    for key, length in ((3, 4), (1, 3), (2, 20)):
        scheduler.add(job(key, prompt_tokens=length))
    spans = []
    for _ in range(3):
        plan = scheduler.plan()
        spans.append([(row.sequence.job.key, row.start, row.length) for row in plan.prefill])
        commit(scheduler, plan)
    assert spans == [[(3, 0, 4), (1, 0, 3), (2, 0, 3)], [(2, 3, 10)], [(2, 13, 7)]]


def test_only_rows_that_reach_their_newest_token_need_logits():
    scheduler = Scheduler(slots=2, prefill_chunk=10, batch_invariant=True)
    decoding(scheduler, 1)
    scheduler.add(job(1, prompt_tokens=15))
    wanted = []
    for _ in range(2):
        plan = scheduler.plan()
        wanted.append([row.logit_count for row in plan.rows])
        commit(scheduler, plan)
    assert wanted == [[0, 1], [1, 1]]


def with_drafts(plan: Plan, *drafts: int) -> Plan:
    (row,) = plan.decode
    return replace(plan, decode=(replace(row, length=1 + len(drafts), drafts=drafts),))


def test_accepted_drafts_count_as_computed_and_the_rest_is_computed_again():
    scheduler = Scheduler(slots=1, prefill_chunk=CHUNK, batch_invariant=True)
    scheduler.add(job(1, max_tokens=10))
    commit(scheduler, scheduler.plan(), 5)
    plan = with_drafts(scheduler.plan(), 6, 7, 8)
    assert (plan.decode[0].tokens, plan.decode[0].logit_count) == ([5, 6, 7, 8], 4)
    assert commit(scheduler, plan, 6, 7, 20) == [(1, 6, None), (1, 7, None), (1, 20, None)]
    (row,) = scheduler.plan().decode
    assert (row.start, row.tokens) == (6, [20])


@pytest.mark.parametrize(
    ("max_tokens", "chosen", "finish"),
    [(10, (6, 99, 7), "stop"), (3, (6, 7, 8), "length"), (2, (6, 7, 8), "length"), (10, (99, 6, 7), "stop")],
)
def test_a_text_ends_exactly_where_it_would_without_drafts(max_tokens: int, chosen: tuple[int, ...], finish: str):
    scheduler = Scheduler(slots=1, prefill_chunk=CHUNK, batch_invariant=True)
    scheduler.add(job(1, max_tokens=max_tokens))
    commit(scheduler, scheduler.plan(), 5)
    results = commit(scheduler, with_drafts(scheduler.plan(), 6, 99, 8), *chosen)
    end = chosen.index(99) + 1 if finish == "stop" else max_tokens - 1
    assert results == [(1, token, None) for token in chosen[: end - 1]] + [(1, chosen[end - 1], finish)]
    assert not scheduler.has_work


def test_a_failed_step_drops_its_rows_and_nobody_else():
    scheduler = Scheduler(slots=2, prefill_chunk=CHUNK)
    decoding(scheduler, 1)
    scheduler.add(job(1, prompt_tokens=9))
    scheduler.add(job(2))
    assert scheduler.fail(scheduler.plan()) == [1, 900]
    plan = scheduler.plan()
    assert [row.sequence.job.key for row in plan.rows] == [2]


def test_a_job_aborted_while_it_waits_never_runs():
    scheduler = Scheduler(slots=1, prefill_chunk=CHUNK)
    scheduler.add(job(1))
    scheduler.add(job(2))
    scheduler.plan()
    scheduler.abort(2)
    scheduler.abort(1)
    assert not scheduler.has_work


def test_a_job_aborted_between_plan_and_commit_gives_no_event_and_frees_its_slot_once():
    scheduler = Scheduler(slots=1, prefill_chunk=CHUNK)
    scheduler.add(job(1))
    plan = scheduler.plan()
    scheduler.abort(1)
    assert commit(scheduler, plan) == []
    scheduler.add(job(2))
    scheduler.add(job(3))
    assert len(scheduler.plan().rows) == 1


def test_aborting_an_unknown_job_is_no_error():
    Scheduler(slots=1, prefill_chunk=CHUNK).abort(7)


@given(
    st.lists(st.tuples(st.sampled_from(["add", "step", "abort"]), st.integers(1, 12), st.integers(1, 4)), max_size=60)
)
def test_whatever_happens_every_job_ends_exactly_once_and_no_slot_is_lost(actions):
    scheduler, slots = Scheduler(slots=3, prefill_chunk=CHUNK), 3
    open_jobs: set[int] = set()
    ended: list[int] = []
    for key, (action, size, choice) in enumerate(actions):
        if action == "add":
            scheduler.add(job(key, prompt_tokens=size, max_tokens=choice))
            open_jobs.add(key)
        elif action == "abort" and open_jobs:
            victim = sorted(open_jobs)[choice % len(open_jobs)]
            scheduler.abort(victim)
            open_jobs.remove(victim)
        else:
            ended += step(scheduler, open_jobs)
    for _ in range(1000):
        if not scheduler.has_work:
            break
        ended += step(scheduler, open_jobs)
    assert not open_jobs
    assert len(ended) == len(set(ended))
    for key in range(1000, 1000 + slots):  # all slots are free again
        scheduler.add(job(key, prompt_tokens=1))
        commit(scheduler, scheduler.plan())
    assert len(scheduler.plan().rows) == slots


def step(scheduler: Scheduler, open_jobs: set[int]) -> list[int]:
    finished = [key for key, _, finish in commit(scheduler, scheduler.plan()) if finish]
    open_jobs.difference_update(finished)
    return finished
