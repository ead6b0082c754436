"""A client's limits are checked before its texts are tokenised, which may take long."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.serving import problem, running_app

CHAT = "/v1/chat/completions"
TOO_LONG = "a" * 65_537  # reached with the maximum number of messages of maximum length


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "a"}]}),
        ("/v1/score", {"text": "ab"}),
        ("/v1/next", {"prompt": "a"}),
        ("/v1/completions", {"prompt": "a"}),
        ("/generate", {"inputs": "a"}),
    ],
)
def test_who_has_used_up_its_requests_is_not_even_looked_after_a_model(models_dir: Path, path: str, values: dict):
    with running_app(models_dir, default_model="124M", requests_per_minute=1) as app:
        client = app.test_client()
        asked = {**values, "model": "nobody"}
        problem(client.post(path, json=asked), 404, "model_not_found", "model")
        problem(client.post(path, json=asked), 429, "rate_limit_exceeded")


@pytest.mark.parametrize("overflow", ["drop", "error"])
def test_a_conversation_of_which_too_much_must_stay_is_refused_untokenised(client: FlaskClient, overflow: str):
    halves = [{"role": role, "content": TOO_LONG[::2]} for role in ("system", "user")]
    response = client.post(CHAT, json={"messages": halves, "chat_overflow": overflow})
    assert "65536 is the limit" in problem(response, 400, "context_length_exceeded", "messages")


def test_a_long_round_is_dropped_untokenised(client: FlaskClient):
    rounds = [{"role": "user", "content": TOO_LONG[:-1]}, {"role": "assistant", "content": "b"}]
    asked = {"messages": [*rounds, {"role": "user", "content": "c"}], "max_tokens": 1}
    assert client.post(CHAT, json=asked).json["inkwell"]["dropped_messages"] == 2
