"""The contents of a model's folder and the state of its worker, for the endpoints that list models."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from inkwell.checkpoints.catalog import Folder
from inkwell.errors import InkwellError
from inkwell.models.model_store import origin
from inkwell.models.registry import Registry

ModelState = Literal["ready", "loading", "available", "failed", "needs_conversion", "incomplete", "not_downloaded"]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model; fields unknown in its state are None. The notes of the fields go into the OpenAPI document."""

    name: str
    state: ModelState
    source: Annotated[str, "Hub id and revision, or the folder."]
    family: str | None = None
    parameters: Annotated[int | None, "Number of weights."] = None
    context: Annotated[int | None, "Tokens of prompt and text together."] = None
    memory_bytes: Annotated[int | None, "Memory of the model's process, GPU memory included."] = None
    device: str | None = None
    dtype: str | None = None
    path: Annotated[str | None, "Kernels that the process computes with."] = None
    rows: Annotated[int | None, "Sequences that can share a step."] = None
    error: Annotated[str | None, "Error code of the last load, if it failed."] = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The reply of `/models`."""

    default_model: str
    models: list[ModelEntry]


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
