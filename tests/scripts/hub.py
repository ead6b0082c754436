"""An imitation of a model hub on loopback: two small servers, the hub, and a "CDN" on another port.

It implements the part of the protocol that huggingface_hub uses for models: the info API with sizes and checksums, HEAD
and GET of `resolve` URLs with ETag, X-Repo-Commit, X-Linked-Etag and X-Linked-Size, ranges, redirects of large files to
the CDN, and errors with X-Error-Code. A `Fault` spoils one response; all requests are recorded for the tests.
"""

import hashlib
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?")
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
CDN = re.compile(r"/blobs/([^/]+/[^/]+)/(.+)")
HELD_AFTER = 50_000
LARGE_SUFFIXES = (".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class Fault:
    """The defect of one response: a status, an early end, other content, a pause, missing support for ranges.

    With `hold`, HELD_AFTER bytes are sent at once and the rest when the event is set.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    content: bytes | None = None
    pause_s: float = 0.0
    hold: threading.Event | None = None
    ignores_ranges: bool = False
    redirect_to: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A received request."""

    server: str
    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass(slots=True)
class Repository:
    """Files at one commit; `stated` overrides the info API's data of a file, `gate` refuses with that status."""

    files: dict[str, bytes]
    commit: str
    stated: dict[str, dict[str, Any]] = field(default_factory=dict)
    gate: int | None = None

    def sibling(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git_hash(content)}
        if name.endswith(LARGE_SUFFIXES):
            entry["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
        return entry | self.stated.get(name, {})


@dataclass(slots=True)
class HubImitation:
    """The shared state of both servers; faults are used in order, selected by the end of the requested path."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    always: dict[str, Fault] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    cdn_url: str = ""

    def fault(self, path: str) -> Fault:
        for end, waiting in self.faults.items():
            if path.endswith(end) and waiting:
                return waiting.pop(0)
        return next((fault for end, fault in self.always.items() if path.endswith(end)), Fault())

    def gets(self, end: str) -> list[Seen]:
        """The GET requests for paths with this end that were answered with content, not with a redirect."""
        last = "cdn" if end.endswith(LARGE_SUFFIXES) else "hub"
        return [seen for seen in self.seen if seen.path.endswith(end) and (seen.method, seen.server) == ("GET", last)]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def running_hub() -> Iterator[HubImitation]:
    """Start both servers on free ports and stop them at the end."""
    state = HubImitation()
    hub, cdn = _server(state, "hub"), _server(state, "cdn")
    state.url = f"http://127.0.0.1:{hub.server_address[1]}"
    state.cdn_url = f"http://127.0.0.1:{cdn.server_address[1]}"
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True) for server in (hub, cdn)]
    for thread in threads:
        thread.start()
    try:
        yield state
    finally:
        for server in (hub, cdn):
            server.shutdown()
            server.server_close()


def _server(state: HubImitation, name: str) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hub": state, "name": name})
    return _Server(("127.0.0.1", 0), handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a paused response must not delay the end of a test

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # some tests kill the client
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    hub: HubImitation
    name: str
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.hub.seen.append(
            Seen(self.name, self.command, path, self.headers.get("Range"), self.headers.get("Authorization"))
        )
        fault = self.hub.fault(path)
        time.sleep(fault.pause_s)
        if fault.status is not None:
            self._send(fault.status, fault.content or b"", fault.headers)
        elif fault.redirect_to is not None:
            self._send(307, b"", {"Location": fault.redirect_to})
        elif match := API.fullmatch(path):
            self._info(match[1], match[2], fault)
        elif match := RESOLVE.fullmatch(path):
            self._resolve(match[1], match[2], match[3], fault)
        elif self.name == "cdn" and (match := CDN.fullmatch(path)):
            self._body(self.hub.repositories[match[1]].files[match[2]], {}, fault)
        else:
            self._send(404, b"", {})

    def _repository(self, hub_id: str, revision: str | None) -> Repository | None:
        """Return the requested repository, or None after sending an error."""
        repository = self.hub.repositories.get(hub_id)
        if repository is None:
            # Like the real hub, do not disclose whether a repository is missing or private.
            status = 404 if self.headers.get("Authorization") else 401
            self._refuse(status, "RepoNotFound", "Repository not found")
        elif repository.gate is not None:
            self._refuse(repository.gate, "GatedRepo", f"Access to model {hub_id} is restricted.")
        elif revision not in (None, "main", repository.commit):
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return repository
        return None

    def _info(self, hub_id: str, revision: str | None, fault: Fault) -> None:
        repository = self._repository(hub_id, revision)
        if repository is None:
            return
        siblings = [repository.sibling(name) for name in sorted(repository.files)]
        info = {"_id": "0", "id": hub_id, "sha": repository.commit, "private": False, "siblings": siblings}
        content = fault.content if fault.content is not None else json.dumps(info).encode()
        self._send(200, content, {"Content-Type": "application/json; charset=utf-8"})

    def _resolve(self, hub_id: str, revision: str, name: str, fault: Fault) -> None:
        repository = self._repository(hub_id, revision)
        if repository is None:
            return
        if name not in repository.files:
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        content, headers = repository.files[name], {"X-Repo-Commit": repository.commit}
        if name.endswith(LARGE_SUFFIXES):
            linked = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{sha256(content)}"'}
            location = {"Location": f"{self.hub.cdn_url}/blobs/{hub_id}/{name}", "ETag": f'"{git_hash(content)}"'}
            self._send(302, b"", headers | linked | location)
        else:
            self._body(content, headers | {"ETag": f'"{git_hash(content)}"'}, fault)

    def _body(self, content: bytes, headers: dict[str, str], fault: Fault) -> None:
        """Send a file, whole or from the requested offset."""
        content = fault.content if fault.content is not None else content
        headers = headers | {"Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=([0-9]+)-", self.headers.get("Range", ""))
        if asked is None or fault.ignores_ranges:
            self._send(200, content, headers, fault)
            return
        start, size = int(asked[1]), len(content)
        if start >= size:
            self._send(416, b"", {"Content-Range": f"bytes */{size}"})
        else:
            self._send(206, content[start:], headers | {"Content-Range": f"bytes {start}-{size - 1}/{size}"}, fault)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": message})

    def _send(self, status: int, content: bytes, headers: dict[str, str], fault: Fault | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self._write(content, fault or Fault())

    def _write(self, content: bytes, fault: Fault) -> None:
        try:
            if fault.hold is not None:
                self.wfile.write(content[:HELD_AFTER])
                fault.hold.wait(60)
                content = content[HELD_AFTER:]
            self.wfile.write(content[: fault.drop_after])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        if fault.drop_after is not None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
