"""`/livez` and `/readyz`: is the process alive, and should it be sent requests. TGI calls the latter `/health`."""

from flasgger import swag_from
from flask import Blueprint, Response, jsonify

from inkwell.access.admission import Admission
from inkwell.errors import InkwellError
from inkwell.http import operations
from inkwell.models.preload import Preload
from inkwell.models.registry import Registry


def blueprint(registry: Registry, admission: Admission, preload: Preload, default_model: str) -> Blueprint:
    """The endpoints on a registry and its admission."""
    routes = Blueprint("health", __name__)

    @routes.get("/livez")
    @swag_from(operations.livez())
    def livez() -> Response:
        return jsonify({"status": "ok"})

    @routes.get("/readyz")
    @routes.get("/health")
    @swag_from(operations.readyz())
    def readyz() -> tuple[Response, int]:
        status, reason = _readiness(registry, admission, preload, default_model)
        body = {"status": status, "reason": reason, "requests": admission.requests}
        return jsonify(body), 200 if status == "ready" else 503

    return routes


def _readiness(
    registry: Registry, admission: Admission, preload: Preload, default_model: str
) -> tuple[str, str | None]:
    """A status and its reason. A default model that is merely not loaded is ready: its first request loads it."""
    if admission.draining:
        return "draining", "running requests finish, new ones are refused"
    if preload.pending:
        return "loading", f"loading {', '.join(preload.pending)}"
    try:
        model = registry.library.find(default_model)
        _ = model.tokenizer  # its files are read here, and no worker would notice that they are damaged
    except InkwellError as error:
        return "not_ready", error.message
    failure = registry.failure(model)
    return ("not_ready", failure.message) if failure else ("ready", None)
