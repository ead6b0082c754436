"""Logging: one JSON object a line on standard output, for people and collectors alike.

Records carry ids, names, counts and times; no prompt, generated text or key is ever handed to a logger.
"""

import logging
import os

from pythonjsonlogger.json import JsonFormatter

STANDARD_OUTPUT = 1


def configure(level: str) -> None:
    """Send all records of `level` and above to standard output, as JSON.

    The descriptor is used itself, because under mod_wsgi `sys.stdout` leads into Apache's error log, which would put
    a time and the level "error" before every line.
    """
    handler = logging.StreamHandler(os.fdopen(STANDARD_OUTPUT, "w", closefd=False))
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
