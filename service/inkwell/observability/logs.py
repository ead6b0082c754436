"""Logging: one line a record on standard output, as a JSON object for collectors or as text for people.

Records carry ids, names, counts and times; no prompt, generated text or key is ever passed to a logger.
"""

import json
import logging
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

STANDARD_OUTPUT = 1
PLAIN = re.compile(r"[\w./:@+-]+")  # a value that needs no quotes


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The lowest level of records that are written, and their format: "json" or "text"."""

    level: str = "warning"
    form: str = "json"


class JsonLines(JsonFormatter):
    """One JSON object per record; its time is in UTC, in RFC 3339 format with milliseconds."""

    def __init__(self) -> None:
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        super().__init__("{asctime}{levelname}{name}{message}", style="{", rename_fields=names)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextFormatter(logging.Formatter):
    """Time, level, logger and message, then every other field as name=value."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The first line; a traceback follows on separate lines."""
        extra = [(name, value) for name, value in vars(record).items() if name not in RESERVED_ATTRS]
        line = super().formatMessage(record).replace("\n", "\\n")
        return " ".join([line, *(f"{name}={_shown(value)}" for name, value in extra)])


def configure(level: str, form: str = "json", **fields: str) -> None:
    """Send all records of `level` and above, and Python's warnings, to standard output as "json" or "text".

    Every record gets the `fields`. Writes to the file descriptor itself, because mod_wsgi redirects `sys.stdout` to
    Apache's error log, which would prefix every line with a time and the level "error".
    """

    def add_fields(record: logging.LogRecord) -> bool:
        vars(record).update({name: value for name, value in fields.items() if name not in vars(record)})
        return True

    handler = logging.StreamHandler(os.fdopen(STANDARD_OUTPUT, "w", closefd=False))
    handler.setFormatter(formatter(form))
    handler.addFilter(add_fields)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)


def formatter(form: str) -> logging.Formatter:
    """The formatter for "json" or "text"."""
    return TextFormatter() if form == "text" else JsonLines()


def _shown(value: object) -> str:
    """A value on one line, quoted if it would be ambiguous."""
    if isinstance(value, list):
        return ",".join(map(_shown, value)) or "-"
    text = "-" if value is None else str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text)
