"""Responses of Apache itself, the headers it adds to all responses, and its logs."""

import json
import socket

import pytest
import requests

from inkwell.parameters import MAX_INPUT_BYTES
from inkwell.parameters.refusals import BODY_BYTES, HEADER_BYTES, HEADERS, REQUEST_LINE_BYTES
from tests.live import LiveServer

pytestmark = pytest.mark.slow

CANARY = "ZwitscherndeRohrdommel"
HEAD = "Host: localhost\r\nConnection: close\r\n"


def send(server: LiveServer, request: str) -> tuple[int, dict[str, str], str]:
    """Send exactly these bytes; clients such as requests would correct or reject most of them."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, body


REFUSED = {
    "a chunked body": (411, f"POST /text-generate HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "length and chunks": (
        411,
        f"POST /text-generate HTTP/1.1\r\n{HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "a body above the limit": (413, f"POST /text-generate HTTP/1.1\r\n{HEAD}Content-Length: {BODY_BYTES + 1}\r\n\r\n"),
    "two lengths": (400, f"POST / HTTP/1.1\r\n{HEAD}Content-Length: 3\r\nContent-Length: 4\r\n\r\n"),
    "a long header": (400, f"GET / HTTP/1.1\r\n{HEAD}X-Long: {'a' * (HEADER_BYTES + 1)}\r\n\r\n"),
    "many headers": (400, f"GET / HTTP/1.1\r\n{HEAD}" + "X-One: 1\r\n" * (HEADERS + 1) + "\r\n"),
    "a long address": (414, f"GET /?q={'a' * REQUEST_LINE_BYTES} HTTP/1.1\r\n{HEAD}\r\n"),
    "TRACE": (405, f"TRACE / HTTP/1.1\r\n{HEAD}\r\n"),
    "CONNECT": (400, f"CONNECT / HTTP/1.1\r\n{HEAD}\r\n"),
    "no HTTP at all": (400, "hello\r\n\r\n"),
    "HTTP 0.9": (400, "GET /\r\n"),
    "no host": (400, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
    "a malformed header": (400, f"GET / HTTP/1.1\r\n{HEAD}no colon\r\n\r\n"),
    "a malformed escape": (400, f"GET /%zz HTTP/1.1\r\n{HEAD}\r\n"),
    "a path above the root": (400, f"GET /../../etc/passwd HTTP/1.1\r\n{HEAD}\r\n"),
    "a NUL in the path": (404, f"GET /models%00 HTTP/1.1\r\n{HEAD}\r\n"),
    "an encoded slash": (404, f"GET /models/..%2f..%2fetc HTTP/1.1\r\n{HEAD}\r\n"),
    "an unknown expectation": (417, f"GET / HTTP/1.1\r\n{HEAD}Expect: miracles\r\n\r\n"),
    "a transfer encoding that is not implemented": (
        501,
        f"POST /text-generate HTTP/1.1\r\n{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    "a range of no byte": (416, f"GET /apidocs/assets/swagger-ui.css HTTP/1.1\r\n{HEAD}Range: bytes=99999999-\r\n\r\n"),
    "another file": (412, f'GET /apidocs/assets/swagger-ui.css HTTP/1.1\r\n{HEAD}If-Match: "another"\r\n\r\n'),
    "a WebSocket": (
        400,
        "GET /models HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n",
    ),
    "the refusals themselves": (403, f"GET /.refusals/404.json HTTP/1.1\r\n{HEAD}\r\n"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_every_refusal_has_the_one_json_shape(server: LiveServer, case: str) -> None:
    expected_status, request = REFUSED[case]
    status, headers, body = send(server, request)

    assert status == expected_status
    assert headers["content-type"] == "application/json"
    assert headers["server"] == "Apache"
    assert headers["x-request-id"] and headers["x-content-type-options"] == "nosniff"
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] in ("invalid_request_error", "permission_error")
    assert error["message"] and error["code"] and error["param"] is None
    assert ("well-formed HTTP" in error["message"]) == (status == 400 and case != "a WebSocket")
    assert ("method" in error["message"]) == (status in (405, 501))


def test_a_head_generates_no_text_that_nobody_gets(server: LiveServer) -> None:
    status, headers, body = send(server, f"HEAD /text-generate?input_text=a HTTP/1.1\r\n{HEAD}\r\n")
    assert (status, headers["allow"], body) == (405, "GET, POST", "")
    assert send(server, f"HEAD /models HTTP/1.1\r\n{HEAD}\r\n")[0] == 200


@pytest.mark.parametrize(
    "request_text",
    [f"GET / HTTP/1.1\r\n{HEAD}X-Slow", f"POST /text-generate HTTP/1.1\r\n{HEAD}Content-Length: 9\r\n\r\nabc"],
    ids=["header", "body"],
)
def test_a_request_that_does_not_arrive_in_time_is_refused_in_json(server: LiveServer, request_text: str) -> None:
    status, headers, body = send(server, request_text)
    assert status in (400, 408)  # the application may be what detects that the body is short
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


def test_the_longest_prompt_passes_in_a_query_with_every_byte_escaped(server: LiveServer) -> None:
    query = "%F0%9F%98%80" * (MAX_INPUT_BYTES // 4)
    _, _, body = send(server, f"GET /text-generate?input_text={query} HTTP/1.1\r\n{HEAD}\r\n")
    assert "context_length_exceeded" in body


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/models", "/nowhere", "/text-generate"])
def test_every_answer_names_its_request_once_and_apache_without_a_version(server: LiveServer, path: str) -> None:
    response = requests.get(f"{server.url}{path}", headers={"X-Request-Id": "mine-1"}, timeout=10)
    assert response.headers["X-Request-Id"] == "mine-1"
    assert response.headers["X-Content-Type-Options"] == "nosniff"  # requests joins repeated headers
    assert response.headers["Server"] == "Apache"


@pytest.mark.parametrize(("given", "kept"), [("mine@1-a", True), ("x" * 64, True), ("x" * 65, False), ("a b", False)])
def test_apaches_own_answers_keep_the_clients_id_by_the_rule_of_the_application(
    server: LiveServer, given: str, kept: bool
) -> None:
    for method in ("TRACE", "GET"):
        _, headers, _ = send(server, f"{method} /livez HTTP/1.1\r\n{HEAD}X-Request-Id: {given}\r\n\r\n")
        assert headers["x-request-id"] and (headers["x-request-id"] == given) == kept and "vary" not in headers


def test_a_connection_is_kept_for_the_next_request(server: LiveServer) -> None:
    with requests.Session() as session:
        first = session.get(f"{server.url}/livez", timeout=10)
        second = session.get(f"{server.url}/livez", timeout=10)
    assert first.headers.get("Connection") != "close"
    assert second.status_code == 200


def test_no_prompt_appears_in_any_log(server: LiveServer) -> None:
    url = f"{server.url}/text-generate"
    requests.get(url, params={"input_text": CANARY, "length": 1}, timeout=60)
    requests.get(url, params={"input_text": CANARY, "no_such": CANARY}, timeout=60)
    requests.get(url, params={"input_text": CANARY, "stream": "true", "length": 1}, timeout=60)
    requests.post(url, json={"input_text": CANARY, "length": 1}, timeout=60)
    requests.post(url, data={"input_text": CANARY, "length": 1}, timeout=60)
    requests.post(url, data=b"{" + CANARY.encode(), headers={"Content-Type": "application/json"}, timeout=60)
    requests.get(
        f"{server.url}/nowhere", params={"q": CANARY}, headers={"Referer": f"http://x/?q={CANARY}"}, timeout=60
    )
    for _, request in REFUSED.values():
        send(server, request.replace(" HTTP/1.1", f"?input_text={CANARY} HTTP/1.1", 1))

    assert '"status": 404' in server.logs()  # from level debug
    assert CANARY not in server.logs()
