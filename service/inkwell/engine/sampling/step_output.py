"""From the logits of a step to its results: generated tokens, their log-probabilities, inspections, failures.

Knows the rows of a plan and the sampler, but not what happens to the tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from inkwell.engine.contract import InspectionEvent, Job
from inkwell.engine.sampling.inspection import inspect
from inkwell.engine.sampling.logit_bias import all_banned
from inkwell.engine.sampling.logprobs import TokenLogprob, token_logprobs
from inkwell.engine.sampling.sampler import choose, finite_rows, invalid_logits
from inkwell.engine.sampling.sampling_input import SamplingInput
from inkwell.engine.scheduler import Plan, Row
from inkwell.errors import InkwellError


@dataclass(frozen=True, slots=True)
class StepOutputs:
    """The results of a step by job key. A failed job may have valid tokens before the failure: accepted drafts."""

    tokens: dict[int, list[int]] = field(default_factory=dict)
    logprobs: dict[int, list[TokenLogprob]] = field(default_factory=dict)  # of the same tokens, where asked for
    inspections: list[InspectionEvent] = field(default_factory=list)
    failures: dict[int, InkwellError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _LogprobQuery:
    """A request for the log-probability of a token at a row of the logits."""

    job: Job
    index: int
    token: int


def sample_step(plan: Plan, logits: Tensor) -> StepOutputs:
    """The results for the plan's rows from `logits` [positions, vocab], `Row.logit_count` of them per row."""
    inputs = [item for row in plan.rows for item in _inputs(row)]
    errors = [_error(finite, item, logits.shape[1]) for finite, item in zip(finite_rows(logits), inputs, strict=True)]
    tokens = _choose(logits, inputs, errors)
    outputs, begin = StepOutputs(), 0
    queries: list[_LogprobQuery] = []
    for row in plan.rows:
        job, indices = row.sequence.job, range(begin, begin + row.logit_count)
        begin += row.logit_count
        if job.inspect is not None and indices and errors[indices[0]] is None:
            outputs.inspections.append(inspect(job.key, logits[indices[0]], inputs[indices[0]], job.inspect))
            continue
        accepted = accepted_tokens(row.drafts, [tokens.get(index) for index in indices])
        valid = [token for token in accepted if token is not None]
        if valid:
            outputs.tokens[job.key] = valid
        if len(valid) < len(accepted) and (error := errors[indices[len(valid)]]):
            outputs.failures[job.key] = error
        if job.logprobs is not None:
            queries += [_LogprobQuery(job, *pair) for pair in zip(indices, valid, strict=False)]
    _add_logprobs(outputs, queries, logits)
    return outputs


def accepted_tokens(drafts: Sequence[int], choices: Sequence[int | None]) -> list[int | None]:
    """The choices up to and including the first that differs from its draft.

    If none differs, these are all of them, of which the last one follows the drafts. None is a position where no token
    can be chosen; it equals no draft.
    """
    right = next((index for index, draft in enumerate(drafts) if choices[index] != draft), len(drafts))
    return list(choices[: right + 1])


def _error(finite: bool, item: SamplingInput, vocab_size: int) -> InkwellError | None:
    """The reason why no token can be chosen from a row of logits, or None."""
    return all_banned(item.sampling, vocab_size) if finite else invalid_logits()


def _choose(logits: Tensor, inputs: Sequence[SamplingInput], errors: Sequence[InkwellError | None]) -> dict[int, int]:
    """The chosen tokens by index of the logits, for jobs that generate tokens and rows without an error."""
    indices = [index for index, item in enumerate(inputs) if errors[index] is None and item.job.max_tokens > 0]
    if not indices:
        return {}
    some = logits if len(indices) == len(inputs) else logits[indices]
    return dict(zip(indices, choose(some, [inputs[index] for index in indices]), strict=True))


def _add_logprobs(outputs: StepOutputs, queries: Sequence[_LogprobQuery], logits: Tensor) -> None:
    """Add the requested log-probabilities."""
    if not queries:
        return
    rows = logits[[query.index for query in queries]]
    counts = [query.job.logprobs or 0 for query in queries]
    found = token_logprobs(rows, [query.token for query in queries], counts)
    for query, logprob in zip(queries, found, strict=True):
        outputs.logprobs.setdefault(query.job.key, []).append(logprob)


def _inputs(row: Row) -> list[SamplingInput]:
    """One for each position of a row that needs logits: after its newest token, and after each draft."""
    job = row.sequence.job
    generated = [*row.sequence.tokens[len(job.prompt) :], *row.drafts]
    ends = range(row.sequence.generated, row.sequence.generated + row.logit_count)
    return [SamplingInput(job, generated[:end]) for end in ends]
