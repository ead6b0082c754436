"""The application for tests, with real worker processes, and with or without a real socket."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from inkwell.app import create_app
from inkwell.settings.settings import Settings

EXIT_S = 10
MAX_REQUESTS = 8  # of the shared application
RETRY_LOAD_S = 0.05


class QuietHandler(WSGIRequestHandler):
    """A request handler that does not log, and sends streams in chunks like Apache."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@contextmanager
def running_app(models_dir: Path, **settings: object) -> Iterator[Flask]:
    """An application on the CPU with one thread per worker; its workers have ended when the context exits."""
    values = {"models_dir": models_dir, "device": "cpu", "dtype": "float32", "threads": 1, **settings}
    app = create_app(Settings.from_environ({f"INKWELL_{name.upper()}": str(value) for name, value in values.items()}))
    try:
        yield app
    finally:
        registry = app.extensions["inkwell"]
        workers = [registry.worker(name) for name in registry.model_store.folders()]
        registry.close()
        for worker in workers:
            if worker is not None:
                worker.process.wait(EXIT_S)


@contextmanager
def running_server(app: Flask) -> Iterator[str]:
    """Serve the application on a real socket with one thread per request; yields the address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def problem(response: TestResponse, status: int, code: str, param: str | None = None) -> str:
    """Check that a reply is this error in the common format; return its message."""
    assert (response.status_code, response.mimetype) == (status, "application/json"), response.text
    assert list(response.json) == ["error"]
    error = response.json["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["code"], error["param"]) == (code, param), error
    assert error["message"] and "\n" not in error["message"]
    assert response.headers["X-Request-Id"]
    return error["message"]
