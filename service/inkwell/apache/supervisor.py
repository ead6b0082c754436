"""Supervises one httpd: waits until it is ready, serves, drains, and ends it.

Takes a running httpd, the stop signals and the settings; returns the exit status of the launcher. Knows no folder
except the drain flag, and no configuration.
"""

import time
from pathlib import Path

from inkwell.apache import probe
from inkwell.apache.config import DRAIN_S
from inkwell.apache.console import log_info
from inkwell.apache.httpd import Httpd
from inkwell.apache.startup import Startup
from inkwell.apache.stop_signals import StopSignals
from inkwell.settings.settings import Settings

STARTING_TICK_S = 0.05
SERVING_TICK_S = 0.5
DRAINING_TICK_S = 0.2
FAILED = 1


class Supervisor:
    """Watches one httpd until it has ended."""

    def __init__(self, settings: Settings, httpd: Httpd, stop: StopSignals, drain_flag: Path) -> None:
        self._settings = settings
        self._httpd = httpd
        self._stop = stop
        self._drain_flag = drain_flag

    def run(self) -> int:
        """Serve until a stop signal or the end of httpd; returns 0 if no request was aborted."""
        startup = Startup(self._settings)
        while self._httpd.running:
            if self._stop.wait(SERVING_TICK_S if startup.ready else STARTING_TICK_S):
                return self._stop_serving(startup.answered)
            if not startup.ready:
                startup.look()
            if startup.hopeless:
                return self._cut("the web process does not answer; the lines above say why")
            self._httpd.reap_orphans()
        return self._report_end()

    def _stop_serving(self, answered: bool) -> int:
        """Refuse new requests, wait until the running ones have ended, then end httpd."""
        self._drain_flag.touch()
        log_info("stopping: running requests finish, new ones are refused")
        deadline = time.monotonic() + DRAIN_S
        while self._httpd.running and self._has_requests(answered):
            if time.monotonic() > deadline:
                return self._cut(f"requests were still running after {DRAIN_S} s; aborting them")
            if self._stop.wait(DRAINING_TICK_S):
                return self._cut("second signal: running requests are aborted")
        return self._finish()

    def _has_requests(self, answered: bool) -> bool:
        """Whether requests are running. A service that stopped responding is assumed to be busy."""
        answer = probe.ask(self._settings.host, self._settings.port)
        return answer.requests != 0 if answer else answered

    def _finish(self) -> int:
        """End httpd gracefully, because the last bytes of the last replies may still be in transit."""
        self._httpd.finish()
        while self._httpd.running:
            if self._stop.wait(DRAINING_TICK_S):
                return self._cut("second signal: running requests are aborted")
        log_info("stopped")
        return 0

    def _cut(self, reason: str) -> int:
        log_info(reason)
        self._httpd.cut()
        return FAILED

    def _report_end(self) -> int:
        """httpd has ended unexpectedly."""
        log_info(f"Apache ended by itself with status {self._httpd.status}")
        return FAILED
