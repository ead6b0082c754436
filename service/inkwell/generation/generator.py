"""Starts a `Generation` for a valid request of any dialect.

Requests are only refused in `start`, before the first event. Knows no HTTP and no torch.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from inkwell.access.admission import Admission
from inkwell.access.keys import Client
from inkwell.access.quota import Quotas
from inkwell.access.throughput import ThroughputEstimator
from inkwell.errors import InkwellError, InvalidParameter, RequestError
from inkwell.generation.generation import Generation
from inkwell.generation.jobs import create_choices, prompt_job
from inkwell.generation.prompt_state import PromptState
from inkwell.generation.prompts import FieldNames, fitted, text_lengths
from inkwell.generation.request_context import RequestContext
from inkwell.generation.running import Running
from inkwell.models.model_store import Model
from inkwell.models.registry import Registry
from inkwell.observability.outcome import OutcomeListener
from inkwell.parameters import Generate, GenerationRequest, Score, Task
from inkwell.parameters.sampling import check_tokens

SEED_BITS = 32  # enough to avoid collisions, short enough to type
NATIVE = FieldNames()
TaskT = TypeVar("TaskT", bound=Task)
Prepare = Callable[[Model], GenerationRequest[TaskT]]  # completes a request once its model is known
# Names that TGI's clients and documentation send as the model of a chat, because a TGI server has only one.
MODEL_PLACEHOLDERS = ("dummy", "tgi")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one request in every dialect, for totals that no single field shows."""

    timeout_s: float
    samples: int  # texts: number of prompts times samples per prompt
    tokens: int  # of all texts together; 0 means no limit

    def check_texts(self, texts: int, param: str | None) -> None:
        """Raises InvalidParameter for more texts than one request may ask for."""
        if texts > self.samples:
            message = f"the request asks for {texts} texts; this service allows at most {self.samples}"
            raise InvalidParameter(message, param=param)

    def check_tokens(self, tokens: int, param: str) -> None:
        """Raises InvalidParameter for more tokens than one request may ask for."""
        if 0 < self.tokens < tokens:
            message = f"the request asks for {tokens} tokens in total; this service allows at most {self.tokens}"
            raise InvalidParameter(message, param=param)


class Generator:
    """Starts generations on the models of a registry."""

    def __init__(
        self,
        registry: Registry,
        admission: Admission,
        quotas: Quotas,
        throughput: ThroughputEstimator,
        default_model: str,
        limits: Limits,
        listeners: Sequence[OutcomeListener] = (),
    ) -> None:
        self.running = Running()
        self._registry = registry
        self._admission = admission
        self._quotas = quotas
        self._throughput = throughput
        self._default_model = default_model
        self._limits = limits
        self._listeners = tuple(listeners)

    def model(self, name: str | None, names: FieldNames = NATIVE) -> Model:
        """The model for a request that names `name`; raises a RequestError if there is none. Does not load it."""
        try:
            return self._registry.model_store.find(name or self._default_model)
        except RequestError as error:
            if name in MODEL_PLACEHOLDERS:
                return self.model(None, names)
            error.param = names.model  # the store does not know the dialect's field names
            raise

    def admitted(self) -> AbstractContextManager[None]:
        """Admission for work without a model; raises QueueFull or ShuttingDown."""
        return self._admission.place()

    def start(
        self, request: GenerationRequest[TaskT], request_id: str, client: Client, names: FieldNames = NATIVE
    ) -> AbstractContextManager[Generation[TaskT]]:
        """Like `start_on`, for a request that does not depend on the model."""
        return self.start_on(request.model_name, lambda _: request, request_id, client, names)

    @contextmanager
    def start_on(
        self,
        model_name: str | None,
        prepare: Prepare[TaskT],
        request_id: str,
        client: Client,
        names: FieldNames = NATIVE,
    ) -> Iterator[Generation[TaskT]]:
        """Admit, find the model, tokenise, check lengths and quotas, load if necessary, submit; raises an InkwellError.

        The context owns all resources of the request, and releases them at its end. `names` are the dialect's, for
        messages. A dialect that needs the model's tokenizer for its request uses it in `prepare`, after the admission,
        so that a refused request costs no tokenization.
        """
        self._quotas.take_request(client)
        with ExitStack() as resources:
            resources.enter_context(self._admission.place())
            context = resources.enter_context(RequestContext(request_id, client, self._listeners))
            model = self._model_of(context, model_name, names)
            yield self._submit(prepare(model), model, context, names, resources)

    def _model_of(self, context: RequestContext, model_name: str | None, names: FieldNames) -> Model:
        """Find the model and record its name for the outcome, even if its folder cannot be served."""
        try:
            model = self.model(model_name, names)
        except InkwellError:
            folder = self._registry.model_store.folder(model_name or self._default_model)
            context.model_name = folder.name if folder else None
            raise
        context.model_name = model.name
        return model

    def _submit(
        self,
        request: GenerationRequest[TaskT],
        model: Model,
        context: RequestContext,
        names: FieldNames,
        resources: ExitStack,
    ) -> Generation[TaskT]:
        """Check the request and submit it to a worker; resources to release are added to `resources`."""
        prompts = fitted(request, model, names)
        lengths = text_lengths(request.task, prompts, model.config.context)
        texts, tokens = _max_texts(request.task, prompts), _max_tokens(request.task, lengths)
        self._limits.check_texts(texts, names.prompt if len(prompts) > 1 else None)
        self._limits.check_tokens(tokens, names.length)
        if not isinstance(request.task, Score):
            check_tokens(request.task.sampling, model.name, model.config.vocab_size)
        self._quotas.take_tokens(context.client, tokens + sum(len(prompt.tokens) for prompt in prompts))
        resources.enter_context(self._throughput.promise(tokens, texts))
        timeout_s = min(request.timeout_s or self._limits.timeout_s, self._limits.timeout_s)
        task = _with_defaults(request.task, lengths)
        effective = replace(request, model_name=model.name, timeout_s=timeout_s, task=task)
        deadline = context.started + timeout_s
        resources.enter_context(self.running.entry(context.request_id, context.client, context.cancel))
        patience_s = deadline - time.monotonic()
        worker = resources.enter_context(self._registry.lease(model, patience_s, context.cancelled.is_set))
        cache_salt = context.client.cache_salt
        choices = create_choices(effective, model, prompts, lengths, cache_salt)
        jobs = [choice.first_job for choice in choices]
        if not isinstance(task, Generate):
            jobs = [prompt_job(task, prompt, cache_salt) for prompt in prompts]
        stream = resources.enter_context(closing(worker.submit(jobs)))
        return Generation(
            effective, model, prompts, choices, stream, context, deadline, lambda: self._throughput.note(1)
        )


def _max_texts(task: Task, prompts: Sequence[PromptState]) -> int:
    """Number of texts to generate; for other tasks, of prompts, each of which takes a slot as well."""
    return len(prompts) * (task.samples if isinstance(task, Generate) else 1)


def _max_tokens(task: Task, lengths: Sequence[int]) -> int:
    """Maximum number of tokens of all texts together, including those that complete their sentences."""
    if not isinstance(task, Generate):
        return 0
    return sum(length + task.grace_tokens for length in lengths) * task.samples


def _with_defaults(task: TaskT, lengths: Sequence[int]) -> TaskT:
    """The task with all defaults filled in."""
    if not isinstance(task, Generate):
        return task
    return replace(
        task,
        length=max(lengths),
        seed=secrets.randbits(SEED_BITS) if task.seed is None else task.seed,
        best_of=task.samples,
    )
