"""Standard output of the launcher: its own records, and the lines of Apache and all of its child processes.

Writing never raises: a closed terminal or pipe must not end a service that has requests to finish. In the format "json"
every output line is a JSON object, regardless of the process that wrote it.
"""

import logging
import os
import sys
from collections.abc import Iterable

from inkwell.apache.apache_logs import ApacheLogTranslator
from inkwell.observability.logs import formatter

STANDARD_OUTPUT = 1

log = logging.getLogger("inkwell")


def log_info(text: str, **fields: object) -> None:
    """Log one record of the launcher."""
    log.info(text, extra=fields)


def print_fatal(text: str, form: str) -> None:
    """Print why the service cannot start, on standard error, because logging is not configured yet."""
    described = {"name": log.name, "levelno": logging.CRITICAL, "levelname": "CRITICAL", "msg": text}
    print(formatter(form).format(logging.makeLogRecord(described)), file=sys.stderr)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines without a prefix, so that they can be copied; only in the text format."""
    _write("".join(f"{line}\n" for line in lines).encode())


def copy(lines: Iterable[bytes], translator: ApacheLogTranslator) -> None:
    """Write lines through the translator until the source ends.

    Keeps reading when output is closed, so that the source never blocks.
    """
    for line in lines:
        _write(translator.translate(line))


def _write(data: bytes) -> None:
    try:
        while data:
            data = data[os.write(STANDARD_OUTPUT, data) :]
    except OSError:
        return
