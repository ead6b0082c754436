"""Every request has the same bytes alone and batched with others: a random load is computed both ways and compared.

Requests differ in length, arrival, sampling and cache salt; some are cancelled, some share a prefix with others or
continue the text of another. Alone means an engine of its own: one slot, the whole prompt, no drafts. Together they
share steps and slots, prefixes are reused, prompts are split by a budget that varies at random, and about half of the
drafts are right. Everything is drawn from one seed, even the measured times. The long version:
`python -m tests.engine.identity --requests 1000 --dtype bfloat16`.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from inkwell.checkpoints.model_config import read_config
from inkwell.engine.checkpoint.checkpoint import load_decoder
from inkwell.engine.checkpoint.precision import Precision, resolve_precision
from inkwell.engine.contract import FailureEvent, Job
from inkwell.engine.engine import Engine
from inkwell.engine.model.decoder import Decoder
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.native.library import open_kernels
from inkwell.engine.runner import Runner
from inkwell.engine.scheduler import Scheduler
from inkwell.engine.speculation.draft_model import DraftModel
from inkwell.engine.speculation.ngram import NgramDrafter
from inkwell.engine.speculation.speculation import Drafter, DraftRequest, Speculation
from inkwell.engine.step_costs import StepCostModel
from inkwell.parameters.sampling import Sampling

DEMO = Path(__file__).parents[2] / "models" / "demo"


@dataclass(frozen=True)
class Machine:
    """A decoder and the other parts of an engine."""

    decoder: Decoder
    precision: Precision
    prefill_chunk: int = 32

    def cache(self, slots: int) -> KVCache:
        return KVCache(self.decoder.config, slots, "cpu", self.precision.cache)


@dataclass(frozen=True)
class Request:
    """A job, the step before which it is submitted, and the one before which it is cancelled."""

    job: Job
    arrival: int
    leave: int | None


@dataclass
class Outcome:
    """Tokens and finish reasons by job key, the number of reused prompt tokens and of steps."""

    tokens: dict[int, list[int]] = field(default_factory=dict)
    ends: dict[int, str] = field(default_factory=dict)
    reused: int = 0
    steps: int = 0


class HalfRight(Drafter):
    """Drafts the tokens that the sequence will have, known from its run alone, with some replaced."""

    def __init__(self, alone: dict[int, list[int]], generator: random.Random) -> None:
        self._alone, self._random = alone, generator

    def propose(self, requests: Sequence[DraftRequest]) -> list[tuple[int, ...]]:
        return [self._draft(request) for request in requests]

    def _draft(self, request: DraftRequest) -> tuple[int, ...]:
        sequence = request.sequence
        known = self._alone[sequence.job.key][sequence.generated : sequence.generated + request.count]
        return tuple(token if self._random.random() < 0.8 else token // 2 for token in known)


def machine_of(folder: Path, dtype: str, native: bool) -> Machine:
    """The checkpoint, computed by the native kernels or by torch."""
    kernels = open_kernels(threads=2) if native else None
    precision = resolve_precision(dtype, None, "cpu", kernels is not None)
    return Machine(load_decoder(folder, read_config(folder), "cpu", precision, kernels), precision)


def run_alone(machine: Machine, job: Job) -> list[int]:
    """The tokens of a job that runs alone in its engine."""
    return drive(machine, [Request(job, 0, None)], Scheduler(1, machine.prefill_chunk), None, random.Random(0)).tokens[
        job.key
    ]


def drive(
    machine: Machine,
    requests: Sequence[Request],
    scheduler: Scheduler,
    speculation: Speculation | None,
    generator: random.Random,
    costs: StepCostModel | None = None,
    slots: int = 1,
) -> Outcome:
    """Run all requests until they end."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += generator.random()
        return now

    engine = Engine(Runner(machine.decoder, machine.cache(slots)), scheduler, costs, speculation, clock)
    outcome, coming = Outcome(), sorted(requests, key=lambda request: request.arrival)
    leaving = {request.job.key: request.leave for request in requests if request.leave is not None}
    while coming or engine.has_work:
        while coming and (coming[0].arrival <= outcome.steps or not engine.has_work):
            engine.submit(coming.pop(0).job)
        for key in [key for key, leave in leaving.items() if leave <= outcome.steps]:
            engine.cancel(key)
            del leaving[key]
        for event in engine.step():
            assert not isinstance(event, FailureEvent), event
            outcome.tokens.setdefault(event.key, []).extend([] if event.token is None else [event.token])
            outcome.reused += event.cached_tokens
            if event.finish:
                outcome.ends[event.key] = event.finish
        outcome.steps += 1
    return outcome


