"""Lines of Apache and of libraries as they leave the launcher: records in JSON, and nothing lost as text."""

import json

import pytest

from service.apache.foreign import Translator

REFUSED = b"inkwell-refused 431 1500 192.0.2.7 awH9F3c1Lx7yjlXUYkfJOQAAANI\n"
ERROR = b"[Sat Nov 21 20:21:46.057199 2026] [wsgi:error] [pid 28851] Traceback (most recent call last):\n"
RECORD = b'{"time": "2026-11-21T20:21:31.891Z", "message": "request ended"}\n'


def told(line: bytes) -> dict[str, object]:
    return json.loads(Translator("json").translate(line))


def test_a_record_of_ours_stays_as_it_is():
    assert Translator("json").translate(RECORD) == RECORD == Translator("text").translate(RECORD)


def test_a_request_that_apache_refuses_is_told_as_others_are():
    record = told(REFUSED)
    assert record["time"] and (record["level"], record["message"]) == ("INFO", "request ended")
    assert (record["status"], record["code"], record["route"]) == (431, "headers_too_large", "other")
    assert (record["request_id"], record["address"]) == ("awH9F3c1Lx7yjlXUYkfJOQAAANI", "192.0.2.7")
    assert (record["duration_s"], record["client"], record["method"]) == (0.0015, None, None)
    assert told(REFUSED.replace(b"431", b"502"))["level"] == "ERROR"
    assert b"request ended request_id=awH9F3" in Translator("text").translate(REFUSED)


LEVELS = {"crit": "CRITICAL", "error": "ERROR", "warn": "WARNING", "notice": "INFO", "trace1": "DEBUG"}


@pytest.mark.parametrize(("word", "level"), LEVELS.items())
def test_an_error_of_apache_keeps_its_level_and_where_it_comes_from(word: str, level: str):
    record = told(ERROR.replace(b"error", word.encode(), 1))
    assert (record["level"], record["logger"]) == (level, "apache.wsgi")
    assert record["message"] == "Traceback (most recent call last):"
    assert Translator("text").translate(ERROR) == ERROR


@pytest.mark.parametrize("line", [b"terminate called", b'{"cut": ', b"[1, 2]", b"\xff\x00\x1b[0m", b'"a"', b"{} {}"])
def test_whatever_else_is_printed_is_the_message_of_a_record(line: bytes):
    record = told(line + b"\n")
    assert (record["level"], record["logger"]) == ("WARNING", "output")
    assert record["message"] == line.decode(errors="replace") and record["time"]
    assert Translator("text").translate(line) == line


def test_nothing_becomes_nothing():
    assert Translator("json").translate(b"\n") == b""


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_a_refusal_tells_already_is_not_told_twice(form: str):
    line = b"[...] [wsgi:error] [pid 1] [script wsgi.py] WSGI0139: Request requires chunked transfer encoding\n"
    assert Translator(form).translate(line) == b""
