"""`/livez` and `/readyz`: is the process alive, and is it ready for requests. TGI calls the latter `/health`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from flask import Flask, Response, jsonify

from inkwell.access.admission import Admission
from inkwell.errors import InkwellError
from inkwell.http.auth import PUBLIC, ScopedBlueprint
from inkwell.http.openapi import Spec, documented, json_reply
from inkwell.models.preload import Preload
from inkwell.models.registry import Registry


@dataclass(frozen=True, slots=True)
class Readiness:
    """The reply of `/readyz`."""

    status: Literal["ready", "loading", "draining", "not_ready"]
    reason: str | None
    requests: Annotated[int, "Running and queued requests."]


LIVEZ: Spec = {
    "tags": ["health"],
    "summary": "Is the process alive",
    "responses": {
        "200": json_reply("Yes.", {"type": "object", "properties": {"status": {"type": "string", "enum": ["ok"]}}})
    },
}
READYZ: Spec = {
    "tags": ["health"],
    "summary": "Is the service ready for requests",
    "responses": {"200": json_reply("Yes.", Readiness), "503": json_reply("No, for this `reason`.", Readiness)},
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
        readiness = _readiness(registry, admission, preload, default_model)
        return jsonify(readiness), 200 if readiness.status == "ready" else 503

    app.register_blueprint(routes)


def _readiness(registry: Registry, admission: Admission, preload: Preload, default_model: str) -> Readiness:
    """Ready even if the default model is merely not loaded: its first request loads it."""
    requests = admission.requests
    if admission.draining:
        return Readiness("draining", "running requests finish, new ones are refused", requests)
    if preload.pending:
        return Readiness("loading", f"loading {', '.join(preload.pending)}", requests)
    try:
        model = registry.model_store.find(default_model)
        _ = model.tokenizer  # the web process reads its files; no worker would notice that they are damaged
    except InkwellError as error:
        return Readiness("not_ready", error.message, requests)
    failure = registry.failure(model)
    return Readiness("not_ready", failure.message, requests) if failure else Readiness("ready", None, requests)
