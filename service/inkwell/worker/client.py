"""The web tier's side of a worker: starts the process, sends jobs, and hands each job its events.

Any thread may call it; one reader thread a worker sorts what comes back. When the process ends, for whatever reason,
every open job gets a `worker_died` event at once. It knows no HTTP, no text and no model names.
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
LOOK_S = 0.2  # between two looks whether somebody still waits for a load
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
        self._gone = False
        self._hang_s = hang_s
        self._last_heard = time.monotonic()
        self.stopped = False  # whether we ended it, rather than a crash or a kill
        self._loaded = threading.Event()
        self._answer: Ready | InkwellError | None = None
        self._line, self.process = _spawn(folder.name, logs)
        self._connection = Connection(os.dup(self._line.fileno()))
        threading.Thread(target=self._read, name=f"worker-{self.process.pid}", daemon=True).start()
        self._send(Load(str(folder), config))

    @property
    def alive(self) -> bool:
        """Whether jobs can still be sent; asks the kernel too, because a killed process is gone before its line is."""
        return not self._gone and self.process.poll() is None

    @property
    def ready(self) -> Ready | None:
        """What the worker said of itself when it had loaded; None before that."""
        return self._answer if isinstance(self._answer, Ready) else None

    @property
    def load_failed(self) -> bool:
        """Whether the worker said that it could not load the model."""
        return isinstance(self._answer, InkwellError)

    @property
    def open_jobs(self) -> int:
        """Jobs that were sent and have not ended."""
        return len(self._streams)

    @property
    def resident_bytes(self) -> int | None:
        """Memory that the process holds at present; None where /proc does not tell."""
        return resident_bytes(self.process.pid)

    def wait_ready(self, timeout_s: float, gives_up: Callable[[], bool] = lambda: False) -> Ready:
        """Block until the model is loaded; raises what kept it from loading, LoadTimeout, or Cancelled."""
        deadline = time.monotonic() + timeout_s
        while not self._loaded.wait(min(LOOK_S, max(0.0, deadline - time.monotonic()))):
            if gives_up():
                raise Cancelled("the request was cancelled while its model was loading")
            if time.monotonic() >= deadline:
                raise LoadTimeout(f"the model is still loading after {timeout_s:.3g} s; try again later")
        if isinstance(self._answer, InkwellError):
            raise error_of(self._answer.code, self._answer.message, self._answer.cause)  # one object per waiter
        assert self._answer is not None, "set before the event"
        return self._answer

    def submit(self, jobs: Sequence[Job]) -> TokenStream:
        """Send jobs, whose keys do not matter; their events come back in one stream, numbered as they stand here."""
        with ExitStack() as resources:
            stream = resources.enter_context(closing(TokenStream(self)))
            for number, job in enumerate(jobs):
                stream.add(number, job)
            resources.pop_all()
            return stream

    def enter(self, stream: TokenStream) -> int:
        """A new job key, whose events go to the stream; raises WorkerDied."""
        with self._lock:
            if self._gone:
                raise WorkerDied(DIED)
            if not self._streams:  # it had nothing to do, and so nothing to say
                self._last_heard = time.monotonic()
            key = next(self._keys)
            self._streams[key] = stream
        return key

    def send(self, job: Job) -> None:
        """Send a job whose key was entered."""
        self._send(Submit(job))

    def cancel(self, keys: Sequence[int]) -> None:
        """Drop those of the jobs that still run; they give no further event."""
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
        """Close the line, which ends the process; returns at once and may be called again."""
        self.stopped = True
        self._hang_up()

    def end(self) -> None:
        """Stop, and wait until the process is gone and its memory free; for a worker that nobody uses."""
        self.stop()
        self.process.kill()
        self.process.wait()

    def _hang_up(self) -> None:
        try:
            self._line.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other side was faster
            pass

    def _send(self, message: Message) -> None:
        try:
            with self._send_lock:
                self._connection.send_bytes(encode(message))
        except OSError:
            self._hang_up()  # the reader thread sees the end of the line and tells every open job

    def _read(self) -> None:
        try:
            while True:
                self._receive(decode(self._connection.recv_bytes()))
        except (EOFError, OSError):
            return
        finally:  # also when a bug of ours raises here: nobody may be left waiting
            self._finish()

    def _receive(self, message: Message) -> None:
        self._last_heard = time.monotonic()
        if isinstance(message, Step):
            self._on_step(message)
            for event in message.events:
                self._deliver(event)
        elif isinstance(message, Ready):
            self._answer = message
            self._loaded.set()
        elif isinstance(message, LoadError):
            self._answer = error_of(message.code, message.message, message.cause)

    def _deliver(self, event: Event) -> None:
        with self._lock:
            stream = self._streams.get(event.key)  # none: cancelled while the event was under way
            if stream is not None and stream.ends(event):
                del self._streams[event.key]
        if stream is not None:
            stream.put(event)

    def _finish(self) -> None:
        """The line is closed: reap the process, tell the owner, then everybody who still waits.

        In this order: who hears of the end and sends the request again must not meet the same worker.
        """
        self.process.kill()  # it ends by itself when its line closes; this is for one that hangs
        status = self.process.wait()
        with self._lock:
            self._gone = True
            streams, self._streams = self._streams, {}
        self._on_exit(self)
        for key, stream in streams.items():
            stream.fail(key, WorkerDied(DIED, cause=f"exit status {status}"))
        if self._answer is None:
            self._answer = LoadFailed("the model's process ended while it loaded", cause=f"exit status {status}")
        self._loaded.set()
        with self._send_lock:  # a thread that sends must never meet a descriptor that was given to somebody else
            self._connection.close()
        self._line.close()


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
