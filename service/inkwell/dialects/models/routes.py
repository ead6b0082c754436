"""`/models`: every model that can be requested, its properties and what its worker is doing."""

from flask import Flask, Response, jsonify

from inkwell.checkpoints.catalog import KNOWN_MODELS, canonical
from inkwell.dialects.models import openapi
from inkwell.http.auth import INFER, ScopedBlueprint
from inkwell.http.openapi import documented
from inkwell.http.services import Services
from inkwell.models.listing import Listing, ModelEntry, entry
from inkwell.models.registry import Registry


def register(app: Flask, services: Services) -> None:
    """Serve the endpoint."""
    routes = ScopedBlueprint("models", __name__, scope=INFER)

    @routes.get("/models")
    @documented(openapi.models())
    def models() -> Response:
        return jsonify(Listing(canonical(services.default_model), _entries(services.registry)))

    app.register_blueprint(routes)


def _entries(registry: Registry) -> list[ModelEntry]:
    """The models that are present, then the known ones that could be downloaded."""
    folders = registry.model_store.folders()
    absent = [
        ModelEntry(known.name, "not_downloaded", f"{known.hub_id}@{known.revision}", parameters=known.parameters)
        for known in KNOWN_MODELS
        if known.name not in folders
    ]
    return [entry(registry, folder) for folder in folders.values()] + absent
