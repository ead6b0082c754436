"""Turns lines that Apache and libraries write into log records.

Takes bytes, returns bytes. Requests that the application answers have a record already (http/access_log.py); Apache
logs only those that it answers itself, in the format that httpd.conf.template names `refused`. Among them are requests
whose body did not arrive: mod_wsgi calls the application before it reads the body, so they have a record as well.
"""

import json
import logging
import re
from collections import deque
from typing import Any

from inkwell.observability.logs import formatter
from inkwell.parameters.refusals import refusal_of

REFUSED = re.compile(
    r"inkwell-refused (?P<status>\d{3}) (?P<us>\d+) (?P<address>\S+) (?P<unique_id>\S+) (?P<request_id>\S+)"
)
ERROR = re.compile(
    r"\[[^]]*\] \[(?P<module>[\w-]*):(?P<level>\w+)\] \[pid \d+\] \[(?P<unique_id>[^]\s]+)\] (?P<text>.*)"
)
LEVELS = {
    "emerg": logging.CRITICAL, "alert": logging.CRITICAL, "crit": logging.CRITICAL, "error": logging.ERROR,
    "warn": logging.WARNING, "notice": logging.INFO, "info": logging.INFO,
}  # fmt: skip
CHUNKED = " WSGI0139: "  # a body of unknown length; the record of its refusal covers it
UNREAD = " WSGI0126: "  # the client sent less than its Content-Length, or too slowly
MAX_KNOWN = 1_000


class ApacheLogTranslator:
    """Renders lines as "json" or "text"; as text, Apache's errors stay as they are.

    Apache's lines below `level` are dropped. All other output has no level and is never dropped.
    """

    def __init__(self, form: str, level: str) -> None:
        self._formatter = formatter(form)
        self._is_json = form == "json"
        self._level = logging.getLevelNamesMapping()[level.upper()]
        # Ids of requests that the application has logged and Apache may log as well; bounded, in case it does not.
        self._known: deque[str] = deque(maxlen=MAX_KNOWN)

    def translate(self, line: bytes) -> bytes:
        """Translate one line, including its line end; the application's own records stay unchanged."""
        text = line.decode(errors="replace").rstrip("\r\n")
        if refused := REFUSED.fullmatch(text):
            return self._refusal(refused)
        if error := ERROR.fullmatch(text):
            return self._error(error, line)
        if not self._is_json or _is_record(text):
            return line
        return self._written("output", logging.WARNING, text) if text else b""

    def _error(self, error: re.Match[str], line: bytes) -> bytes:
        if UNREAD in error["text"]:
            self._known.append(error["unique_id"])
            return b""
        level = LEVELS.get(error["level"], logging.DEBUG)
        if level < self._level or CHUNKED in error["text"]:
            return b""
        return self._written(f"apache.{error['module']}", level, error["text"]) if self._is_json else line

    def _refusal(self, refused: re.Match[str]) -> bytes:
        """The record of a request that Apache answered, with the same fields as the application's records."""
        if refused["unique_id"] in self._known:
            self._known.remove(refused["unique_id"])
            return b""
        status = int(refused["status"])
        level = logging.ERROR if status >= 500 else logging.INFO
        if level < self._level:
            return b""
        facts = {
            "request_id": refused["request_id"],
            "client": None,
            "address": refused["address"],
            "method": None,
            "route": "other",
            "status": status,
            "code": refusal_of(status).code,
            "duration_s": round(int(refused["us"]) / 1e6, 4),
        }
        return self._written("apache", level, "request ended", **facts)

    def _written(self, name: str, level: int, text: str, **facts: Any) -> bytes:
        described = {"name": name, "levelno": level, "levelname": logging.getLevelName(level), "msg": text}
        return f"{self._formatter.format(logging.makeLogRecord(described | facts))}\n".encode()


def _is_record(text: str) -> bool:
    if not text.startswith("{"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):  # RecursionError for deeply nested JSON
        return False
