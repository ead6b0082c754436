"""Builds the engine of one checkpoint folder: config, decoder, cache, scheduler.

Takes a folder and the engine's settings, returns a ready `Engine` and the decisions made on the way. Raises
ModelCorrupt, or LoadFailed when memory runs out.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from inkwell.checkpoints.model_config import ModelConfig, read_config
from inkwell.engine.checkpoint.checkpoint import load_decoder, stored_dtype
from inkwell.engine.checkpoint.precision import Precision, resolve_precision
from inkwell.engine.contract import EngineConfig, FailureEvent, Job
from inkwell.engine.engine import Engine
from inkwell.engine.model.cuda_graphs import SPARE_SLOTS, with_cuda_graphs
from inkwell.engine.model.decoder import CausalLM, Decoder
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.native.library import Kernels, open_kernels
from inkwell.engine.runner import Runner
from inkwell.engine.scheduler import Scheduler
from inkwell.engine.speculation.draft_model import DraftModel
from inkwell.engine.speculation.ngram import NgramDrafter
from inkwell.engine.speculation.speculation import Speculation
from inkwell.engine.step_costs import StepCostModel
from inkwell.errors import EngineFailed, LoadFailed
from inkwell.parameters.sampling import GREEDY
from inkwell.system.resources import processors

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A ready engine and the decisions made while it was loaded."""

    engine: Engine
    device: str  # for a model spread over several devices: all of them, that of the embedding first
    precision: Precision
    rows: int
    gpu_bytes: int
    drafts: str  # how tokens are drafted, in words

    @property
    def dtype(self) -> str:
        return self.precision.name

    @property
    def path(self) -> str:
        """The compute path that the bits of a text depend on, in words."""
        program = "native kernels" if self.precision.native else "torch"
        return f"{self.dtype} weights, {program}, {self._processor}, {self.drafts}"

    @property
    def kernels(self) -> str:
        """The program and instruction set that compute, as one word; a different one may round sums differently."""
        return f"{'native' if self.precision.native else 'torch'}-{'-'.join(self._processor.lower().split())}"

    @property
    def _processor(self) -> str:
        first = self.device.partition(",")[0]
        return torch.backends.cpu.get_cpu_capability() if first == "cpu" else torch.cuda.get_device_name(first)


def load_model(folder: Path, config: EngineConfig) -> LoadedModel:
    """Load the checkpoint and generate a few tokens, so that the first request is not slowed down by first calls."""
    threads = config.threads or usable_threads()
    torch.set_num_threads(threads)
    model = read_config(folder)
    device = _device(config.device)
    kernels = open_kernels(threads) if device.type == "cpu" and config.kernels != "torch" else None
    if device.type == "cpu" and config.kernels != "torch" and kernels is None:
        log.warning("the native kernels are missing or do not support this processor; computing with torch")
    precision = resolve_precision(config.dtype, stored_dtype(folder) or model.stored_dtype, device, kernels is not None)
    rows = _rows(model, precision.cache, config)
    try:
        decoder, cache = _decoder_and_cache(folder, model, config, device, precision, kernels)
        draft = _load_draft(config, rows, device, kernels, model.vocab_size) if _speculates(decoder, config) else None
    except (MemoryError, RuntimeError) as error:  # torch reports exhausted CPU memory as a plain RuntimeError
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise LoadFailed("the model does not fit into the memory that is free", cause=repr(error)) from error
    if precision.native:
        torch.set_num_threads(1)  # what torch still computes is small, and two thread pools would compete for the cores
    engine = _assemble(with_cuda_graphs(decoder, cache), cache, rows, config, draft)
    _warm_up(engine)
    where = ", ".join(dict.fromkeys(str(device) for device in (decoder.embedding.device, *cache.devices)))
    drafts = _describe_drafts(decoder, config)
    return LoadedModel(engine, where, precision, rows, _gpu_bytes(decoder, cache), drafts)


