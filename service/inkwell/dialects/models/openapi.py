"""The OpenAPI description of `/models`."""

from inkwell.http.openapi import KEY_ERRORS, Spec, error_responses, json_reply


def models() -> Spec:
    properties = {
        "name": {"type": "string"},
        "state": {
            "type": "string",
            "enum": ["ready", "loading", "available", "failed", "needs_conversion", "incomplete", "not_downloaded"],
        },
        "source": {"type": "string", "description": "Hub id and revision, or the folder."},
        "family": {"type": "string", "nullable": True},
        "parameters": {"type": "integer", "nullable": True, "description": "How many weights the model has."},
        "context": {"type": "integer", "nullable": True, "description": "Tokens of prompt and text together."},
        "memory_bytes": {
            "type": "integer",
            "nullable": True,
            "description": "What the model's process holds now, GPU memory included.",
        },
        "device": {"type": "string", "nullable": True},
        "dtype": {"type": "string", "nullable": True},
        "path": {"type": "string", "nullable": True, "description": "Which way the worker computes."},
        "rows": {"type": "integer", "nullable": True, "description": "Sequences that can share a step."},
        "error": {"type": "string", "nullable": True, "description": "Code of the error that the last load ended in."},
    }
    schema = {
        "type": "object",
        "properties": {
            "default_model": {"type": "string"},
            "models": {"type": "array", "items": {"type": "object", "properties": properties}},
        },
    }
    return {
        "tags": ["models"],
        "summary": "List the models",
        "responses": {"200": json_reply("Every model that can be asked for.", schema)} | error_responses(*KEY_ERRORS),
    }
