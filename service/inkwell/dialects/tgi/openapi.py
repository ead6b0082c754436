"""The OpenAPI description of TGI's endpoints, built from their table."""

from typing import Any

from inkwell.dialects.tgi.parameters import ENVELOPE, TGI_PARAMETERS
from inkwell.errors import UnsupportedParameter
from inkwell.http.openapi import (
    BODY_REFUSALS,
    GENERATION_ERRORS,
    KEY_ERRORS,
    MODEL_ERRORS,
    Spec,
    body_schema,
    error_responses,
    event_stream,
    json_reply,
)

TEXT: Spec = {"type": "string"}
NUMBER: Spec = {"type": "number"}
COUNT: Spec = {"type": "integer"}
FACTS: Spec = {
    "type": "object",
    "description": "As in every reply of this service: the parameters with the seed as used, counts, seconds.",
}
WHOLE: Spec = {
    "inputs": "Once upon a time",
    "parameters": {"max_new_tokens": 20, "temperature": 0.8, "seed": 7, "details": True, "top_n_tokens": 2},
}
STREAMED: Spec = {"inputs": "Once upon a time", "parameters": {"max_new_tokens": 20, "details": True}}
DESCRIPTION = (
    "Continues `inputs`, for clients of Hugging Face's TGI. Decoding is greedy unless sampling is requested. "
    "As in TGI, the text includes the stop string; `keep_stop=false` removes it. `watermark`, `grammar` and "
    "`adapter_id` are refused. "
)
STREAM_EXAMPLE = (
    'data: {"index":1,"token":{"id":262,"text":" there","logprob":-0.21,"special":false},"generated_text":null,'
    '"details":null}\n\n'
    'data: {"index":2,"token":{"id":301,"text":" was","logprob":-0.34,"special":false},"generated_text":" there was",'
    '"details":{"finish_reason":"length","generated_tokens":2,"seed":null,"input_length":4},"inkwell":{}}\n\n'
)


def generate() -> Spec:
    return _operation("Generate text (TGI)", "With `stream` it is a stream of server-sent events.", WHOLE, _reply())


def generate_stream() -> Spec:
    text = "One server-sent event per token; the last one has `generated_text`. A stream without it has failed."
    return _operation("Generate text as a stream (TGI)", text, STREAMED, None)


def base() -> Spec:
    text = "For clients that know only the base address, such as huggingface_hub. A whole reply is in a list."
    return _operation("Generate text at the base address (TGI)", text, WHOLE, {"type": "array", "items": _reply()})


def info() -> Spec:
    unknown = {"nullable": True}
    properties = {
        "model_id": TEXT,
        "model_sha": TEXT | unknown,
        "model_dtype": TEXT | unknown | {"description": "null before the model is loaded."},
        "model_device_type": TEXT | unknown,
        "model_pipeline_tag": TEXT,
        **dict.fromkeys(
            ("max_concurrent_requests", "max_best_of", "max_stop_sequences", "max_top_n_tokens", "max_input_tokens",
             "max_input_length", "max_total_tokens", "max_client_batch_size"), COUNT,
        ),
        "router": TEXT,
        "version": TEXT,
        "sha": TEXT | unknown,
        "docker_label": TEXT | unknown,
    }  # fmt: skip
    return {
        "tags": ["TGI"],
        "summary": "The default model and the limits (TGI)",
        "responses": {"200": json_reply("Under TGI's names.", _object(properties))}
        | error_responses(*KEY_ERRORS, *MODEL_ERRORS),
    }


def _operation(summary: str, text: str, example: Spec, reply: Spec | None) -> Spec:
    envelope = body_schema(ENVELOPE)
    envelope["properties"]["parameters"] |= body_schema(TGI_PARAMETERS)
    content: Spec = {"application/json": {"schema": reply}} if reply else {}
    content |= event_stream(STREAM_EXAMPLE)
    return {
        "tags": ["TGI"],
        "summary": summary,
        "description": DESCRIPTION + text,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": envelope, "example": example}},
        },
        "responses": {"200": {"description": "The text.", "content": content}}
        | error_responses(*GENERATION_ERRORS, UnsupportedParameter, refusals=BODY_REFUSALS),
    }


def _reply() -> Spec:
    token = {"id": COUNT, "text": TEXT, "logprob": NUMBER, "special": {"type": "boolean"}}
    first = token | {"logprob": NUMBER | {"nullable": True, "description": "null for the first token."}}
    del first["special"]
    sequence = {
        "finish_reason": TEXT | {"enum": ["length", "eos_token", "stop_sequence"]},
        "generated_tokens": COUNT,
        "seed": COUNT | {"nullable": True, "description": "null with greedy decoding."},
        "prefill": _list(first, "With decoder_input_details."),
        "tokens": _list(token, "Their concatenated texts are the generated text."),
        "top_tokens": {"type": "array", "items": _list(token, "The most likely tokens at each position.")},
    }
    others = {"type": "array", "items": _object({"generated_text": TEXT} | sequence), "description": "With best_of."}
    details = _object(sequence | {"best_of_sequences": others}) | {"description": "With details."}
    return _object({"generated_text": TEXT, "details": details, "inkwell": FACTS})


def _object(properties: dict[str, Any]) -> Spec:
    return {"type": "object", "properties": properties}


def _list(properties: dict[str, Any], description: str) -> Spec:
    return {"type": "array", "items": _object(properties), "description": description}
