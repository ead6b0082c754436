"""Keys with the real Apache: access, startup errors, and that keys never appear in output."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.live import LiveServer, free_port, live_server, start_launcher

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = "https://app.example"


def made(name: str, *options: str) -> tuple[str, str]:
    """Return a new key and its line, as printed by scripts/make_key.py."""
    command = [sys.executable, str(ROOT / "scripts" / "make_key.py"), name, *options]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(line.partition(":")[2].strip() for line in printed)  # type: ignore[return-value]


ALICE, ALICE_LINE = made("alice", "--requests-per-minute", "0")
BOB, BOB_LINE = made("bob", "--requests-per-minute", "2")
ROOT_KEY, ROOT_LINE = made("root", "--scope", "admin")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with one client in a file that only its owner can read, and two in the variable."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"# clients\n{ALICE_LINE}\n")
    file.chmod(0o600)
    settings = {"keys_file": file, "keys": f"{BOB_LINE}; {ROOT_LINE}", "cors_origins": PAGE, "preload": "demo"}
    with live_server(host="0.0.0.0", **settings) as server:
        yield server


def ask(server: LiveServer, key: str | None, path: str = "/models", **more: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return requests.get(f"{server.url}{path}", headers=headers, timeout=60, **more)


def generate(server: LiveServer, key: str, **values: object) -> requests.Response:
    body = {"input_text": "a", "length": 1, **values}
    return requests.post(f"{server.url}/text-generate", json=body, headers={"X-Api-Key": key}, timeout=60)


def check_shape(response: requests.Response, status: int, code: str) -> None:
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
    assert list(response.json()) == ["error"] and response.headers["X-Request-Id"]
    error = response.json()["error"]
    assert list(error) == ["message", "type", "param", "code"] and error["code"] == code


def test_a_key_gets_through_apache_and_its_absence_is_an_error_in_the_common_format(guarded: LiveServer) -> None:
    assert ask(guarded, ALICE).status_code == 200
    assert requests.get(f"{guarded.url}/models", headers={"X-Api-Key": ALICE}, timeout=10).status_code == 200
    assert generate(guarded, ALICE).status_code == 200
    for key in (None, "ink-wrong", hashlib.sha256(ALICE.encode()).hexdigest()):
        response = ask(guarded, key)
        check_shape(response, 401, "invalid_api_key")
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_probes_and_pages_need_no_key(guarded: LiveServer) -> None:
    for path in ("/livez", "/readyz", "/apidocs/", "/apispec_1.json"):
        assert ask(guarded, None, path).status_code == 200


def test_two_authorization_headers_open_nothing(guarded: LiveServer) -> None:
    assert ask(guarded, f"{ALICE}, Bearer {ALICE}").status_code == 401


def test_every_refusal_of_the_application_has_the_one_shape(guarded: LiveServer) -> None:
    check_shape(ask(guarded, ROOT_KEY), 403, "permission_denied")
    check_shape(ask(guarded, ALICE, "/nowhere"), 404, "not_found")
    check_shape(requests.delete(f"{guarded.url}/models", timeout=10), 405, "method_not_allowed")
    url, key = f"{guarded.url}/text-generate", {"X-Api-Key": ALICE}
    check_shape(requests.post(url, data=b"{}", headers=key, timeout=10), 415, "unsupported_media_type")
    body = b" " * (2 << 20)
    check_shape(requests.post(url, data=body, headers=key, timeout=10), 413, "payload_too_large")


def test_a_client_over_its_limit_gets_a_retry_after_and_others_go_on(guarded: LiveServer) -> None:
    replies = [generate(guarded, BOB) for _ in range(3)]
    assert [reply.status_code for reply in replies[:2]] == [200, 200]
    check_shape(replies[2], 429, "rate_limit_exceeded")
    assert 1 <= int(replies[2].headers["Retry-After"]) <= 120
    assert 1 <= int(replies[2].headers["retry-after-ms"]) <= 1000 * int(replies[2].headers["Retry-After"])
    assert generate(guarded, ALICE).status_code == 200


def test_a_page_of_a_named_origin_may_call_and_no_other(guarded: LiveServer) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    url = f"{guarded.url}/text-generate"
    allowed = requests.options(url, headers=asked | {"Origin": PAGE}, timeout=10)
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    other = requests.options(url, headers=asked | {"Origin": "https://evil.invalid"}, timeout=10)
    assert other.status_code == 401 and "Access-Control-Allow-Origin" not in other.headers


def test_neither_keys_nor_digests_reach_a_log_an_environment_or_other_accounts(guarded: LiveServer) -> None:
    ask(guarded, ALICE)
    ask(guarded, f"{ALICE}x")
    secrets = [ALICE, BOB, ROOT_KEY, *(line.split()[1] for line in (ALICE_LINE, BOB_LINE, ROOT_LINE))]
    assert not [secret for secret in secrets if secret in guarded.logs()]
    below = [process for process in guarded.family() if process.pid != guarded.process.pid]
    assert len(below) >= 3
    for process in below:
        assert not [secret for secret in secrets if secret in str(process.environ())]
    assert guarded.run_folder().stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_machines_and_no_keys_stop_the_start_with_what_to_do(host: str) -> None:
    message = refusal({"host": host, "port": free_port()})
    assert "INKWELL_KEYS_FILE" in message and "make_key.py" in message and "INKWELL_OPEN=1" in message


def test_a_malformed_line_stops_the_start_without_being_quoted(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{ALICE_LINE}\nbob ink-secret infer\n")
    message = refusal({"keys_file": tmp_path / "keys", "port": free_port()})
    assert "INKWELL_KEYS_FILE, line 2" in message and "secret" not in message


def test_the_development_server_refuses_in_the_same_words() -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("INKWELL_")}
    command = [sys.executable, "-m", "flask", "--app", "inkwell.dev", "routes"]
    done = subprocess.run(
        command, cwd=ROOT, env=variables | {"INKWELL_HOST": "0.0.0.0"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0 and "INKWELL_OPEN=1" in done.stderr and "Traceback" not in done.stderr


def refusal(settings: dict[str, object]) -> str:
    """Return the single line with which the launcher refuses to start."""
    process = start_launcher(settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors.count("\n")) == (os.EX_CONFIG, "", 1)
    return errors
