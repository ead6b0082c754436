"""From a valid request to a running `Generation`: the one path below every dialect of the API.

Everything that can be refused is refused in `start`, before the first event. Knows no HTTP and no torch.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

from inkwell.access.admission import Admission
from inkwell.access.keys import Client
from inkwell.access.quota import Quotas
from inkwell.access.throughput import ThroughputEstimator
from inkwell.engine.contract import Job
from inkwell.errors import InkwellError, InvalidParameter, RequestError
from inkwell.generation.choice import Choice
from inkwell.generation.generation import Generation
from inkwell.generation.prompts import FieldNames, Prompt, fitted
from inkwell.generation.request_context import RequestContext
from inkwell.generation.running import Running
from inkwell.models.model_store import Model
from inkwell.models.registry import Registry
from inkwell.observability.outcome import OutcomeListener
from inkwell.parameters import GenerationRequest
from inkwell.parameters.sampling import check_tokens

SEED_BITS = 32  # enough to be different every time, short enough to be typed again
NATIVE = FieldNames()
Prepare = Callable[[Model], GenerationRequest]  # what a request is once its model is known
# What TGI's clients and its documentation send as a chat's model, for a server that has one only.
MODEL_PLACEHOLDERS = ("dummy", "tgi")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for, whatever its dialect. 0 stands for no limit of its own."""

    timeout_s: float
    samples: int  # texts: prompts times samples of each
    tokens: int  # of all texts together


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
        """A place among the admitted requests for work without a model; raises why there is none."""
        return self._admission.place()

    def start(
        self, request: GenerationRequest, request_id: str, client: Client, names: FieldNames = NATIVE
    ) -> AbstractContextManager[Generation]:
        """As `start_on`, for a request that needs no model to be complete."""
        return self.start_on(request.model_name, lambda _: request, request_id, client, names)

    @contextmanager
    def start_on(
        self, model_name: str | None, prepare: Prepare, request_id: str, client: Client, names: FieldNames = NATIVE
    ) -> Iterator[Generation]:
        """Admit, find the model, tokenise, check lengths and quotas, load if need be, submit; raises why it cannot.

        The context owns everything that the request holds, and releases it at its end. `names` are the dialect's, for
        messages. A dialect that needs the model's tokenizer for its request uses it in `prepare`, after the admission,
        so a refused client costs no tokenization.
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
        request: GenerationRequest,
        model: Model,
        context: RequestContext,
        names: FieldNames,
        resources: ExitStack,
    ) -> Generation:
        """Check the request and hand it to a worker; what must be released goes into `resources`."""
        prompts = fitted(request, model, names)
        self._check_size(request, prompts, names)
        check_tokens(request.sampling, model.name, model.config.vocab_size)
        promised = _most_tokens(request, prompts)
        self._quotas.take_tokens(context.client, promised + sum(len(prompt.tokens) for prompt in prompts))
        resources.enter_context(self._throughput.promise(promised, len(prompts) * _samples(request)))
        effective = _decided(request, model, prompts, self._limits)
        assert effective.timeout_s is not None, "decided just now"
        deadline = context.started + effective.timeout_s
        resources.enter_context(self.running.entry(context.request_id, context.client, context.cancel))
        patience_s = deadline - time.monotonic()
        worker = resources.enter_context(self._registry.lease(model, patience_s, context.cancelled.is_set))
        choices = _choices(effective, model, prompts, context.client.salt)
        stream = resources.enter_context(closing(worker.submit([choice.first_job for choice in choices])))
        return Generation(effective, model, choices, stream, context, deadline, lambda: self._throughput.note(1))

    def _check_size(self, request: GenerationRequest, prompts: list[Prompt], names: FieldNames) -> None:
        """Caps on products, which no single field shows."""
        texts = len(prompts) * _samples(request)
        if texts > self._limits.samples:
            message = f"the request asks for {texts} texts; this service gives {self._limits.samples} at most"
            raise InvalidParameter(message, param=names.prompt if len(prompts) > 1 else None)
        tokens = _most_tokens(request, prompts)
        if 0 < self._limits.tokens < tokens:
            message = f"the request asks for {tokens} tokens in all; this service gives {self._limits.tokens} at most"
            raise InvalidParameter(message, param=names.length)


def _most_tokens(request: GenerationRequest, prompts: list[Prompt]) -> int:
    """What all texts together may have, the ends of sentences included."""
    grace = request.sentence_grace_tokens if request.finish_sentence else 0
    return sum(prompt.length + grace for prompt in prompts) * _samples(request)


def _samples(request: GenerationRequest) -> int:
    return max(request.nsamples, request.best_of or 1)


def _decided(request: GenerationRequest, model: Model, prompts: list[Prompt], limits: Limits) -> GenerationRequest:
    """The request with every open value filled in."""
    return replace(
        request,
        model_name=model.name,
        length=max(prompt.length for prompt in prompts),
        seed=secrets.randbits(SEED_BITS) if request.seed is None else request.seed,
        best_of=_samples(request),
        timeout_s=min(request.timeout_s or limits.timeout_s, limits.timeout_s),
    )


def _choices(request: GenerationRequest, model: Model, prompts: list[Prompt], cache_salt: str) -> list[Choice]:
    """Every text of the request: the samples of the first prompt, then those of the second, and so on.

    A prompt gets the texts that it would get alone; one that stands there again gets further samples, not the same.
    """
    found: list[Choice] = []
    drawn: Counter[tuple[int, ...]] = Counter()
    for prompt in prompts:
        for sample in range(_samples(request)):
            # One text of each prompt tells its log-probabilities: the others could only repeat them.
            ranks = request.prompt_logprobs if sample == 0 else None
            job = replace(_job(request, model, prompt, drawn[prompt.tokens], cache_salt), prompt_logprobs=ranks)
            drawn[prompt.tokens] += 1
            found.append(Choice(len(found), prompt, job, request, model.tokenizer, model.config.context))
    return found


def _job(request: GenerationRequest, model: Model, prompt: Prompt, sample: int, cache_salt: str) -> Job:
    assert request.seed is not None and request.best_of is not None, "filled in by _decided"
    by_likelihood = request.best_of > request.nsamples
    return Job(
        key=0,
        prompt=prompt.tokens,
        max_tokens=0,  # the choice knows
        sampling=request.sampling,
        seed=request.seed,
        sample=sample,
        stop_tokens=() if request.ignore_eos else model.config.eos_token_ids,
        logprobs=0 if by_likelihood and request.logprobs is None else request.logprobs,
        cache_salt=cache_salt,
        inspect=request.inspect,
    )
