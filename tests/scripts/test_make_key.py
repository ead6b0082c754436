"""`scripts/make_key.py`: the service accepts the key, and the line does not contain it."""

import subprocess
import sys
from pathlib import Path

import pytest

from inkwell.access.keys import load_keys

SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts" / "make_key.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)


def printed(*arguments: str) -> list[str]:
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return [line.partition(":")[2].strip() for line in done.stdout.splitlines()]


def test_the_line_names_the_client_of_the_key():
    key, line = printed("alice")
    client = load_keys(None, line).find(key)
    assert (client.name, client.scopes) == ("alice", {"infer"})
    assert key.startswith("ink-") and len(key) > 40 and key not in line


def test_scopes_and_limits_are_as_asked_for():
    key, line = printed("ops", "--scope", "infer,admin", "--requests-per-minute", "5", "--tokens-per-minute", "0")
    client = load_keys(None, line).find(key)
    assert client.scopes == {"infer", "admin"}
    assert (client.requests_per_minute, client.tokens_per_minute) == (5, 0)


def test_two_keys_of_one_name_differ_and_hold_together():
    (old, first), (new, second) = printed("alice"), printed("alice")
    keys = load_keys(None, f"{first};{second}")
    assert old != new and keys.find(old) == keys.find(new)


@pytest.mark.parametrize(
    "arguments",
    [(), ("a b",), ("a;b",), ("#a",), ("",), ("a", "--scope", "all"), ("a", "--tokens-per-minute", "-1")],
    ids=str,
)
def test_what_the_service_would_refuse_is_refused_here(arguments: tuple[str, ...]):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
