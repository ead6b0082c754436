"""The nginx site of docs/deploy in front of a real server: TLS, streams, limits, logs, and a service that is down."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from inkwell.parameters import MAX_INPUT_BYTES
from tests.deploy.streams import DONE, PROMPT
from tests.live import PROJECT_ROOT, LiveServer, free_port, live_server, public_folder

pytestmark = pytest.mark.slow

SITE = PROJECT_ROOT / "docs/deploy/inkwell.nginx"
NGINX = Path(sys.prefix, "bin/nginx")  # installed there by the Makefile
MAIN = (
    "daemon off; pid {folder}/pid; error_log {folder}/main.log; events {{}} http {{ {paths} include {folder}/site; }}"
)
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CANARY = "ZwitscherndeRohrdommel"
PING_S = 0.3


@dataclass(frozen=True, slots=True)
class Front:
    """A running nginx: its address, certificate and logs."""

    url: str
    plain_url: str
    certificate: Path
    folder: Path

    def get(self, path: str, **options: object) -> requests.Response:
        return requests.get(f"{self.url}{path}", verify=self.certificate, timeout=60, **options)  # type: ignore

    def logs(self) -> str:
        return "".join(file.read_text() for file in self.folder.glob("*.log"))


def rendered_site(folder: Path, upstream: int, plain: int, tls: int) -> str:
    """The shipped site with other ports and paths; each of the replaced texts must occur in it."""
    text = SITE.read_text()
    changes = {
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{upstream};",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{tls} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        "/etc/letsencrypt/live/inkwell.example/": f"{folder}/",
        "/var/log/nginx/": f"{folder}/",
        "/var/www/html": f"{folder}/www",
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


@contextmanager
def nginx_before(upstream: int) -> Iterator[Front]:
    """The site on free ports, with a certificate of its own, until the end of the block."""
    plain, tls = free_port(), free_port()
    with public_folder() as folder:
        make_certificate(folder)
        (folder / "site").write_text(rendered_site(folder, upstream, plain, tls))
        paths = " ".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, paths=paths))
        process = subprocess.Popen([NGINX, "-e", folder / "main.log", "-c", folder / "nginx.conf"])
        try:
            wait_for(tls)
            yield Front(f"https://localhost:{tls}", f"http://localhost:{plain}", folder / "fullchain.pem", folder)
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(10)


def make_certificate(folder: Path) -> None:
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*command, "-days", "2", *names, *files], check=True, capture_output=True)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with live_server(preload="demo", ping_s=PING_S) as running:
        yield running


@pytest.fixture(scope="module")
def front(server: LiveServer) -> Iterator[Front]:
    with nginx_before(server.port) as running:
        yield running


def test_a_stream_passes_event_by_event(server: LiveServer, front: Front) -> None:
    """The worker is paused after its first event, so that only that event and pings can arrive."""
    (worker,) = server.workers()
    with front.get("/text-generate", params=PROMPT, stream=True) as response:
        lines = response.iter_lines(decode_unicode=True)
        assert next(lines).startswith("data:")
        worker.suspend()
        suspended = time.monotonic()
        try:
            first_ping = next(line for line in lines if line.startswith(":"))
            silence_s = time.monotonic() - suspended
        finally:
            worker.resume()
        rest = [line for line in lines if line.startswith("data:")]
    assert first_ping and silence_s >= PING_S * 0.5
    assert len(rest) > 10 and rest[-1] == DONE


def test_the_longest_request_line_passes(front: Front) -> None:
    escaped = "%F0%9F%98%80" * (MAX_INPUT_BYTES // 4)
    assert "context_length_exceeded" in front.get(f"/text-generate?input_text={escaped}").text


def test_a_body_that_is_too_large_is_refused_by_the_service_itself(front: Front) -> None:
    response = requests.post(
        f"{front.url}/text-generate", json={"input_text": "a" * 1_100_000}, verify=front.certificate, timeout=60
    )
    assert (response.status_code, response.json()["error"]["code"]) == (413, "payload_too_large")


def test_plain_http_is_refused(front: Front) -> None:
    response = requests.get(f"{front.plain_url}/models", timeout=10)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")


def test_the_proof_that_the_name_is_ours_goes_over_plain_http(front: Front) -> None:
    challenges = front.folder / "www/.well-known/acme-challenge"
    challenges.mkdir(parents=True)
    (challenges / "token").write_text("proof")
    assert requests.get(f"{front.plain_url}/.well-known/acme-challenge/token", timeout=10).text == "proof"


def test_neither_queries_nor_referers_are_logged(front: Front) -> None:
    front.get("/text-generate", params={"input_text": CANARY, "length": 1}, headers={"Referer": f"http://{CANARY}/"})
    front.get("/nowhere", params={"input_text": CANARY})
    deadline = time.monotonic() + 5
    while "/nowhere 404" not in front.logs():
        assert time.monotonic() < deadline, front.logs()
        time.sleep(0.05)
    assert CANARY not in front.logs()


def test_a_service_that_is_away_gives_the_one_shape_of_errors_and_no_log_of_the_prompt() -> None:
    with nginx_before(free_port()) as front:
        response = front.get("/text-generate", params={"input_text": CANARY})
        assert (response.status_code, response.json()["error"]["code"]) == (502, "bad_gateway")
        assert response.headers["Retry-After"] == "5"
        assert CANARY not in front.logs()


def test_nginx_finds_nothing_wrong_with_the_site() -> None:
    with nginx_before(free_port()) as front:
        command = [NGINX, "-t", "-e", os.devnull, "-c", front.folder / "nginx.conf"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        assert "test is successful" in said and "[warn]" not in said
