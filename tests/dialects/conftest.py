"""The demo model, whose tokens are words, for tests that one-byte tokens do not cover."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inkwell.settings.settings import PROJECT_ROOT
from tests.serving import running_app


@pytest.fixture(scope="session")
def demo_app() -> Iterator[Flask]:
    with running_app(PROJECT_ROOT / "models", ping_s=0.2) as app:
        yield app


@pytest.fixture
def demo(demo_app: Flask) -> FlaskClient:
    return demo_app.test_client()