def usable_threads() -> int:
    """One thread for each core, but no more than the CPU quota allows: additional threads would only be throttled."""
    cores = torch.get_num_threads()
    return min(cores, processors() or cores)


def _decoder_and_cache(
    folder: Path,
    model: ModelConfig,
    config: EngineConfig,
    device: torch.device,
    precision: Precision,
    kernels: Kernels | None,
) -> tuple[Decoder, KVCache]:
    rows = _rows(model, precision.cache, config)
    if device.type == "cpu":
        decoder = load_decoder(folder, model, device, precision, kernels)
        return decoder, KVCache(model, rows, device, precision.cache)
    slots = rows + SPARE_SLOTS
    if config.device != "spread":
        decoder = load_decoder(folder, model, device, precision, pad_rows=False)
        return decoder, KVCache(model, slots, device, precision.cache)
    from inkwell.engine.model.placement import (
        place,  # accelerate takes a quarter of a second to import, and is needed only here
    )

    decoder = load_decoder(folder, model, "cpu", precision, pad_rows=False)
    return decoder, KVCache(model, slots, place(decoder, config.max_memory, slots, precision.cache), precision.cache)


def _load_draft(
    config: EngineConfig, rows: int, device: torch.device, kernels: Kernels | None, vocab_size: int
) -> DraftModel | None:
    """The draft model, with the same precision setting and threads; None if none is configured."""
    if not config.draft_folder:
        return None
    folder = Path(config.draft_folder)
    model = read_config(folder)
    precision = resolve_precision(config.dtype, stored_dtype(folder) or model.stored_dtype, device, kernels is not None)
    decoder = load_decoder(folder, model, device, precision, kernels)
    return DraftModel(decoder, KVCache(model, rows, device, precision.cache), rows, config.prefill_chunk, vocab_size)


def _assemble(decoder: CausalLM, cache: KVCache, rows: int, config: EngineConfig, draft: DraftModel | None) -> Engine:
    """An engine of `rows` cache slots, whose parts share one step-cost model."""
    costs = StepCostModel()
    speculation = Speculation(draft or NgramDrafter(), costs) if _speculates(decoder, config) else None
    scheduler = Scheduler(rows, config.prefill_chunk, decoder.batch_invariant, costs)
    return Engine(Runner(decoder, cache), scheduler, costs, speculation)


def _speculates(decoder: CausalLM, config: EngineConfig) -> bool:
    """Whether tokens are drafted. Verification splits a sequence differently, which must not change its bits."""
    return decoder.batch_invariant and config.speculation != "off"


def _describe_drafts(decoder: CausalLM, config: EngineConfig) -> str:
    if not _speculates(decoder, config):
        return "no drafts"
    return "drafts by another model" if config.draft_folder else "drafts by prompt lookup"


def _device(wanted: str) -> torch.device:
    if wanted in ("auto", "spread"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise LoadFailed(f"the setting asks for {wanted}, and this machine has no usable GPU")
    return torch.device(wanted)


def _rows(model: ModelConfig, dtype: torch.dtype, config: EngineConfig) -> int:
    """The configured number of rows, limited by how many whole contexts fit into the cache; at least one."""
    slot_bytes = model.context * model.cache_bytes_per_token(dtype.itemsize)
    return max(1, min(config.max_rows, config.cache_bytes // slot_bytes))


def _gpu_bytes(decoder: Decoder, cache: KVCache) -> int:
    return cache.gpu_bytes + sum(parameter.nbytes for parameter in decoder.parameters() if parameter.is_cuda)


def _warm_up(engine: Engine) -> None:
    """Generate two tokens: the first call of each kernel is slow, and a model that cannot compute should fail while it
    is loaded."""
    engine.submit(Job(0, (0,), 2, GREEDY))
    while engine.has_work:
        for event in engine.step():
            if isinstance(event, FailureEvent) and event.code == EngineFailed.code:
                raise LoadFailed("the model was loaded and cannot compute", cause=event.cause)
