"""`/models`: every model that can be asked for, what it is and what it does at present."""

from typing import Any

from flasgger import swag_from
from flask import Blueprint, Response, jsonify

from inkwell.checkpoints.catalog import KNOWN_MODELS, Folder, canonical
from inkwell.errors import InkwellError
from inkwell.http import operations
from inkwell.models.model_store import Model, origin
from inkwell.models.registry import Registry


def blueprint(registry: Registry, default_model: str) -> Blueprint:
    """The endpoint on a registry."""
    routes = Blueprint("models", __name__)

    @routes.get("/models")
    @swag_from(operations.models())
    def models() -> Response:
        folders = registry.library.folders()
        present = [entry(registry, folder) for folder in folders.values()]
        absent = [_row(known.name, "not_downloaded", f"{known.hub_id}@{known.revision}", parameters=known.parameters)
                  for known in KNOWN_MODELS if known.name not in folders]  # fmt: skip
        return jsonify({"default_model": canonical(default_model), "models": present + absent})

    return routes


def entry(registry: Registry, folder: Folder) -> dict[str, Any]:
    """What a folder holds and what its model does at present."""
    if folder.state != "available":
        return _row(folder.name, folder.state, origin(folder))
    try:
        model = registry.library.read(folder)
    except InkwellError as error:
        return _row(folder.name, "failed", origin(folder), error=error.code)
    config = model.config
    facts = {"family": config.family, "parameters": config.parameters, "context": config.context}
    return _row(folder.name, **_state(registry, model), source=origin(folder), **facts)


def _state(registry: Registry, model: Model) -> dict[str, Any]:
    """Loading, ready, failed or available, with what a running worker tells of itself."""
    worker = registry.worker(model.name)
    if worker is None or not worker.alive:
        failure = registry.failure(model)
        return {"state": "failed", "error": failure.code} if failure else {"state": "available"}
    ready, memory_bytes = worker.ready, worker.resident_bytes
    if ready is None:
        return {"state": "loading", "memory_bytes": memory_bytes}
    return {"state": "ready", "device": ready.device, "dtype": ready.dtype, "path": ready.path, "rows": ready.rows,
            "memory_bytes": None if memory_bytes is None else memory_bytes + ready.gpu_bytes}  # fmt: skip


def _row(name: str, state: str, source: str, **facts: Any) -> dict[str, Any]:
    """One row; every row has the same keys, and null stands for what is not known in that state."""
    empty = dict.fromkeys(
        ("family", "parameters", "context", "memory_bytes", "device", "dtype", "path", "rows", "error")
    )
    return {"name": name, "state": state, "source": source} | empty | facts
