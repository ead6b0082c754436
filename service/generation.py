"""From a valid request to pieces of text: the one path below every dialect of the API.

Takes a `GenerationRequest`, gives a running `Generation` whose `events` are text pieces and final events; a whole
reply is that stream, drained. Everything that can be refused is refused in `start`, before the first event. Knows no
HTTP and no torch.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from service.admission import Admission
from service.engine.contract import FailureEvent, FinishReason, Sampling, TokenEvent
from service.errors import ContextLengthExceeded, DeadlineExceeded, InkwellError, InvalidParameter, error_of
from service.once import Once
from service.params import GenerationRequest
from service.registry.model import Model
from service.registry.registry import Registry
from service.tokenizer import TextDecoder
from service.worker.stream import TokenStream

log = logging.getLogger(__name__)

SEED_BITS = 32  # enough to be different every time, short enough to be typed again


@dataclass(frozen=True, slots=True)
class TextEvent:
    """More text of one sample; `finish` is set on its last event and on no other."""

    sample: int
    text: str
    finish: FinishReason | None


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing happened for a while; a stream says so to find out whether its client is still there."""


@dataclass(slots=True)
class Sample:
    """One text as it grows."""

    decoder: TextDecoder
    text: str = ""
    tokens: int = 0
    cached_tokens: int = 0  # of the prompt, found computed already; known at the end
    finish: FinishReason | None = None


class Generator:
    """Starts generations on the models of a registry."""

    def __init__(self, registry: Registry, admission: Admission, default_model: str, timeout_s: float) -> None:
        self._registry = registry
        self._admission = admission
        self._default_model = default_model
        self._timeout_s = timeout_s

    def start(self, request: GenerationRequest, request_id: str) -> "Generation":
        """Admit, find the model, tokenise, check the length, load if need be, submit. Raises why it cannot be done.

        The caller must `close` what it gets. The id is for the log alone.
        """
        deadline = time.monotonic() + self._timeout_s
        closers = ExitStack()
        try:
            closers.callback(self._admission.enter())
            model = self._registry.library.find(request.model_name or self._default_model)
            prompt = model.tokenizer.encode(request.input_text)
            effective = _decided(request, model, len(prompt))
            lease = self._registry.lease(model)
            closers.callback(lease.close)
            stream = lease.worker.submit(prompt, _samplings(effective, model))
            closers.callback(stream.close)
            return Generation(effective, request_id, model, len(prompt), stream, deadline, closers)
        except BaseException:
            closers.close()
            raise


class Generation:
    """One admitted request: iterate `events` or call `collect`, and in every case `close`."""

    def __init__(
        self,
        request: GenerationRequest,
        request_id: str,
        model: Model,
        prompt_tokens: int,
        stream: TokenStream,
        deadline: float,  # monotonic seconds
        closers: ExitStack,
    ) -> None:
        self.request = request  # the effective one: nothing in it is None
        self.prompt_tokens = prompt_tokens
        self.samples = [Sample(model.tokenizer.decoder()) for _ in range(request.nsamples)]
        self._request_id = request_id
        self._stream = stream
        self._deadline = deadline
        self._error: InkwellError | None = None
        self._closers = closers
        self.close = Once(self._close)  # gives back the row, the model and the place in the queue; from any thread
        self._started = time.monotonic()

    @property
    def generated_tokens(self) -> int:
        return sum(sample.tokens for sample in self.samples)

    @property
    def duration_s(self) -> float:
        return time.monotonic() - self._started

    def events(self, ping_s: float) -> Iterator[TextEvent | Silence]:
        """Pieces of text as they come, one final event a sample; raises what made the generation fail."""
        while any(sample.finish is None for sample in self.samples):
            left_s = self._deadline - time.monotonic()
            if left_s <= 0:
                raise self._failed(DeadlineExceeded("the request took longer than this service allows"))
            received = self._stream.get(min(ping_s, left_s))
            if received is None:
                yield Silence()
                continue
            number, event = received
            if isinstance(event, FailureEvent):
                raise self._failed(error_of(event.code, event.message, event.cause))
            text = _advance(self.samples[number], event)
            if text or event.finish:
                yield TextEvent(number, text, event.finish)

    def _failed(self, error: InkwellError) -> InkwellError:
        self._error = error
        return error

    def collect(self) -> list[Sample]:
        """The whole reply: the drained stream."""
        for _ in self.events(ping_s=60):
            pass
        return self.samples

    def _close(self) -> None:
        try:
            self._closers.close()
        finally:
            self._record()

    def _record(self) -> None:
        """The one log record that every admitted request ends in."""
        whole = all(sample.finish for sample in self.samples)
        log.info(
            "generation ended",
            extra={
                "request_id": self._request_id,
                "model": self.request.model_name,
                "outcome": self._error.code if self._error else "ok" if whole else "cancelled",
                "prompt_tokens": self.prompt_tokens,
                "generated_tokens": self.generated_tokens,
                "duration_s": round(self.duration_s, 4),
            },
        )


def _advance(sample: Sample, event: TokenEvent) -> str:
    """Take one token; gives the text that it completes."""
    text = ""
    if event.token is not None:
        sample.tokens += 1
        text = sample.decoder.push(event.token)
    if event.finish:
        text += sample.decoder.finish()
        sample.cached_tokens = event.cached_tokens
    sample.text += text
    sample.finish = event.finish
    return text


def _decided(request: GenerationRequest, model: Model, prompt_tokens: int) -> GenerationRequest:
    """The request with every open value filled in; raises ContextLengthExceeded when it cannot fit."""
    context = model.config.context
    if prompt_tokens == 0:  # a tokenizer with a normaliser may leave nothing of the text
        raise InvalidParameter(f"input_text has no token in the vocabulary of {model.name}", param="input_text")
    if prompt_tokens >= context:
        raise ContextLengthExceeded(
            f"input_text has {prompt_tokens} tokens; {model.name} takes {context}, and one must be left to generate",
            param="input_text",
        )
    room = context - prompt_tokens
    if request.length is not None and request.length > room:
        raise ContextLengthExceeded(
            f"input_text has {prompt_tokens} tokens and length asks for {request.length} more; "
            f"{model.name} takes {context} in all, so length can be {room} at most",
            param="length",
        )
    return replace(
        request,
        model_name=model.name,
        length=request.length or min(context // 2, room),
        seed=secrets.randbits(SEED_BITS) if request.seed is None else request.seed,
    )


def _samplings(request: GenerationRequest, model: Model) -> list[Sampling]:
    assert request.length is not None and request.seed is not None, "filled in by _decided"
    return [
        Sampling(
            max_tokens=request.length,
            temperature=request.temperature,
            top_k=request.top_k,
            top_p=request.top_p,
            seed=request.seed,
            sample=number,
            stop_tokens=model.config.eos_token_ids,
            min_p=request.min_p,
            typical_p=request.typical_p,
            repetition_penalty=request.repetition_penalty,
            presence_penalty=request.presence_penalty,
            frequency_penalty=request.frequency_penalty,
        )
        for number in range(request.nsamples)
    ]
