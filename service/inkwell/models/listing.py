"""What a model's folder holds and what its worker does at present, for the endpoints that list models."""

from dataclasses import dataclass, replace

from inkwell.checkpoints.catalog import Folder
from inkwell.errors import InkwellError
from inkwell.models.model_store import origin
from inkwell.models.registry import Registry


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model; what is not known in its state is None."""

    name: str
    state: str  # ready, loading, available, failed, needs_conversion, incomplete or not_downloaded
    source: str  # hub id and revision, or the folder
    family: str | None = None
    parameters: int | None = None
    context: int | None = None  # tokens of prompt and text together
    memory_bytes: int | None = None  # of the worker, GPU memory included
    device: str | None = None
    dtype: str | None = None
    path: str | None = None  # which kernels the worker computes with
    rows: int | None = None  # sequences that can share a step
    error: str | None = None  # code of the error in which the last load ended


def entry(registry: Registry, folder: Folder) -> ModelEntry:
    """The entry of a folder."""
    if folder.state != "available":
        return ModelEntry(folder.name, folder.state, origin(folder))
    try:
        model = registry.model_store.read(folder)
    except InkwellError as error:
        return ModelEntry(folder.name, "failed", origin(folder), error=error.code)
    config = model.config
    found = ModelEntry(
        folder.name, "available", origin(folder),
        family=config.family, parameters=config.parameters, context=config.context,
    )  # fmt: skip
    worker = registry.worker(model.name)
    if worker is None or not worker.alive:
        failure = registry.failure(model)
        return replace(found, state="failed", error=failure.code) if failure else found
    ready, memory_bytes = worker.ready, worker.resident_bytes
    if ready is None:
        return replace(found, state="loading", memory_bytes=memory_bytes)
    return replace(
        found, state="ready", device=ready.device, dtype=ready.dtype, path=ready.path, rows=ready.rows,
        memory_bytes=None if memory_bytes is None else memory_bytes + ready.gpu_bytes,
    )  # fmt: skip
