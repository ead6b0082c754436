"""The scheduler alone: no torch, no model, a made-up token for every row that completes."""

from hypothesis import given
from hypothesis import strategies as st

from service.engine.contract import Job, Sampling
from service.engine.scheduler import Plan, Scheduler

CHUNK = 4


def job(key: int, prompt_tokens: int = 3, max_tokens: int = 5) -> Job:
    return Job(key, tuple(range(prompt_tokens)), Sampling(max_tokens, 0.0, 0, 1.0, 0, 0, (99,)))


def commit(scheduler: Scheduler, plan: Plan, token: int = 1) -> list[tuple[int, int, str | None]]:
    return scheduler.commit(plan, {row.sequence.job.key: token for row in plan.rows if row.completes})


def test_a_prompt_is_computed_in_chunks_that_end_at_fixed_positions():
    scheduler = Scheduler(slots=1, prefill_chunk=CHUNK)
    scheduler.add(job(1, prompt_tokens=10))
    spans = []
    for _ in range(3):
        plan = scheduler.plan()
        spans.append((plan.prefill[0].start, plan.prefill[0].length))
        commit(scheduler, plan)
    assert spans == [(0, 4), (4, 4), (8, 2)]


def test_a_step_holds_one_chunk_of_one_prompt_and_every_decoding_row():
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
    assert commit(scheduler, scheduler.plan(), token=99) == [(2, 99, "stop")]
    assert not scheduler.has_work


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
