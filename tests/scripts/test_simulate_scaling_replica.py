"""The simulated pod against the engine's own scheduler, step by step on one clock, and against what was measured."""

import dataclasses
import random

import pytest

from inkwell.engine.contract import Job
from inkwell.engine.scheduler import Scheduler
from inkwell.engine.step_costs import StepCosts
from scripts.benchmark.workloads import Size
from scripts.scaling.closed import compared, run_closed
from scripts.scaling.curve import CURVES, Check, Curve, Observation, curve_named, fitted, read_curve, write_curve
from scripts.scaling.replica import Limits, Replica, Ticket

CURVE = Curve("124M", "bfloat16", "a machine", 2, 16, "2026-11-21", "0", 0.02, 0.0034, 0.0018, 0.0, 3.0, True)
CURVE_FILES = sorted(CURVES.glob("*.json"))


class KnownCosts(StepCosts):
    """The curve, as if the engine had learned it."""

    def seconds(self, rows: int, prompt_tokens: int = 0) -> float:
        return CURVE.step_s(rows, prompt_tokens)

    def prompt_room(self, rows: int, seconds: float) -> int:
        return int(max(0.0, seconds - self.seconds(rows)) / CURVE.prompt_token_s)


def scheduled(arrivals: list[tuple[float, Size]], uniform: bool) -> list[float]:
    """When each request ends in the real scheduler; prompts differ from their first token on."""
    scheduler = Scheduler(Limits().rows, Limits().prefill_chunk, uniform, KnownCosts())
    coming, now_s, ends = list(enumerate(arrivals)), 0.0, [0.0] * len(arrivals)
    while coming or scheduler.has_work:
        if not scheduler.has_work:
            now_s = max(now_s, coming[0][1][0])
        while coming and coming[0][1][0] <= now_s:
            key, (_, size) = coming.pop(0)
            prompt = (1_000 + key,) * size.prompt_tokens
            scheduler.add(Job(key, prompt, size.new_tokens))
        plan = scheduler.plan()
        now_s += CURVE.step_s(len(plan.decode), sum(row.length for row in plan.prefill))
        chosen = {row.sequence.job.key: (7,) for row in plan.rows if row.completes}
        for taken in scheduler.commit(plan, chosen):
            ends[taken.sequence.job.key] = now_s
    return ends


def simulated(arrivals: list[tuple[float, Size]], curve: Curve) -> list[float]:
    """The same through the model of a pod, which takes steps together where nothing changes."""
    replica = Replica(curve, Limits())
    tickets = [Ticket(at_s, size.prompt_tokens, size.new_tokens) for at_s, size in arrivals]
    for ticket in tickets:
        while replica.ends_s is not None and replica.ends_s <= ticket.arrived_s:
            replica.advance()
        assert replica.take(ticket, ticket.arrived_s)
    while replica.ends_s is not None:
        replica.advance()
    return [ticket.ended_s or 0.0 for ticket in tickets]


def some_arrivals(seed: int, per_s: float) -> list[tuple[float, Size]]:
    rng, now_s, found = random.Random(seed), 0.0, []
    for _ in range(60):
        now_s += rng.expovariate(per_s)
        found.append((now_s, Size(rng.randint(1, 600), rng.randint(1, 200))))
    return found


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("per_s", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("seed", range(3))
def test_every_request_ends_when_the_schedulers_steps_end_it(seed: int, per_s: float, uniform: bool):
    curve = Curve(**{**{name: getattr(CURVE, name) for name in CURVE.__slots__}, "uniform": uniform})
    arrivals = some_arrivals(seed, per_s)
    assert simulated(arrivals, curve) == pytest.approx(scheduled(arrivals, uniform))


def test_a_full_pod_refuses_and_takes_again_when_one_has_ended():
    replica = Replica(CURVE, Limits(rows=2, requests=3))
    tickets = [Ticket(0.0, 10, 5 + number) for number in range(4)]
    assert [replica.take(ticket, 0.0) for ticket in tickets] == [True, True, True, False]
    assert replica.retry_after_s(0.0) == 1.0  # nothing was measured yet
    while not any(ticket.ended_s for ticket in tickets):
        replica.advance()
    assert replica.take(tickets[3], tickets[0].ended_s)


def test_a_pod_runs_no_more_rows_than_its_engine_had():
    replica = Replica(dataclasses.replace(CURVE, rows=4), Limits())
    for _ in range(10):
        replica.take(Ticket(0.0, 10, 100), 0.0)
    replica.advance()
    assert (replica.running, replica.open) == (4, 10)


def test_an_idle_pod_says_that_nobody_waits_and_a_full_one_for_how_long():
    replica = Replica(CURVE, Limits(rows=2))
    assert replica.queue_s(0.0) == 0.0
    for _ in range(10):
        replica.take(Ticket(0.0, 10, 100), 0.0)
    for _ in range(10):
        replica.advance()
    waiting, a_step_s = replica.open - replica.running, CURVE.step_s(2)
    assert replica.queue_s(replica.ends_s) == pytest.approx(waiting * 100 / (2 / a_step_s), rel=0.1)


@pytest.mark.parametrize("file", CURVE_FILES, ids=lambda file: file.stem)
def test_a_committed_curve_explains_the_w3_that_was_measured_beside_it(file):
    curve = read_curve(file)
    if curve.check:
        found = compared(curve)
        assert found.speed == pytest.approx(1, abs=0.15)
        assert found.simulated.latency_p95_s == pytest.approx(found.measured.latency_p95_s, rel=0.25)


def test_most_committed_curves_were_held_against_a_measurement():
    assert CURVE_FILES
    assert 2 * sum(read_curve(file).check is not None for file in CURVE_FILES) >= len(CURVE_FILES)


def test_a_fit_finds_the_weights_that_made_the_steps():
    made = [
        Observation(steps, steps * rows, tokens, steps * 0.02 + steps * rows * 0.003 + tokens * 0.002)
        for steps, rows, tokens in ((1, 1, 0), (1, 8, 0), (1, 16, 0), (1, 0, 64), (1, 0, 256), (7, 8, 192))
    ]
    assert fitted(made) == pytest.approx((0.02, 0.003, 0.002, 0.0))


def test_a_fit_has_no_weight_below_zero():
    rising = [Observation(1, rows, 0, rows * 0.01 - 0.005) for rows in (1, 2, 4, 8)] + [Observation(1, 0, 64, 0.1)]
    assert min(fitted(rising)) >= 0


def test_a_curve_is_read_as_it_was_written(tmp_path):
    curve = Curve(**{**{name: getattr(CURVE, name) for name in CURVE.__slots__}, "check": Check(16, 137.0, 11.0, 23.0)})
    write_curve(curve, tmp_path / "a.json")
    assert curve_named(str(tmp_path / "a.json")) == curve


def test_another_file_is_no_curve(tmp_path):
    (tmp_path / "a.json").write_text('{"model": "124M"}')
    with pytest.raises(ValueError, match="a.json is no service curve"):
        read_curve(tmp_path / "a.json")
    with pytest.raises(ValueError, match="there is no curve nothing; there are"):
        curve_named("nothing")


def test_more_clients_than_a_pod_admits_are_refused_in_words():
    with pytest.raises(ValueError, match="100 clients are more than the 72 requests"):
        run_closed(CURVE, [Size(10, 10)] * 200, 100, Limits())
