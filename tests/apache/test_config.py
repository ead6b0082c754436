"""httpd.conf and the environment of Apache, as text."""

import re
from pathlib import Path

import pytest

from inkwell.apache.config import Site, authority, render
from inkwell.apache.httpd import environment
from inkwell.parameters.refusals import REFUSALS
from inkwell.settings.settings import Settings

HERE = Site(Path("/run/here"), Path("/srv/root"), None)


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", "127.0.0.1:80"), ("::", "[::]:80"), ("name", "name:80")])
def test_addresses_are_written_as_apache_and_urls_want_them(host: str, expected: str) -> None:
    assert authority(host, 80) == expected


def test_every_placeholder_is_filled_and_every_refusal_has_its_document() -> None:
    text = render(Settings.from_environ({}), HERE)
    assert "$" not in text.replace("$#", "").replace("$/", "")
    for refusal in REFUSALS:
        assert f"ErrorDocument {refusal.status} /.refusals/{refusal.status}.json" in text


def test_only_a_start_by_root_names_an_account() -> None:
    settings = Settings.from_environ({})
    assert "\nUser " not in render(settings, HERE)
    assert "\nUser www-data\nGroup www-data\n" in render(settings, Site(HERE.run_dir, HERE.root, "www-data"))


def test_apache_is_silent_for_longer_than_a_request_may_take() -> None:
    assert "socket-timeout=1030" in render(Settings.from_environ({"INKWELL_REQUEST_TIMEOUT_S": "999.5"}), HERE)


def test_a_request_that_apache_holds_never_waits_for_a_thread() -> None:
    text = render(Settings.from_environ({"INKWELL_MAX_CONNECTIONS": "333"}), HERE)
    for line in ("ThreadLimit 333", "ThreadsPerChild 333", "MaxRequestWorkers 333"):
        assert f"\n{line}\n" in text
    assert "\nWSGIDaemonProcess inkwell threads=333 " in text


def test_access_is_granted_to_the_script_that_requests_are_mapped_to() -> None:
    text = render(Settings.from_environ({}), HERE)
    (script,) = re.findall(r'^WSGIScriptAlias / "([^"]+)"', text, re.MULTILINE)
    (granted,) = re.findall(
        r'^<Directory "([^"]+)">\n    <Files "wsgi.py">\n        Require all granted', text, re.MULTILINE
    )
    assert script == f"{granted}/wsgi.py"


def test_the_header_with_the_key_gets_through_to_the_application() -> None:
    assert "\nWSGIPassAuthorization On\n" in render(Settings.from_environ({}), HERE)


def test_the_environment_carries_every_setting_to_the_web_process() -> None:
    given = {
        "INKWELL_PRELOAD": "demo,124M",
        "INKWELL_MODELS_DIR": "/srv/models",
        "INKWELL_LOAD_TIMEOUT_S": "12.5",
        "INKWELL_DRAFT_MODELS": "1558M=124M,774M=124M",
        "INKWELL_MODEL_ALIASES": "text-davinci-003=1558M",
        "INKWELL_OPEN": "1",
        "INKWELL_CORS_ORIGINS": "https://a.example,http://localhost:3000",
        "INKWELL_KEYS_FILE": "/srv/keys",
        "INKWELL_CHAT_ASSISTANT": "The bard",
    }
    settings = Settings.from_environ(given)
    variables = environment(settings, Path("/run/here"))
    assert Settings.from_environ(variables) == settings
