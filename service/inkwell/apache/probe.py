"""Queries /readyz over loopback, like any client.

Takes the address that Apache listens on, returns a `Readiness`, or `None` if there is no response or a malformed one.
Knows no process and no signal.
"""

import http.client
import json
from dataclasses import dataclass

TIMEOUT_S = 5.0
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Readiness:
    """One response of /readyz."""

    ready: bool
    status: str
    requests: int
    reason: str


def local_host(host: str) -> str:
    """The host to connect to; loopback if Apache listens on all addresses."""
    return EVERY_ADDRESS.get(host, host)


def ask(host: str, port: int) -> Readiness | None:
    """Query /readyz once."""
    connection = http.client.HTTPConnection(local_host(host), port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz", headers={"Connection": "close"})
        response = connection.getresponse()
        return _read(response.status, response.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _read(http_status: int, body: bytes) -> Readiness | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    if not isinstance(answer, dict) or "status" not in answer:
        return None
    reason = str(answer.get("reason") or answer["status"])
    return Readiness(http_status == 200, str(answer["status"]), int(answer.get("requests", 0)), reason)
