"""Reports the progress of a start: polls /readyz until the service is ready, and prints each new reason why it is not.

When it is ready, prints its addresses and an example request.
"""

import time

from inkwell.apache import probe
from inkwell.apache.config import authority
from inkwell.apache.console import log_info, print_lines
from inkwell.settings.settings import Settings

ANSWER_LIMIT_S = 60.0  # for the first response of the web process; loading a model may take longer


class Startup:
    """Tracks whether the service has become ready, and whether to keep waiting."""

    def __init__(self, settings: Settings) -> None:
        self._host = settings.host
        self._port = settings.port
        self._model = settings.default_model
        self._for_people = settings.log_format == "text"
        self._key = "-H 'Authorization: Bearer YOUR-KEY' " if settings.keys_file or settings.keys else ""
        self._started = time.monotonic()
        self._reason: str | None = None
        self.ready = False

    @property
    def answered(self) -> bool:
        """Whether the web process has ever answered."""
        return self.ready or self._reason is not None

    @property
    def hopeless(self) -> bool:
        """Whether the web process has not sent a usable response for too long."""
        return not self.answered and self._seconds > ANSWER_LIMIT_S

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def look(self) -> None:
        """Query once, and print any change."""
        answer = probe.ask(self._host, self._port)
        if answer is None:
            return
        if answer.ready:
            self.ready = True
            self._announce(f"ready after {self._seconds:.1f} s")
        elif answer.reason != self._reason:
            hint = "" if answer.status == "loading" else " (checked repeatedly; Ctrl-C stops)"
            log_info(f"not ready yet: {answer.reason}{hint}")
        self._reason = answer.reason

    def _announce(self, text: str) -> None:
        """Print addresses and an example request: as lines to copy in text format, as fields of a record in JSON."""
        url = f"http://{authority(probe.local_host(self._host), self._port)}"
        query = f"input_text=Once%20upon%20a%20time&length=60&model_name={self._model}"
        command = f"curl {self._key}'{url}/text-generate?{query}'"
        if not self._for_people:
            log_info(text, service=f"{url}/", swagger=f"{url}/apidocs/", try_it=command)
            return
        log_info(text)
        print_lines(
            (
                "",
                f"  Service   {url}/",
                f"  Swagger   {url}/apidocs/",
                f"  Try it    {command}",
                "  Stop      Ctrl-C: running requests finish first; a second Ctrl-C aborts them",
                "",
            )
        )
