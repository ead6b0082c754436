"""CUDA graphs for decoding: the hundreds of launches of a step are recorded once and replayed by one call.

Takes a decoder and its cache, gives something with the decoder's call, for that cache alone. A graph has fixed shapes
and addresses, so there is one for each (number of rows, reach), with input buffers of its own; a step is padded to
the next number of rows with rows of a cache slot that belongs to nobody. Prompts, and steps that are too wide, go to
the decoder as they are, and so does everything once a recording has failed.

A graph is recorded when its shape first occurs: a load would otherwise record about thirty of them, most of which
never run, while one costs the step that needs it some three ordinary steps. Never run on a GPU so far:
docs/decisions/0011-cuda.md.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.model.batch import reach_for, token_step
from inkwell.engine.model.decoder import Decoder
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.model.span import Span

SPARE_SLOTS = 1  # the cache's last slot, which padding rows write to
ROW_COUNTS = (1, 2, 4, 8, 16, 32, 64)
_WARM_UPS = 2  # libraries allocate and choose kernels in their first calls, which a recording must not hold

log = logging.getLogger(__name__)

Compute = Callable[[], Tensor]
Recorder = Callable[[Compute], Compute]


class CudaRecorder:
    """Records a function of no arguments. All recordings of one recorder share their memory for what is in between.

    They may, because they never run at the same time and nobody reads what lies between input and output later; the
    outputs stay referenced and so are never given to another.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # the default stream cannot be recorded
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, compute: Compute) -> Compute:
        """Something that computes the same into the same tensor each time, which it gives."""
        caller = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(caller)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(self._stream):  # goes back to the caller's stream even when a recording fails half-way
            for _ in range(_WARM_UPS):
                compute()
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                out = compute()
        caller.wait_stream(self._stream)

        def replay() -> Tensor:
            graph.replay()
            return out

        return replay


@dataclass(frozen=True, slots=True)
class _Recording:
    places: Tensor  # [3, rows]: tokens, slots, positions; written before each replay
    replay: Compute  # gives [rows, width]


class RecordedDecoder:
    """A decoder for `cache`, whose last slot nobody else may use. Tokens come on the CPU."""

    def __init__(self, decoder: Decoder, cache: KVCache, record: Recorder) -> None:
        assert cache.slots > SPARE_SLOTS
        self._decoder = decoder
        self._cache = cache
        self._record: Recorder | None = record
        self._recordings: dict[tuple[int, int], _Recording] = {}

    @property
    def config(self) -> ModelConfig:
        return self._decoder.config

    @property
    def uniform(self) -> bool:
        """False: another number of rows may run another kernel, which adds up in another order."""
        return False

    def logits(self, hidden: Tensor) -> Tensor:
        """Those of the decoder."""
        return self._decoder.logits(hidden)

    @torch.inference_mode()
    def __call__(self, tokens: Tensor, spans: Sequence[Span], cache: KVCache) -> Tensor:
        """Hidden states [T, width] of the spans' tokens [T]; the single tokens at the end of the step are replayed."""
        assert cache is self._cache, "a graph holds the addresses of its cache"
        longer = max((place for place, span in enumerate(spans, 1) if span.length > 1), default=0)
        recording = self._recording(spans[longer:])
        if recording is None:
            return self._decoder(tokens, spans, cache)
        count = sum(span.length for span in spans[:longer])
        alone = self._replay(recording, tokens[count:], spans[longer:])
        if not longer:
            return alone
        return torch.cat([self._decoder(tokens[:count], spans[:longer], cache), alone])

    def _recording(self, spans: Sequence[Span]) -> _Recording | None:
        """The recording that fits these single tokens, made now if there is none; None if there cannot be one."""
        rows = next((count for count in ROW_COUNTS if count >= len(spans)), None)
        if self._record is None or rows is None or not spans:
            return None
        shape = (rows, reach_for(max(span.end for span in spans), self.config.context))
        if shape not in self._recordings:
            try:
                self._recordings[shape] = self._make(*shape, self._record)
            except RuntimeError as error:  # no memory left, or an operation that this driver cannot record
                log.warning("decoding goes on without CUDA graphs", extra={"cause": repr(error)})
                self._record = None
                return None
        return self._recordings[shape]

    def _make(self, rows: int, reach: int, record: Recorder) -> _Recording:
        places = self._places([], [], rows).to(self._decoder.embedding.device)

        def compute() -> Tensor:
            return self._decoder.run(places[0], token_step(places[1], places[2], reach), self._cache)

        return _Recording(places, record(compute))

    def _replay(self, recording: _Recording, tokens: Tensor, spans: Sequence[Span]) -> Tensor:
        recording.places.copy_(self._places(tokens.tolist(), spans, recording.places.shape[1]))
        return recording.replay()[: len(spans)].clone()  # the next replay writes to the same place

    def _places(self, tokens: list[int], spans: Sequence[Span], rows: int) -> Tensor:
        """[3, rows] of these single tokens and of as many rows that belong to nobody as are missing."""
        idle = [Span(self._cache.slots - SPARE_SLOTS, 0, 1)] * (rows - len(spans))
        padded = [*spans, *idle]
        return torch.tensor([tokens + [0] * len(idle), [span.slot for span in padded], [span.start for span in padded]])


def recorded(decoder: Decoder, cache: KVCache) -> Decoder | RecordedDecoder:
    """The decoder for this cache, with graphs if all of it lies on one GPU; the cache then needs its spare slot."""
    devices = {parameter.device for parameter in decoder.parameters()} | set(cache.devices)
    if len(devices) > 1 or not decoder.embedding.is_cuda:
        return decoder
    return RecordedDecoder(decoder, cache, CudaRecorder(decoder.embedding.device))
