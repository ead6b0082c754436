"""Entry point of a worker process: `python -m inkwell.worker FD LEVEL FORM MODEL`.

FD is the worker's end of a socket pair. LEVEL and FORM are the service's log options, and MODEL, the folder's name, is
part of every record.

Loads the checkpoint that the first message names, then computes until the connection closes. A closed connection means
that the web tier is gone or has unloaded the model: the process ends at once, even in the middle of a step.
"""

import gc
import logging
import os
import queue
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from inkwell.engine.engine import Engine
from inkwell.engine.loading import LoadedModel, load_model
from inkwell.errors import InkwellError, LoadFailed
from inkwell.observability.logs import configure
from inkwell.worker.messages import Cancel, Load, LoadError, Message, Ready, Step, Submit, decode, encode

EX_OK, EX_SOFTWARE = 0, 70

log = logging.getLogger("inkwell.worker")


def main(descriptor: int) -> None:
    """Load the model, report the result, and serve; returns only if the model could not be loaded."""
    connection = Connection(descriptor)
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, inbox), name="inbox", daemon=True).start()
    loaded = _load(inbox.get(), connection)
    if loaded is not None:
        gc.freeze()  # the weights' objects live as long as the process; collections need not walk them
        _serve(loaded.engine, inbox, connection)


def _receive(connection: Connection, inbox: "queue.SimpleQueue[Message]") -> None:
    """Move messages from the connection to the inbox, also during a step; end the process when it closes."""
    try:
        while True:
            inbox.put(decode(connection.recv_bytes()))
    except (EOFError, OSError):
        os._exit(EX_OK)  # not sys.exit: the main thread may be in a long step
    except Exception:
        log.exception("a message could not be read")
        os._exit(EX_SOFTWARE)


def _load(load: Message, connection: Connection) -> LoadedModel | None:
    assert isinstance(load, Load), "the first message names the model"
    try:
        loaded = load_model(Path(load.folder), load.config)
    except InkwellError as error:
        _send(connection, LoadError(error.code, error.message, error.cause))
        return None
    except Exception as error:
        log.exception("the model could not be loaded")  # the web tier gets the cause without the traceback
        _send(connection, LoadError(LoadFailed.code, "the model could not be loaded", repr(error)))
        return None
    log.info("the model is loaded", extra={"device": loaded.device, "path": loaded.path, "rows": loaded.rows})
    _send(connection, Ready(loaded.device, loaded.dtype, loaded.path, loaded.rows, loaded.gpu_bytes, loaded.kernels))
    return loaded


def _serve(engine: Engine, inbox: "queue.SimpleQueue[Message]", connection: Connection) -> None:
    """Step while there is work, wait while there is none. Steps without events are reported too, as heartbeats."""
    while True:
        _take_messages(engine, inbox)
        if engine.has_work:
            events = tuple(engine.step())
            _send(connection, Step(events, engine.rows))


def _take_messages(engine: Engine, inbox: "queue.SimpleQueue[Message]") -> None:
    """Pass all messages that have arrived to the engine; block for the first one when it is idle."""
    while not inbox.empty() or not engine.has_work:
        message = inbox.get()
        if isinstance(message, Submit):
            engine.submit(message.job)
        elif isinstance(message, Cancel):
            engine.cancel(message.key)


def _send(connection: Connection, message: Message) -> None:
    try:
        connection.send_bytes(encode(message))
    except OSError:
        os._exit(EX_OK)


if __name__ == "__main__":
    configure(level=sys.argv[2], form=sys.argv[3], model=sys.argv[4])
    try:
        main(int(sys.argv[1]))
    except Exception:  # such as a GPU that failed, after which nothing can be computed in this process
        log.exception("the worker cannot continue and exits")
        sys.exit(EX_SOFTWARE)
