"""A running server with the OpenAI completions API, for example that of llama.cpp or vLLM."""

import json
import urllib.error
import urllib.request
from typing import Any

from scripts.benchmark.dialects import OpenAiDialect
from scripts.benchmark.exchange import Record, Request, TargetSpec
from scripts.benchmark.streams import Streams

ANSWER_LIMIT_S = 60.0


class OpenAiServer:
    """The server as a backend; its memory is only measured if `--pid` is given."""

    def __init__(self, spec: TargetSpec) -> None:
        base = spec.url.rstrip("/")
        base = base if base.endswith("/v1") else f"{base}/v1"
        models = _ask(f"{base}/models")["data"]
        model = str(models[0]["id"])
        path = "/" + base.split("://", 1)[1].partition("/")[2]
        ignore_eos = _takes_ignore_eos(base, model, spec.first)
        self._streams = Streams(base, OpenAiDialect(path, model, ignore_eos))
        self.started_s: float | None = None
        self.pids = (spec.pid,) if spec.pid else ()
        self.metadata: dict[str, Any] = {"url": spec.url, "model": model, "ignore_eos": ignore_eos}

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        self._streams.submit(key, request, sent_s)

    def poll(self, timeout_s: float | None) -> list[Record]:
        return self._streams.poll(timeout_s)

    def close(self) -> None:
        self._streams.close()


def _takes_ignore_eos(base: str, model: str, request: Request) -> bool:
    body = {"model": model, "prompt": request.text, "max_tokens": 1, "temperature": 0, "ignore_eos": True}
    try:
        _ask(f"{base}/completions", body)
    except urllib.error.HTTPError as error:
        if error.code not in (400, 422):
            raise
        return False
    return True


def _ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S) as answer:
        return json.load(answer)


def open_backend(spec: TargetSpec) -> OpenAiServer:
    return OpenAiServer(spec)
