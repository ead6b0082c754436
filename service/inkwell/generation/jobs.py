"""Translates the task of a request into engine jobs.

`Score` and `Inspect` become one job per prompt, `Generate` one per text. A job with no tokens to generate only computes
its prompt.
"""

from collections import Counter
from collections.abc import Sequence

from inkwell.engine.contract import Job
from inkwell.generation.choice import Choice
from inkwell.generation.job_chain import JobChain
from inkwell.generation.prompt_state import PromptState
from inkwell.generation.stop_checker import StopChecker
from inkwell.generation.text_buffer import TextBuffer
from inkwell.models.model_store import Model
from inkwell.parameters import Generate, GenerationRequest, Inspect, Score, Task

PROMPT_ALONE = 0  # tokens to generate


def create_choices(
    request: GenerationRequest[Task],
    model: Model,
    prompts: Sequence[PromptState],
    lengths: Sequence[int],
    cache_salt: str,
) -> list[Choice]:
    """The texts of the request, in the order of its prompts; none unless its task is `Generate`.

    The texts of a prompt do not depend on the other prompts. A repeated prompt gets further samples, not the same ones.
    """
    if not isinstance(request.task, Generate):
        return []
    task, context, slides = request.task, model.config.context, request.on_overflow == "slide"
    found: list[Choice] = []
    drawn: Counter[tuple[int, ...]] = Counter()
    for prompt, length in zip(prompts, lengths, strict=True):
        for place in range(task.samples):
            job = _text_job(task, model, prompt, drawn[prompt.tokens], place == 0, cache_salt)
            drawn[prompt.tokens] += 1
            chain = JobChain(job, length + task.grace_tokens, context, slides)
            buffer = TextBuffer(model.tokenizer, task.trim_start, keeps_tokens=task.logprobs is not None)
            checker = StopChecker(task.stop, task.keep_stop, task.finish_sentence)
            found.append(Choice(len(found), prompt, place == 0, length, chain, buffer, checker))
    return found


def prompt_job(task: Score | Inspect, prompt: PromptState, cache_salt: str) -> Job:
    """The job that computes a prompt, and its scores or distribution."""
    if isinstance(task, Score):
        return Job(0, prompt.tokens, PROMPT_ALONE, cache_salt=cache_salt, prompt_logprobs=task.prompt_logprobs)
    return Job(0, prompt.tokens, PROMPT_ALONE, task.sampling, cache_salt=cache_salt, inspect=task.top)


def _text_job(task: Generate, model: Model, prompt: PromptState, sample: int, first: bool, cache_salt: str) -> Job:
    assert task.seed is not None, "decided before"
    by_likelihood = task.samples > task.nsamples
    return Job(
        key=0,
        prompt=prompt.tokens,
        max_tokens=0,  # the chain decides
        sampling=task.sampling,
        seed=task.seed,
        sample=sample,
        stop_tokens=() if task.ignore_eos else model.config.eos_token_ids,
        logprobs=0 if by_likelihood and task.logprobs is None else task.logprobs,
        cache_salt=cache_salt,
        prompt_logprobs=task.prompt_logprobs if first else None,
    )
