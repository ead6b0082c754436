"""The httpd process: its environment, signals and output, and how it ends together with all its descendants.

Takes a configuration file and the settings; knows nothing of when to start or to stop.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType

from inkwell.apache.apache_logs import ApacheLogTranslator
from inkwell.apache.config import HTTPD_CONF
from inkwell.apache.console import copy
from inkwell.apache.run_folder import end_orphans
from inkwell.settings.settings import PREFIX, Settings

SETPRIV = "/usr/bin/setpriv"
HTTPD = "/usr/sbin/apache2"
ORPHANS_S = 3.0
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


def environment(settings: Settings, home: Path, otel: Mapping[str, str] = NO_VARIABLES) -> dict[str, str]:
    """The environment of Apache, the web process and the workers; no other variable is passed on."""
    values = {PREFIX + item.name.upper(): _as_text(getattr(settings, item.name)) for item in fields(settings)}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", **otel, **values}


def _as_text(value: object) -> str:
    """A setting as the text of its variable."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join("=".join(item) if isinstance(item, tuple) else item for item in value)
    return str(value)


class Httpd:
    """A running httpd. The kernel sends it SIGTERM when the launcher dies, even if it is killed."""

    def __init__(self, process: subprocess.Popen[bytes], translator: ApacheLogTranslator) -> None:
        self._process = process
        self._translator = translator
        self._output = threading.Thread(target=self._copy_output, name="httpd-output", daemon=True)
        self._output.start()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int:
        """Exit status of a process that ended; negative for a signal."""
        return self._process.wait()

    def finish(self) -> None:
        """Stop gracefully: close the listeners, and exit once the running requests have ended."""
        self._process.send_signal(signal.SIGWINCH)

    def cut(self) -> None:
        """Stop immediately and abort running requests."""
        self._process.send_signal(signal.SIGTERM)

    def reap_orphans(self) -> None:
        """Reap orphaned processes that were re-parented to this one, as happens to process 1 of a container."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            while (ended := os.waitid(os.P_ALL, 0, flags)) and ended.si_pid != self._process.pid:
                os.waitpid(ended.si_pid, 0)
        except ChildProcessError:
            return

    def _copy_output(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            copy(lines, self._translator)

    def sweep(self, run_dir: Path) -> None:
        """Wait until every process has closed the output; kill those that still hold it after a while."""
        self._output.join(ORPHANS_S)
        if self._output.is_alive():
            end_orphans(run_dir)
            self._output.join(ORPHANS_S)


@contextmanager
def running_httpd(run_dir: Path, variables: dict[str, str], translator: ApacheLogTranslator) -> Iterator[Httpd]:
    """Start httpd; when the block ends, none of its processes is left.

    It runs in its own session, so that the terminal's SIGINT and SIGWINCH do not reach it: SIGINT would abort streams.
    Its output is a pipe rather than ours, because Apache opens its logs by name, which fails for sockets and for
    another user's terminal.
    """
    process = subprocess.Popen(
        [SETPRIV, "--pdeathsig", "TERM", HTTPD, "-f", str(run_dir / HTTPD_CONF), "-DFOREGROUND"],
        cwd="/", env=variables, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    httpd = Httpd(process, translator)
    try:
        yield httpd
    finally:
        if httpd.running:
            httpd.cut()
        process.wait()
        httpd.sweep(run_dir)
