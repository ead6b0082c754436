"""The two HTTP APIs that are benchmarked: Inkwell's own, and the completions of the OpenAI API."""

import json
from typing import Any

from scripts.benchmark.exchange import Record, Request
from scripts.benchmark.streams import Arrival

DONE = b"[DONE]"


class InkwellDialect:
    """`POST /text-generate` with `stream`; the model has no end-of-text token, so `length` tokens are generated."""

    path = "/text-generate"

    def body(self, request: Request) -> bytes:
        wanted = {"input_text": request.text, "length": request.new_tokens, "temperature": 0, "stream": True}
        return json.dumps(wanted).encode()

    def read(self, record: Record, arrivals: list[Arrival], request: Request) -> None:
        details: dict[str, Any] = {}
        for moment_s, events in arrivals:
            values = [json.loads(event) for event in events if event != DONE]
            if error := next((value["error"] for value in values if "error" in value), None):
                raise ValueError(f"{error['code']}: {error['message']}")
            texts = [value["text"] for value in values if "text" in value]
            record.output = str(record.output) + "".join(texts)
            if texts:
                record.add(moment_s, len(texts))
            details = next((value for value in values if "samples" in value), details)
        if not details or arrivals[-1][1][-1] != DONE:
            raise ValueError("the stream ended without its final event")
        if details["prompt_tokens"] != len(request.prompt):
            raise ValueError(f"the server counts {details['prompt_tokens']} prompt tokens, not {len(request.prompt)}")
        reconcile_token_count(record, details["generated_tokens"])


class OpenAiDialect:
    """`POST /v1/completions` with `stream`; `ignore_eos` is an extension of vLLM and llama.cpp."""

    def __init__(self, base_path: str, model: str, ignore_eos: bool) -> None:
        self.path = f"{base_path}/completions"
        self._extra = {"ignore_eos": True} if ignore_eos else {}
        self._model = model

    def body(self, request: Request) -> bytes:
        wanted = {
            "model": self._model, "prompt": request.text, "max_tokens": request.new_tokens, "temperature": 0,
            "stream": True, "stream_options": {"include_usage": True},
        }  # fmt: skip
        return json.dumps(wanted | self._extra).encode()

    def read(self, record: Record, arrivals: list[Arrival], request: Request) -> None:
        usage: dict[str, Any] = {}
        for moment_s, events in arrivals:
            values = [json.loads(event) for event in events if event != DONE]
            if error := next((value["error"] for value in values if "error" in value), None):
                raise ValueError(f"the server reported: {error}")
            texts = [choice["text"] for value in values for choice in value.get("choices", ()) if choice.get("text")]
            record.output = str(record.output) + "".join(texts)
            if texts:
                record.add(moment_s, len(texts))
            usage = next((value["usage"] for value in values if value.get("usage")), usage)
        if not arrivals or arrivals[-1][1][-1] != DONE:
            raise ValueError("the stream ended without [DONE]")
        prompt_tokens = usage.get("prompt_tokens", len(request.prompt))
        if prompt_tokens != len(request.prompt):
            raise ValueError(
                f"the server counts {prompt_tokens} prompt tokens, not {len(request.prompt)}: is it another tokenizer?"
            )
        reconcile_token_count(record, usage.get("completion_tokens", record.tokens))


def reconcile_token_count(record: Record, tokens: int) -> None:
    """Adjust the record to the number of tokens that the server counted.

    A token that is only part of a character has no text; it arrives together with the token that completes the
    character.
    """
    missing = tokens - record.tokens
    if not record.counts and missing:
        raise ValueError(f"{tokens} tokens were generated, but no text arrived")
    if missing < 0:
        raise ValueError(f"{record.tokens} text chunks arrived for {tokens} tokens")
    if missing:
        record.counts[-1] += missing
