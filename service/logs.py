"""Logging: one line a record on standard output, as a JSON object for collectors or as text for people.

Records carry ids, names, counts and times; no prompt, generated text or key is ever handed to a logger.
"""

import json
import logging
import os
import re

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

STANDARD_OUTPUT = 1
PLAIN = re.compile(r"[\w./:@+-]+")  # a value that needs no quotes


class TextFormatter(logging.Formatter):
    """Time, level, logger and message, then every other field as name=value."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without a traceback, which follows on lines of its own."""
        extra = [(name, value) for name, value in vars(record).items() if name not in RESERVED_ATTRS]
        line = super().formatMessage(record).replace("\n", "\\n")
        return " ".join([line, *(f"{name}={_shown(value)}" for name, value in extra)])


def configure(level: str, form: str = "json") -> None:
    """Send all records of `level` and above to standard output, as "json" or "text".

    The descriptor is used itself, because under mod_wsgi `sys.stdout` leads into Apache's error log, which would put
    a time and the level "error" before every line.
    """
    handler = logging.StreamHandler(os.fdopen(STANDARD_OUTPUT, "w", closefd=False))
    handler.setFormatter(TextFormatter() if form == "text" else _json_formatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _json_formatter() -> JsonFormatter:
    return JsonFormatter(
        "{asctime}{levelname}{name}{message}",
        style="{",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
    )


def _shown(value: object) -> str:
    """A value on one line that no other value can be taken for."""
    if isinstance(value, list):
        return ",".join(map(_shown, value)) or "-"
    text = "-" if value is None else str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text)
