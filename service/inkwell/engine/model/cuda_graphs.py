"""CUDA graphs for decoding: the hundreds of kernel launches of a step are recorded once and replayed by one call.

Takes a decoder and its cache, returns a `CausalLM` for that cache alone. A graph has fixed shapes and addresses, so
there is one for each (number of rows, bucket length), with input buffers of its own; a step is padded to the next
number of rows with rows of a spare cache slot. Prompts and steps with too many rows are passed to the decoder as they
are, and so is everything once a recording has failed.

A graph is recorded when its shape first occurs: recording them while a model is loaded would make about thirty, most of
which never run, whereas recording one lengthens the step that needs it by about three ordinary steps. Never run on a
GPU so far: docs/decisions/0011-cuda.md.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.model.batch import Segment, bucket_length, single_token_batch
from inkwell.engine.model.decoder import CausalLM, Decoder
from inkwell.engine.model.kv_cache import KVCache

SPARE_SLOTS = 1  # the cache's last slot, which padding rows write to
ROW_COUNTS = (1, 2, 4, 8, 16, 32, 64)
_WARM_UPS = 2  # in their first calls, libraries allocate memory and choose kernels, which a graph must not record

log = logging.getLogger(__name__)

Compute = Callable[[], Tensor]
Recorder = Callable[[Compute], Compute]


class CudaRecorder:
    """Records a function of no arguments. All recordings of one recorder share the memory of intermediate results.

    They can, because they never run at the same time and intermediate results are not read afterwards; the outputs stay
    referenced, so their memory is never given to another recording.
    """

    def __init__(self, device: torch.device) -> None:
        # The default stream cannot be recorded.
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, compute: Compute) -> Compute:
        """A function that computes the same as `compute` and returns the same tensor, overwritten, each time."""
        caller = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(caller)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(self._stream):  # restores the caller's stream even when a recording fails half-way
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
    inputs: Tensor  # [3, rows]: tokens, slots, positions; written before each replay
    replay: Compute  # returns [rows, width]


class RecordedDecoder:
    """A decoder for `cache`, whose last slot must be used by nothing else. Tokens are on the CPU."""

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
    def batch_invariant(self) -> bool:
        """False: another number of rows may run another kernel, with another order of summation."""
        return False

    def logits(self, hidden: Tensor) -> Tensor:
        """See `CausalLM.logits`."""
        return self._decoder.logits(hidden)

    @torch.inference_mode()
    def __call__(self, tokens: Tensor, segments: Sequence[Segment], cache: KVCache) -> Tensor:
        """See `CausalLM.__call__`; the single tokens at the end of the step are replayed."""
        assert cache is self._cache, "a graph contains the addresses of its cache"
        longer = max((index for index, segment in enumerate(segments, 1) if segment.length > 1), default=0)
        recording = self._recording(segments[longer:])
        if recording is None:
            return self._compute(tokens, segments)
        count = sum(segment.length for segment in segments[:longer])
        replayed = self._replay(recording, tokens[count:], segments[longer:])
        if not longer:
            return replayed
        return torch.cat([self._compute(tokens[:count], segments[:longer]), replayed])

    def _compute(self, tokens: Tensor, segments: Sequence[Segment]) -> Tensor:
        hidden: Tensor = self._decoder(tokens, segments, self._cache)
        return hidden

    def _recording(self, segments: Sequence[Segment]) -> _Recording | None:
        """The recording that fits these single tokens, made now if there is none; None if there cannot be one."""
        rows = next((count for count in ROW_COUNTS if count >= len(segments)), None)
        if self._record is None or rows is None or not segments:
            return None
        shape = (rows, bucket_length(max(segment.end for segment in segments), self.config.context))
        if shape not in self._recordings:
            try:
                self._recordings[shape] = self._make(*shape, self._record)
            except RuntimeError as error:  # out of memory, or an operation that this driver cannot record
                log.warning("decoding continues without CUDA graphs", extra={"cause": repr(error)})
                self._record = None
                return None
        return self._recordings[shape]

    def _make(self, rows: int, bucket: int, record: Recorder) -> _Recording:
        inputs = self._inputs([], [], rows).to(self._decoder.embedding.device)

        def compute() -> Tensor:
            return self._decoder.run(inputs[0], single_token_batch(inputs[1], inputs[2], bucket), self._cache)

        return _Recording(inputs, record(compute))

    def _replay(self, recording: _Recording, tokens: Tensor, segments: Sequence[Segment]) -> Tensor:
        recording.inputs.copy_(self._inputs(tokens.tolist(), segments, recording.inputs.shape[1]))
        return recording.replay()[: len(segments)].clone()  # the next replay overwrites the original

    def _inputs(self, tokens: list[int], segments: Sequence[Segment], rows: int) -> Tensor:
        """[3, rows]: tokens, slots and positions of these single tokens, padded with rows of the spare slot."""
        padding = [Segment(self._cache.slots - SPARE_SLOTS, 0, 1)] * (rows - len(segments))
        padded = [*segments, *padding]
        slots, positions = [segment.slot for segment in padded], [segment.start for segment in padded]
        return torch.tensor([tokens + [0] * len(padding), slots, positions])


def with_cuda_graphs(decoder: Decoder, cache: KVCache) -> CausalLM:
    """The decoder for this cache, with graphs if all of it is on one GPU; the cache then needs its spare slot."""
    devices = {parameter.device for parameter in decoder.parameters()} | set(cache.devices)
    if len(devices) > 1 or not decoder.embedding.is_cuda:
        return decoder
    return RecordedDecoder(decoder, cache, CudaRecorder(decoder.embedding.device))
