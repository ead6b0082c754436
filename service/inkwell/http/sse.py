"""Server-sent events: values in, bytes out. `data: [DONE]` is the only mark of success; a stream without it failed."""

import json
from typing import Any

MEDIA_TYPE = "text/event-stream"
DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"  # a comment, which every client ignores; only writing finds out that a client is gone
HEADERS = {
    "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would otherwise hold the stream back
}


def event(value: dict[str, Any]) -> bytes:
    """One event; JSON escapes line breaks, so the text cannot break the framing."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
