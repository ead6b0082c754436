"""`/livez` and `/readyz`: is the process alive, and should it be sent requests. TGI calls the latter `/health`."""

from flask import Flask, Response, jsonify

from inkwell.access.admission import Admission
from inkwell.errors import InkwellError
from inkwell.http.auth import PUBLIC, ScopedBlueprint
from inkwell.http.openapi import Spec, documented, json_reply
from inkwell.models.preload import Preload
from inkwell.models.registry import Registry

LIVEZ: Spec = {
    "tags": ["health"],
    "summary": "Is the process alive",
    "responses": {
        "200": json_reply("It is.", {"type": "object", "properties": {"status": {"type": "string", "enum": ["ok"]}}})
    },
}
READINESS: Spec = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["ready", "loading", "draining", "not_ready"]},
        "reason": {"type": "string", "nullable": True},
        "requests": {"type": "integer", "description": "Requests that run or wait."},
    },
}
READYZ: Spec = {
    "tags": ["health"],
    "summary": "Should it be sent requests",
    "responses": {"200": json_reply("Yes.", READINESS), "503": json_reply("Not now; `reason` says why.", READINESS)},
}


def register(app: Flask, registry: Registry, admission: Admission, preload: Preload, default_model: str) -> None:
    """Serve the endpoints."""
    routes = ScopedBlueprint("health", __name__, scope=PUBLIC)

    @routes.get("/livez")
    @documented(LIVEZ)
    def livez() -> Response:
        return jsonify({"status": "ok"})

    @routes.get("/readyz")
    @routes.get("/health")
    @documented(READYZ)
    def readyz() -> tuple[Response, int]:
        status, reason = _readiness(registry, admission, preload, default_model)
        body = {"status": status, "reason": reason, "requests": admission.requests}
        return jsonify(body), 200 if status == "ready" else 503

    app.register_blueprint(routes)


def _readiness(
    registry: Registry, admission: Admission, preload: Preload, default_model: str
) -> tuple[str, str | None]:
    """A status and its reason. A default model that is merely not loaded is ready: its first request loads it."""
    if admission.draining:
        return "draining", "running requests finish, new ones are refused"
    if preload.pending:
        return "loading", f"loading {', '.join(preload.pending)}"
    try:
        model = registry.model_store.find(default_model)
        _ = model.tokenizer  # its files are read here, and no worker would notice that they are damaged
    except InkwellError as error:
        return "not_ready", error.message
    failure = registry.failure(model)
    return ("not_ready", failure.message) if failure else ("ready", None)
