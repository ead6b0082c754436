"""Lines that others write into the log, as records: Apache's own, and what libraries print.

Takes bytes, gives bytes. Requests that the application answers have a record already (`service/api/record.py`); Apache
tells only of those that it answers itself, in the form that httpd.conf.template names `refused`.
"""

import json
import logging
import re
from typing import Any

from service.logs import formatter
from service.refusals import REFUSALS

REFUSED = re.compile(r"inkwell-refused (?P<status>\d{3}) (?P<us>\d+) (?P<address>\S+) (?P<request_id>\S+)")
ERROR = re.compile(r"\[[^]]*\] \[(?P<module>\w*):(?P<level>\w+)\] \[pid \d+\] (?P<text>.*)")
LEVELS = {
    "emerg": logging.CRITICAL, "alert": logging.CRITICAL, "crit": logging.CRITICAL, "error": logging.ERROR,
    "warn": logging.WARNING, "notice": logging.INFO, "info": logging.INFO,
}  # fmt: skip
TOLD = b" WSGI0139: "  # a chunked body, which the record of its refusal tells too
CODES = {refusal.status: refusal.code for refusal in REFUSALS}


class Translator:
    """Makes lines of the form "json" or "text"; as text, Apache's errors stay as they are."""

    def __init__(self, form: str) -> None:
        self._formatter = formatter(form)
        self._is_json = form == "json"

    def translate(self, line: bytes) -> bytes:
        """One line, with its end; a record of ours comes out as it was."""
        if TOLD in line:
            return b""
        text = line.decode(errors="replace").rstrip("\r\n")
        if refused := REFUSED.fullmatch(text):
            return self._refusal(refused)
        if not self._is_json or _is_record(text):
            return line
        if not text:
            return b""
        if error := ERROR.fullmatch(text):
            level = LEVELS.get(error["level"], logging.DEBUG)
            return self._written(f"apache.{error['module']}", level, error["text"])
        return self._written("output", logging.WARNING, text)

    def _refusal(self, refused: re.Match[str]) -> bytes:
        """The record of a request that Apache answered, with the fields that those of the application have too."""
        status = int(refused["status"])
        facts = {
            "request_id": refused["request_id"],
            "client": None,
            "address": refused["address"],
            "method": None,
            "route": "other",
            "status": status,
            "code": CODES.get(status),
            "duration_s": round(int(refused["us"]) / 1e6, 4),
        }
        return self._written("apache", logging.ERROR if status >= 500 else logging.INFO, "request ended", **facts)

    def _written(self, name: str, level: int, text: str, **facts: Any) -> bytes:
        described = {"name": name, "levelno": level, "levelname": logging.getLevelName(level), "msg": text}
        return f"{self._formatter.format(logging.makeLogRecord(described | facts))}\n".encode()


def _is_record(text: str) -> bool:
    if not text.startswith("{"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
