"""The web tier's side of a worker: starts the process, sends jobs, and distributes their events.

Any thread may call it; one reader thread per worker assigns incoming events to jobs. When the process ends, for any
reason, every open job gets a `worker_died` event at once. Knows no HTTP, no text and no model names.
"""

import itertools
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection
from pathlib import Path

from inkwell.engine.contract import EngineConfig, Event, Job
from inkwell.errors import Cancelled, InkwellError, LoadFailed, LoadTimeout, WorkerDied, error_of
from inkwell.observability.logs import LogOptions
from inkwell.system.resources import resident_bytes
from inkwell.worker.messages import Cancel, Load, LoadError, Message, Ready, Step, Submit, decode, encode
from inkwell.worker.stream import TokenStream

log = logging.getLogger(__name__)

SOURCE_ROOT = Path(__file__).resolve().parents[2]
HANG_S = 120.0  # far above a step: 256 tokens of a 6 B model are 3 TFLOP, so even 0.1 TFLOP/s leaves room
POLL_INTERVAL_S = 0.2  # between checks whether a request still waits for the load
DEFAULT_LOGS = LogOptions()
DIED = "the model's process ended while the request ran; sending the request again starts a new one"


class Worker:
    """One worker process, from its start to its end.

    `on_step` is called for every step, and `on_exit` once, after the end, both in the reader thread.
    """

    def __init__(
        self,
        folder: Path,
        config: EngineConfig,
        on_exit: Callable[["Worker"], None],
        hang_s: float = HANG_S,
        on_step: Callable[[Step], None] = lambda step: None,
        logs: LogOptions = DEFAULT_LOGS,
    ) -> None:
        self._on_exit = on_exit
        self._on_step = on_step
        self._lock = threading.Lock()  # guards _streams and _gone
        self._send_lock = threading.Lock()
        self._streams: dict[int, TokenStream] = {}  # by job key
        self._keys = itertools.count(1)
        self._ended = False
        self._hang_s = hang_s
        self._last_heard = time.monotonic()
        self.stopped = False  # whether we ended it; otherwise it crashed or was killed
        self._loaded = threading.Event()
        self._load_result: Ready | InkwellError | None = None
        self._socket, self.process = _spawn(folder.name, logs)
        self._connection = Connection(os.dup(self._socket.fileno()))
        threading.Thread(target=self._read, name=f"worker-{self.process.pid}", daemon=True).start()
        self._send(Load(str(folder), config))

    @property
    def alive(self) -> bool:
        """Whether jobs can still be sent; polls the process too, because a killed one ends before its connection."""
        return not self._ended and self.process.poll() is None

    @property
    def ready(self) -> Ready | None:
        """What the worker reported after loading; None before that."""
        return self._load_result if isinstance(self._load_result, Ready) else None

    @property
    def load_failed(self) -> bool:
        """Whether the worker reported that it could not load the model."""
        return isinstance(self._load_result, InkwellError)

    @property
    def open_jobs(self) -> int:
        """Jobs that were sent and have not ended."""
        return len(self._streams)

    @property
    def resident_bytes(self) -> int | None:
        """Memory that the process holds at present; None if /proc does not show it."""
        return resident_bytes(self.process.pid)

    def wait_ready(self, timeout_s: float, gives_up: Callable[[], bool] = lambda: False) -> Ready:
        """Block until the model is loaded; raises the error of the load, LoadTimeout, or Cancelled."""
        deadline = time.monotonic() + timeout_s
        while not self._loaded.wait(min(POLL_INTERVAL_S, max(0.0, deadline - time.monotonic()))):
            if gives_up():
                raise Cancelled("the request was cancelled while its model was loading")
            if time.monotonic() >= deadline:
                raise LoadTimeout(f"the model is still loading after {timeout_s:.3g} s; try again later")
        if isinstance(self._load_result, InkwellError):
            raise error_of(
                self._load_result.code, self._load_result.message, self._load_result.cause
            )  # one object per waiter
        assert self._load_result is not None, "set before the event"
        return self._load_result

    def submit(self, jobs: Sequence[Job]) -> TokenStream:
        """Send jobs, whose keys are replaced; the stream numbers their events by the order of `jobs`."""
        with ExitStack() as resources:
            stream = resources.enter_context(closing(TokenStream(self)))
            for number, job in enumerate(jobs):
                stream.add(number, job)
            resources.pop_all()
            return stream

    def register(self, stream: TokenStream) -> int:
        """A new job key, whose events go to the stream; raises WorkerDied."""
        with self._lock:
            if self._ended:
                raise WorkerDied(DIED)
            if not self._streams:  # an idle worker sends nothing
                self._last_heard = time.monotonic()
            key = next(self._keys)
            self._streams[key] = stream
        return key

    def send(self, job: Job) -> None:
        """Send a job whose key was registered."""
        self._send(Submit(job))

    def cancel(self, keys: Sequence[int]) -> None:
        """Drop those of the jobs that still run; they get no further event."""
        with self._lock:
            open_keys = [key for key in keys if self._streams.pop(key, None) is not None]
        for key in open_keys:
            self._send(Cancel(key))

    def end_if_hung(self) -> None:
        """Kill a worker that has work and has not finished a step for longer than a step can take."""
        if time.monotonic() - self._last_heard > self._hang_s and self.alive:
            log.error("a worker is silent and will be killed", extra={"silent_s": self._hang_s})
            self.process.kill()

    def stop(self) -> None:
        """Close the connection, which ends the process; returns at once and may be called again."""
        self.stopped = True
        self._hang_up()

    def end(self) -> None:
        """Stop, and wait until the process is gone and its memory free; for an unused worker."""
        self.stop()
        self.process.kill()
        self.process.wait()

    def _hang_up(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # the worker has closed it already
            pass

    def _send(self, message: Message) -> None:
        try:
            with self._send_lock:
                self._connection.send_bytes(encode(message))
        except OSError:
            self._hang_up()  # the reader thread sees the connection close and fails every open job

    def _read(self) -> None:
        try:
            while True:
                self._receive(decode(self._connection.recv_bytes()))
        except (EOFError, OSError):
            return
        finally:  # also after a bug in this code: no thread may be left waiting
            self._finish()

    def _receive(self, message: Message) -> None:
        self._last_heard = time.monotonic()
        if isinstance(message, Step):
            self._on_step(message)
            for event in message.events:
                self._deliver(event)
        elif isinstance(message, Ready):
            self._load_result = message
            self._loaded.set()
        elif isinstance(message, LoadError):
            self._load_result = error_of(message.code, message.message, message.cause)

    def _deliver(self, event: Event) -> None:
        with self._lock:
            stream = self._streams.get(event.key)  # none: cancelled while the event was in transit
            if stream is not None and stream.ends(event):
                del self._streams[event.key]
        if stream is not None:
            stream.put(event)

    def _finish(self) -> None:
        """The connection is closed: reap the process, notify the owner, then fail the open jobs.

        In this order, so that a request that is retried after the failure does not get the same worker.
        """
        self.process.kill()  # it exits by itself when the connection closes, unless it hangs
        status = self.process.wait()
        with self._lock:
            self._ended = True
            streams, self._streams = self._streams, {}
        self._on_exit(self)
        for key, stream in streams.items():
            stream.fail(key, WorkerDied(DIED, cause=f"exit status {status}"))
        if self._load_result is None:
            self._load_result = LoadFailed("the model's process ended while it loaded", cause=f"exit status {status}")
        self._loaded.set()
        with self._send_lock:  # no thread may send to a closed descriptor, which the system may have reused
            self._connection.close()
        self._socket.close()


def _spawn(model: str, logs: LogOptions) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start a worker with its end of a new socket pair. A new session keeps a terminal's Ctrl-C from it."""
    ours, theirs = socket.socketpair()
    with theirs:
        # Under Apache sys.executable names Apache; the interpreter of the virtual environment is below its prefix.
        python = Path(sys.prefix) / "bin" / "python3"
        process = subprocess.Popen(
            [str(python), "-m", "inkwell.worker", str(theirs.fileno()), logs.level, logs.form, model],
            cwd=SOURCE_ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours, process