def job_of(generator: random.Random, key: int, prompt: Sequence[int], vocab: int) -> Job:
    """Greedy half of the time; otherwise a random value for every parameter."""
    greedy = generator.random() < 0.5
    max_tokens = generator.randint(1, 40)
    sampling = Sampling(
        temperature=0.0 if greedy else generator.choice([0.3, 0.8, 1.3]),
        top_k=generator.choice([0, 0, 5, 40]),
        top_p=generator.choice([1.0, 1.0, 0.9, 0.5]),
        min_p=generator.choice([0.0, 0.0, 0.05]),
        typical_p=generator.choice([1.0, 1.0, 0.8]),
        repetition_penalty=generator.choice([1.0, 1.0, 1.2]),
        presence_penalty=generator.choice([0.0, 0.0, 0.5]),
        frequency_penalty=generator.choice([0.0, 0.0, -0.5]),
    )
    return Job(
        key,
        tuple(prompt),
        max_tokens,
        sampling,
        seed=generator.randrange(1 << 32),
        sample=generator.randrange(3),
        stop_tokens=tuple(generator.sample(range(vocab), generator.choice([0, 0, 3]))),
        cache_salt=generator.choice(["", "", "one"]),
    )


def prompt_of(generator: random.Random, machine: Machine, texts: Sequence[Sequence[int]]) -> list[int]:
    """A new prompt, a repetitive one, or a prefix of an earlier text or all of it with a few tokens added."""
    config = machine.decoder.config
    longest = min(config.context - 41, 200)
    fresh = [generator.randrange(config.vocab_size) for _ in range(generator.randint(1, longest))]
    kind = generator.random()
    if kind < 0.15:
        return (fresh[: generator.randint(1, 6)] * longest)[: len(fresh)]
    if kind < 0.7 and texts:
        text = list(generator.choice(texts))
        begin = text[: generator.choice([len(text), len(text), generator.randint(1, len(text))])]
        return begin[: longest - 10] + fresh[: generator.randint(1, 10)]
    return fresh


def load_of(machine: Machine, count: int, generator: random.Random) -> tuple[list[Request], dict[int, list[int]]]:
    """Random requests, and the tokens of each of them alone."""
    requests: list[Request] = []
    alone: dict[int, list[int]] = {}
    texts: list[list[int]] = []
    arrival = 0
    for key in range(count):
        prompt = prompt_of(generator, machine, texts[-6:])
        job = job_of(generator, key, prompt, machine.decoder.config.vocab_size)
        alone[key] = run_alone(machine, job)
        texts.append([*prompt, *alone[key]])
        arrival += generator.choice([0, 0, 1, 4, 12])
        leave = arrival + generator.randint(0, 60) if generator.random() < 0.15 else None
        requests.append(Request(job, arrival, leave))
    return requests, alone


def drafter_of(
    kind: str, machine: Machine, alone: dict[int, list[int]], generator: random.Random, slots: int
) -> Drafter:
    if kind == "ngram":
        return NgramDrafter()
    if kind == "model":  # the model itself: it mostly agrees, because it draws with the same numbers
        return DraftModel(
            machine.decoder, machine.cache(slots), slots, machine.prefill_chunk, machine.decoder.config.vocab_size
        )
    return HalfRight(alone, generator)


def differences(machine: Machine, count: int, seed: int, drafts: str) -> tuple[list[str], Outcome]:
    """Descriptions of the requests whose tokens differ between running alone and among `count` requests."""
    generator = random.Random(seed)
    requests, alone = load_of(machine, count, generator)
    slots, costs, invariant = generator.randint(2, 10), StepCostModel(), machine.decoder.batch_invariant
    speculation = None
    if invariant:
        known = StepCostModel()
        known.observe(1, 0, 1.0)
        speculation = Speculation(drafter_of(drafts, machine, alone, generator, slots), known)
    scheduler = Scheduler(slots, machine.prefill_chunk, invariant, costs)
    crowd = drive(machine, requests, scheduler, speculation, generator, costs, slots)
    found = []
    for request in requests:
        key = request.job.key
        got, expected = crowd.tokens.get(key, []), alone[key]
        left_early = request.leave is not None and key not in crowd.ends
        if got != (expected[: len(got)] if left_early else expected):
            place = next((i for i, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), len(got))
            found.append(f"request {key}: {len(expected)} tokens alone, {len(got)} in the crowd, other from {place} on")
    return found, crowd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--dtype", default="bfloat16", help="float32, bfloat16, int8 or int4")
    parser.add_argument("--model", type=Path, default=DEMO, help="checkpoint folder; the demo by default")
    parser.add_argument("--drafts", default="known", choices=["known", "ngram", "model"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--torch", action="store_true", help="compute with torch, as a machine without kernels does")
    args = parser.parse_args()
    torch.set_num_threads(1)  # as the worker does when the kernels have threads of their own
    machine = machine_of(args.model, args.dtype, native=not args.torch)
    found, crowd = differences(machine, args.requests, args.seed, args.drafts)
    tokens = sum(map(len, crowd.tokens.values()))
    invariant = machine.decoder.batch_invariant
    print(f"{args.requests} requests in {args.dtype}, batch-invariant {invariant}, drafts {args.drafts}:")
    print(f"{tokens} tokens in {crowd.steps} steps, {len(crowd.ends)} ends, {crowd.reused} prompt tokens reused")
    print("\n".join(found) or "every request got the bytes that it gets alone")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
