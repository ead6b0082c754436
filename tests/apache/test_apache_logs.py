"""Lines of Apache and of libraries in the launcher's output: as JSON records, and as text without losses."""

import json

import pytest

from inkwell.apache.apache_logs import ApacheLogTranslator

ID = "awH9F3c1Lx7yjlXUYkfJOQAAANI"
REFUSED = f"inkwell-refused 431 1500 192.0.2.7 {ID} {ID}\n".encode()
ERROR = b"[Sat Nov 21 20:21:46.057199 2026] [wsgi:error] [pid 28851] [-] Traceback (most recent call last):\n"
RECORD = b'{"time": "2026-11-21T20:21:31.891Z", "message": "request ended"}\n'


def translated(line: bytes, form: str = "json", level: str = "debug") -> bytes:
    return ApacheLogTranslator(form, level).translate(line)


def record_of(line: bytes) -> dict[str, object]:
    return json.loads(translated(line))


def test_a_record_of_ours_stays_as_it_is():
    assert translated(RECORD) == RECORD == translated(RECORD, "text")


def test_a_request_that_apache_refuses_is_logged_like_others():
    record = record_of(REFUSED)
    assert record["time"] and (record["level"], record["message"]) == ("INFO", "request ended")
    assert (record["status"], record["code"], record["route"]) == (431, "headers_too_large", "other")
    assert (record["request_id"], record["address"]) == (ID, "192.0.2.7")
    assert (record["duration_s"], record["client"], record["method"]) == (0.0015, None, None)
    assert record_of(REFUSED.replace(b"431", b"502"))["level"] == "ERROR"
    assert b"request ended request_id=awH9F3" in translated(REFUSED, "text")


LEVELS = {"crit": "CRITICAL", "error": "ERROR", "warn": "WARNING", "notice": "INFO", "trace1": "DEBUG"}


@pytest.mark.parametrize(("word", "level"), LEVELS.items())
def test_an_error_of_apache_keeps_its_level_and_where_it_comes_from(word: str, level: str):
    record = record_of(ERROR.replace(b"error", word.encode(), 1))
    assert (record["level"], record["logger"]) == (level, "apache.wsgi")
    assert record["message"] == "Traceback (most recent call last):"
    assert translated(ERROR, "text") == ERROR


def test_an_error_of_no_module_is_one_too():
    record = record_of(ERROR.replace(b"[wsgi:error]", b"[-:error]"))
    assert (record["level"], record["message"]) == ("ERROR", "Traceback (most recent call last):")


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_is_below_the_level_is_dropped(form: str):
    kept = {"error": {"error"}, "warning": {"error", "warn"}, "info": {"error", "warn", "notice"}}
    for level, words in kept.items():
        lines = {word: ERROR.replace(b"error", word.encode(), 1) for word in ("error", "warn", "notice", "debug")}
        assert {word for word, line in lines.items() if translated(line, form, level)} == words
        assert bool(translated(REFUSED, form, level)) == (level == "info")
        assert translated(REFUSED.replace(b"431", b"502"), form, level)
        assert translated(b"terminate called\n", form, level)


DEEP = b'{"a":' * 100_000


@pytest.mark.parametrize(
    "line", [b"terminate called", b'{"cut": ', b"[1, 2]", b"\xff\x00\x1b[0m", b'"a"', b"{} {}", DEEP], ids=range(7)
)
def test_whatever_else_is_printed_is_the_message_of_a_record(line: bytes):
    record = record_of(line + b"\n")
    assert (record["level"], record["logger"]) == ("WARNING", "output")
    assert record["message"] == line.decode(errors="replace") and record["time"]
    assert translated(line, "text") == line


def test_nothing_becomes_nothing():
    assert translated(b"\n") == b""


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_a_refusal_tells_already_is_dropped_twice(form: str):
    line = b"[...] [wsgi:error] [pid 1] [id] [script wsgi.py] WSGI0139: Request requires chunked transfer encoding\n"
    assert translated(line, form) == b""


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_incomplete_body_is_logged_only_by_the_application(form: str):
    unread = f"[...] [wsgi:error] [pid 1] [{ID}] [script wsgi.py] WSGI0126: Request data read error when ...\n"
    ended = REFUSED.replace(b"431", b"408").replace(ID.encode() + b"\n", b"mine\n")
    translator = ApacheLogTranslator(form, "info")
    assert translator.translate(ended) and not translator.translate(unread.encode())
    assert translator.translate(REFUSED.replace(ID.encode(), b"another"))
    assert not translator.translate(ended) and translator.translate(ended)
