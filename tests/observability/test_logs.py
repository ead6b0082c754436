"""The format of log records: one JSON object per line, or an equivalent line of text."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import logging, sys
from inkwell.observability.logs import configure
configure("info", *sys.argv[1:])
log = logging.getLogger("inkwell.example")
log.info("it ended", extra={"model": "a b", "reasons": ["stop", "length"], "none": [], "first_s": None, "n": 3})
log.debug("below the level")
log.error("one\\nline", extra={"cause": 'x="y"\\nz'})
"""


def written(*form: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, *form]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("form", [[], ["json"]], ids=["default", "json"])
def test_json_is_the_default(form: list[str]):
    first, second = map(json.loads, written(*form))
    assert first["message"] == "it ended" and first["level"] == "INFO" and first["logger"] == "inkwell.example"
    assert (first["model"], first["reasons"], first["first_s"]) == ("a b", ["stop", "length"], None)
    assert second["message"] == "one\nline"


def test_warnings_of_libraries_are_records_and_every_record_has_the_fields_of_its_process():
    program = """
import logging, warnings
from inkwell.observability.logs import configure
configure("info", "json", model="demo")
warnings.warn("will change")
logging.getLogger("here").info("another", extra={"model": "its own"})
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    warning, own = map(json.loads, done.stdout.splitlines())
    assert (warning["level"], warning["logger"], warning["model"]) == ("WARNING", "py.warnings", "demo")
    assert "will change" in warning["message"] and done.stderr == "" and own["model"] == "its own"


def test_json_has_the_time_in_utc_as_rfc_3339_writes_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    logged_at = json.loads(written("json")[0])["time"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", logged_at)
    assert abs(datetime.fromisoformat(logged_at) - datetime.now(UTC)) < timedelta(minutes=1)


def test_text_is_one_line_a_record_with_every_field():
    first, second = written("text")
    assert first.endswith(' INFO inkwell.example: it ended model="a b" reasons=stop,length none=- first_s=- n=3')
    assert second.endswith(r' ERROR inkwell.example: one\nline cause="x=\"y\"\nz"')
