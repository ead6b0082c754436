"""From the logits of a step to what is told of them: the tokens that were chosen, their log-probabilities, inspections.

It knows the plan's rows and the sampler; not what becomes of the tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from inkwell.engine.contract import InspectionEvent, Job
from inkwell.engine.sampling.draw import Draw
from inkwell.engine.sampling.faults import fault_of
from inkwell.engine.sampling.inspection import inspect
from inkwell.engine.sampling.logprobs import Told, tell
from inkwell.engine.sampling.sampler import choose, finite_rows
from inkwell.engine.scheduler import Plan, Row
from inkwell.engine.speculation.speculation import agreed
from inkwell.errors import InkwellError


@dataclass(frozen=True, slots=True)
class Choices:
    """What a step gave, by job key. A job that failed may have sound tokens before that: drafts that were right."""

    tokens: dict[int, list[int]] = field(default_factory=dict)
    told: dict[int, list[Told]] = field(default_factory=dict)  # of the same tokens, for those who asked
    inspections: list[InspectionEvent] = field(default_factory=list)
    failures: dict[int, InkwellError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is the log-probability of this token at this place in the logits."""

    job: Job
    place: int
    token: int


def choices_of(plan: Plan, logits: Tensor) -> Choices:
    """What the plan's rows take from `logits` [wanted, vocab]."""
    draws = [draw for row in plan.rows for draw in _draws(row)]
    finite, vocab_size = finite_rows(logits), logits.shape[1]
    faults = [fault_of(sound, draw.sampling, vocab_size) for sound, draw in zip(finite, draws, strict=True)]
    tokens = _choose(logits, draws, faults)
    choices, asked, begin = Choices(), [], 0
    for row in plan.rows:
        job, places = row.sequence.job, range(begin, begin + row.wanted)
        begin += row.wanted
        if job.inspect is not None and places and faults[places[0]] is None:
            choices.inspections.append(inspect(job.key, logits[places[0]], draws[places[0]], job.inspect))
            continue
        run = agreed(row.drafts, [tokens.get(place) for place in places])
        sound_run = [token for token in run if token is not None]
        if sound_run:
            choices.tokens[job.key] = sound_run
        if len(sound_run) < len(run) and (fault := faults[places[len(sound_run)]]):
            choices.failures[job.key] = fault
        if job.sampling.logprobs is not None:
            asked += [_Question(job, *pair) for pair in zip(places, sound_run, strict=False)]
    _answer(choices, asked, logits)
    return choices


def _choose(logits: Tensor, draws: Sequence[Draw], faults: Sequence[InkwellError | None]) -> dict[int, int]:
    """The tokens by their places: wherever one can be chosen, and shall."""
    places = [place for place, draw in enumerate(draws) if faults[place] is None and draw.sampling.max_tokens > 0]
    if not places:
        return {}
    some = logits if len(places) == len(draws) else logits[places]
    return dict(zip(places, choose(some, [draws[place] for place in places]), strict=True))


def _answer(choices: Choices, asked: Sequence[_Question], logits: Tensor) -> None:
    """Add the log-probabilities that were asked for."""
    if not asked:
        return
    rows = logits[[question.place for question in asked]]
    counts = [question.job.sampling.logprobs or 0 for question in asked]
    for question, told in zip(asked, tell(rows, [question.token for question in asked], counts), strict=True):
        choices.told.setdefault(question.job.key, []).append(told)


def _draws(row: Row) -> list[Draw]:
    """What is chosen at each wanted position of a row: behind its newest token, and behind each draft."""
    job = row.sequence.job
    generated = [*row.sequence.tokens[len(job.prompt) :], *row.drafts]
    ends = range(row.sequence.generated, row.sequence.generated + row.wanted)
    return [Draw(job.sampling, job.prompt, generated[:end]) for end in ends]
