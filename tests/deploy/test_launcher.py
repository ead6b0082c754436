"""How `python -m inkwell` starts or refuses to start, and what it passes on to Apache."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from inkwell.settings.settings import Settings
from tests.live import LiveServer, free_port, live_server, public_folder, start_launcher

pytestmark = pytest.mark.slow


def refusal(settings: dict[str, object], *arguments: str) -> str:
    """Return the single line with which the launcher refuses to start."""
    process = start_launcher(settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == os.EX_CONFIG
    assert output == ""
    assert errors.count("\n") == 1
    return errors


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "http"), ("port", "0"), ("max_rows", "many"), ("device", "tpu"), ("prot", "8000"), ("models_dir", "")],
)
def test_a_setting_that_does_not_fit_stops_the_start_with_its_name(name: str, value: str) -> None:
    assert f"INKWELL_{name.upper()}" in refusal({name: value})


def test_a_port_in_use_stops_the_start() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"127.0.0.1:{port}" in refusal({"port": port})


def test_a_host_that_is_not_ours_stops_the_start() -> None:
    assert "192.0.2.1" in refusal({"host": "192.0.2.1", "port": free_port()})


def test_the_service_starts_without_any_model_and_tells_why_it_is_not_ready() -> None:
    with public_folder() as empty, live_server(models_dir=empty, ready="not ready yet") as server:
        response = requests.get(f"{server.url}/readyz", timeout=10)
        assert response.status_code == 503
        assert "demo" in response.json()["reason"]
        assert requests.get(f"{server.url}/livez", timeout=10).status_code == 200


def test_the_web_process_gets_the_settings_and_nothing_else_of_the_environment(server: LiveServer) -> None:
    names = set(server.httpd().environ())
    assert {name for name in names if not name.startswith("INKWELL_")} == {"PATH", "HOME", "LANG"}
    assert server.httpd().environ()["INKWELL_STATE_DIR"] == str(server.run_folder())


def test_the_run_folder_is_closed_to_others(server: LiveServer) -> None:
    assert server.run_folder().stat().st_mode & 0o007 == 0


def test_root_serves_as_another_user_and_anyone_else_as_themselves(server: LiveServer) -> None:
    web_process = next(process for process in server.family() if "wsgi:inkwell" in " ".join(process.cmdline()))
    expected = "www-data" if os.geteuid() == 0 else psutil.Process().username()
    assert web_process.username() == expected


def test_there_is_one_web_process_with_a_thread_for_every_request_that_apache_holds(server: LiveServer) -> None:
    web_processes = [process for process in server.family() if "wsgi:inkwell" in " ".join(process.cmdline())]
    assert len(web_processes) == 1
    apache = [process for process in server.httpd().children() if process not in web_processes]
    most = Settings.from_environ({}).max_connections
    assert [process.num_threads() > most for process in (*web_processes, *apache)] == [True, True]


@pytest.fixture(scope="module")
def readable() -> Iterator[LiveServer]:
    with live_server(log_format="text") as running:
        yield running


def test_the_printed_curl_line_works_as_pasted(readable: LiveServer) -> None:
    line = next(line for line in readable.logs().splitlines() if line.lstrip().startswith("Try it"))
    command = line.split("Try it", 1)[1].strip()
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, check=True)
    assert answer.stdout.strip()
    assert not answer.stdout.startswith("{")


def test_the_printed_pages_answer(readable: LiveServer) -> None:
    lines = [line.split() for line in readable.logs().splitlines() if line.startswith("  ")]
    pages = {words[0]: words[1] for words in lines if words[0] in ("Service", "Swagger")}
    assert len(pages) == 2
    for page in pages.values():
        assert requests.get(page, timeout=10).status_code == 200


def test_a_wildcard_host_prints_addresses_that_can_be_opened() -> None:
    with live_server(host="0.0.0.0", open=1, log_format="text") as server:
        assert f"http://127.0.0.1:{server.port}/" in server.logs()
        assert Path(server.run_folder(), "httpd.pid").read_text().strip() == str(server.httpd().pid)
