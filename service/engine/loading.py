"""Builds the engine of one checkpoint folder: config, decoder, cache, scheduler.

Takes a folder and what the engine may use, gives a ready `Engine` and the facts about it. Raises ModelCorrupt or, when
memory runs out, LoadFailed.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from service.engine.checkpoint import load_decoder, resolve_dtype, stored_dtype
from service.engine.contract import EngineConfig, FailureEvent, Job, Sampling
from service.engine.decoder import Decoder
from service.engine.engine import Engine
from service.engine.kv_cache import KVCache
from service.engine.runner import Runner
from service.engine.scheduler import Scheduler
from service.errors import EngineFailed, LoadFailed
from service.model_config import ModelConfig, read_config


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A ready engine and what was decided on the way."""

    engine: Engine
    device: str
    dtype: str
    rows: int
    gpu_bytes: int

    @property
    def path(self) -> str:
        """Which way the numbers are computed, in words."""
        on_cpu = self.device == "cpu"
        where = torch.backends.cpu.get_cpu_capability() if on_cpu else torch.cuda.get_device_name(self.device)
        return f"{self.dtype} linear layers, row-wise attention, {where}"


def load_model(folder: Path, config: EngineConfig) -> LoadedModel:
    """Load the checkpoint and run one token through it, so that the first request finds everything warm."""
    if config.threads:
        torch.set_num_threads(config.threads)
    model = read_config(folder)
    device = _device(config.device)
    dtype = resolve_dtype(model, stored_dtype(folder), device, config.dtype)
    rows = _rows(model, dtype, config)
    try:
        decoder = load_decoder(folder, model, device, dtype)
        cache = KVCache(model, rows, device, dtype)
    except (MemoryError, RuntimeError) as error:  # on a CPU, torch says so with a plain RuntimeError
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise LoadFailed("the model does not fit into the memory that is free", cause=repr(error)) from error
    engine = Engine(Runner(decoder, cache), Scheduler(rows, config.prefill_chunk))
    _warm_up(engine)
    gpu_bytes = 0 if device.type == "cpu" else _weights_bytes(decoder) + cache.nbytes
    return LoadedModel(engine, str(device), str(dtype).removeprefix("torch."), rows, gpu_bytes)


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise LoadFailed(f"the setting asks for {wanted}, and this machine has no usable GPU")
    return torch.device(wanted)


def _rows(model: ModelConfig, dtype: torch.dtype, config: EngineConfig) -> int:
    """As many rows as asked for, but no more than whole contexts fit into the cache's bound; one at least."""
    slot_bytes = model.context * model.cache_bytes_per_token(dtype.itemsize)
    return max(1, min(config.max_rows, config.cache_bytes // slot_bytes))


def _weights_bytes(decoder: Decoder) -> int:
    return sum(parameter.nbytes for parameter in decoder.parameters())


def _warm_up(engine: Engine) -> None:
    """A prompt of one token and two new ones: the first calls of each kernel are slow, and a load that cannot
    compute should fail as a load."""
    engine.submit(Job(0, (0,), Sampling(2, 0.0, 0, 1.0, 0, 0, ())))
    while engine.has_work:
        for event in engine.step():
            if isinstance(event, FailureEvent) and event.code == EngineFailed.code:
                raise LoadFailed("the model was loaded and cannot compute", cause=event.cause)
