"""From a valid request to a running `Generation`: the one path below every dialect of the API.

Everything that can be refused is refused in `start`, before the first event. Knows no HTTP and no torch.
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
from inkwell.generation.jobs import choices_of, prompt_job
from inkwell.generation.prompt_state import PromptState
from inkwell.generation.prompts import FieldNames, fitted, text_lengths
from inkwell.generation.request_context import RequestContext
from inkwell.generation.running import Running
from inkwell.models.model_store import Model
from inkwell.models.registry import Registry
from inkwell.observability.outcome import OutcomeListener
from inkwell.parameters import Generate, GenerationRequest, Score, Task
from inkwell.parameters.sampling import check_tokens

SEED_BITS = 32  # enough to differ every time, short enough to type
NATIVE = FieldNames()
TaskT = TypeVar("TaskT", bound=Task)
Prepare = Callable[[Model], GenerationRequest[TaskT]]  # completes a request once its model is known
# What TGI's clients and documentation send as a chat's model, for a server that has only one.
MODEL_PLACEHOLDERS = ("dummy", "tgi")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for, in every dialect: caps on products, which no single field shows."""

    timeout_s: float
    samples: int  # texts: prompts times samples of each
    tokens: int  # of all texts together; 0 is no limit

    def check_texts(self, texts: int, param: str | None) -> None:
        """Raises InvalidParameter for more texts than one request may ask for."""
        if texts > self.samples:
            message = f"the request asks for {texts} texts; this service gives {self.samples} at most"
            raise InvalidParameter(message, param=param)

    def check_tokens(self, tokens: int, param: str) -> None:
        """Raises InvalidParameter for more tokens than one request may ask for."""
        if 0 < self.tokens < tokens:
            message = f"the request asks for {tokens} tokens in all; this service gives {self.tokens} at most"
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
        """The model that a request for `name` gets; raises why there is none. Nothing is loaded."""
        try:
            return self._registry.model_store.find(name or self._default_model)
        except RequestError as error:
            if name in MODEL_PLACEHOLDERS:
                return self.model(None, names)
            error.param = names.model  # the store knows no dialect
            raise

    def admitted(self) -> AbstractContextManager[None]:
        """A place among the admitted requests for work without a model; raises QueueFull or ShuttingDown."""
        return self._admission.place()

    def start(
        self, request: GenerationRequest[TaskT], request_id: str, client: Client, names: FieldNames = NATIVE
    ) -> AbstractContextManager[Generation[TaskT]]:
        """As `start_on`, for a request that needs no model to be complete."""
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
        """Admit, find the model, tokenise, check lengths and quotas, load if need be, submit; raises why it cannot.

        The context owns everything that the request holds, and releases it at its end. `names` are the dialect's, for
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
        """The model, whose folder the outcome names even if there is no model to serve in it."""
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
        """Check the request and hand it to a worker; what must be released goes into `resources`."""
        prompts = fitted(request, model, names)
        lengths = text_lengths(request.task, prompts, model.config.context)
        texts, tokens = _most_texts(request.task, prompts), _most_tokens(request.task, lengths)
        self._limits.check_texts(texts, names.prompt if len(prompts) > 1 else None)
        self._limits.check_tokens(tokens, names.length)
        if not isinstance(request.task, Score):
            check_tokens(request.task.sampling, model.name, model.config.vocab_size)
        self._quotas.take_tokens(context.client, tokens + sum(len(prompt.tokens) for prompt in prompts))
        resources.enter_context(self._throughput.promise(tokens, texts))
        timeout_s = min(request.timeout_s or self._limits.timeout_s, self._limits.timeout_s)
        task = _decided(request.task, lengths)
        effective = replace(request, model_name=model.name, timeout_s=timeout_s, task=task)
        deadline = context.started + timeout_s
        resources.enter_context(self.running.entry(context.request_id, context.client, context.cancel))
        patience_s = deadline - time.monotonic()
        worker = resources.enter_context(self._registry.lease(model, patience_s, context.cancelled.is_set))
        salt = context.client.salt
        choices = choices_of(effective, model, prompts, lengths, salt)
        jobs = [choice.first_job for choice in choices]
        if not isinstance(task, Generate):
            jobs = [prompt_job(task, prompt, salt) for prompt in prompts]
        stream = resources.enter_context(closing(worker.submit(jobs)))
        return Generation(
            effective, model, prompts, choices, stream, context, deadline, lambda: self._throughput.note(1)
        )


def _most_texts(task: Task, prompts: Sequence[PromptState]) -> int:
    """Texts to generate; of another task, prompts, each of which takes a slot as well."""
    return len(prompts) * (task.samples if isinstance(task, Generate) else 1)


def _most_tokens(task: Task, lengths: Sequence[int]) -> int:
    """Most tokens that all texts together can have, including those that complete their sentences."""
    if not isinstance(task, Generate):
        return 0
    return sum(length + task.grace_tokens for length in lengths) * task.samples


def _decided(task: TaskT, lengths: Sequence[int]) -> TaskT:
    """The task with every open value filled in."""
    if not isinstance(task, Generate):
        return task
    return replace(
        task,
        length=max(lengths),
        seed=secrets.randbits(SEED_BITS) if task.seed is None else task.seed,
        best_of=task.samples,
    )
