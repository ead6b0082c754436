"""Loaded by schemathesis: changes generated valid requests into ones that this service can serve.

Nearly all of them would otherwise be refused for reasons that a schema does not express: existing models, fields that
exclude each other, limits. Requests that violate the specification are not changed.
"""

from typing import Any

import schemathesis

MODELS = ("model", "model_name")
LENGTHS = ("length", "max_tokens", "max_completion_tokens", "max_new_tokens")
LENGTH_OF = {"/text-generate": "length", "/v1/chat/completions": "max_completion_tokens"}
MAX_TOKENS, LONGEST, MAX_TEXTS, TIMEOUT_S = 8, 8192, 2, 10


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    for values in (case.body, case.query):
        if isinstance(values, dict) and values:
            _serve(values, LENGTH_OF.get(case.path))
            if isinstance(values.get("parameters"), dict):
                _serve(values["parameters"], "max_new_tokens")


def _serve(values: dict[str, Any], length: str | None) -> None:
    for name in MODELS:
        if isinstance(values.get(name), str):
            values[name] = "demo"
    if length is not None:
        values.setdefault(length, MAX_TOKENS)
    for name in LENGTHS:
        if _is_within(values.get(name), MAX_TOKENS, LONGEST):
            values[name] = MAX_TOKENS
    if _is_within(values.get("timeout_s"), 0, 86_400):
        values["timeout_s"] = TIMEOUT_S
    _reconcile(values)


def _reconcile(values: dict[str, Any]) -> None:
    """Remove fields that conflict with others."""
    for name in ("n", "nsamples"):
        if _is_within(values.get(name), MAX_TEXTS, 16):
            values[name] = MAX_TEXTS
    if _is_within(values.get("best_of"), 0, 16):
        del values["best_of"]
    if values.get("stream") is not True and isinstance(values.get("stream_options"), dict):
        del values["stream_options"]
    if isinstance(values.get("continuations"), list):
        for name in ("text", "from_start"):
            values.pop(name, None)
        values["prompt"] = values.get("prompt") or ""
    if "max_completion_tokens" in values and _is_within(values.get("max_tokens"), 1, LONGEST):
        del values["max_tokens"]
    if values.get("logprobs") is not True and _is_within(values.get("top_logprobs"), 0, 20):
        del values["top_logprobs"]


def _is_within(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
