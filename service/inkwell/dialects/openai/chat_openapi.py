"""The OpenAPI description of `/v1/chat/completions`."""

from inkwell.dialects.openai.chat_parameters import PARAMETERS, REFUSED
from inkwell.dialects.openai.openapi import COUNT, GENERATION_RESPONSES, TEXT, finish_reason, replies
from inkwell.http.openapi import Spec, body_schema

DESCRIPTION = (
    "Compatible with OpenAI's endpoint of this name. These models are not trained for chat: they continue a transcript "
    "of the conversation, with the system messages on top followed by `User:` and `Assistant:` turns, and their text "
    "ends where the next turn would begin. The oldest rounds of a conversation that does not fit are dropped; "
    "`inkwell.dropped_messages` counts their messages, and `inkwell.chat` holds the parameters of the transcript. "
    "Fields of OpenAI's that are not supported are refused: {refused}."
)
EXAMPLE = {
    "model": "demo",
    "messages": [
        {"role": "system", "content": "A traveller meets a fairy in the wood."},
        {"role": "user", "content": "Who are you?"},
    ],
    "max_tokens": 40,
    "temperature": 0.8,
    "seed": 7,
}
STREAM_EXAMPLE = (
    'data: {"id":"chatcmpl-...","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"I am"},'
    '"logprobs":null,"finish_reason":null}]}\n\ndata: [DONE]\n\n'
)


def chat_completions() -> Spec:
    content = {"schema": body_schema(PARAMETERS), "example": EXAMPLE}
    return {
        "tags": ["openai"],
        "summary": "Chat completions (OpenAI), as a transcript for base models",
        "description": DESCRIPTION.format(refused=", ".join(REFUSED)),
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": replies("chat.completion", _choice(), STREAM_EXAMPLE) | GENERATION_RESPONSES,
    }


def _choice() -> Spec:
    entry = {
        "token": TEXT,
        "logprob": {"type": "number"},
        "bytes": {"type": "array", "items": COUNT},
    }
    likeliest = {"type": "array", "items": {"type": "object", "properties": entry}}
    token = {"type": "object", "properties": entry | {"top_logprobs": likeliest}}
    message = {"role": TEXT | {"enum": ["assistant"]}, "content": TEXT, "refusal": TEXT | {"nullable": True}}
    logprobs = {"content": {"type": "array", "items": token}, "refusal": {"type": "object", "nullable": True}}
    return {
        "index": COUNT,
        "message": {"type": "object", "properties": message},
        "logprobs": {"type": "object", "nullable": True, "properties": logprobs},
        "finish_reason": finish_reason(),
    }
