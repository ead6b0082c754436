"""`huggingface_hub.InferenceClient`, current, with the service as its endpoint: TGI's dialect and chats."""

import asyncio

import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, TextGenerationError

PROMPT = "Once upon a time"
MESSAGES = [{"role": "user", "content": "Who are you?"}]
ONE_TOO_MANY = 3  # for a key that allows one request per minute; a new minute may begin between two requests


@pytest.fixture(scope="module")
def client(url: str, key: str) -> InferenceClient:
    return InferenceClient(model=url, token=key, timeout=60)


def long_stream(narrow):
    client = InferenceClient(model=narrow.url, timeout=60)
    return client, client.text_generation(PROMPT, max_new_tokens=900, stream=True)


def refused(status: int, call, *values, **more) -> str:
    """Return the message of the refusal."""
    with pytest.raises(HfHubHTTPError) as caught:
        call(*values, **more)
    assert caught.value.response.status_code == status
    return str(caught.value)


def test_a_text_is_a_string(client: InferenceClient):
    text = client.text_generation(PROMPT, max_new_tokens=8)
    assert text and text == client.text_generation(PROMPT, max_new_tokens=8)  # greedy unless asked to sample


def test_details_tell_every_token_and_why_it_ended(client: InferenceClient):
    reply = client.text_generation(PROMPT, max_new_tokens=8, details=True, seed=7, do_sample=True)
    details = reply.details
    assert details.finish_reason == "length" and details.generated_tokens == len(details.tokens) == 8
    assert "".join(token.text for token in details.tokens) == reply.generated_text
    assert all(token.logprob <= 0 and not token.special for token in details.tokens)
    assert details.seed == 7


def test_input_details_tell_the_tokens_of_the_prompt(client: InferenceClient):
    details = client.text_generation(PROMPT, max_new_tokens=2, details=True, decoder_input_details=True).details
    assert "".join(token.text for token in details.prefill) == PROMPT
    assert details.prefill[0].logprob is None and all(token.logprob < 0 for token in details.prefill[1:])


def test_the_likeliest_tokens_are_told_at_each_place(client: InferenceClient):
    details = client.text_generation(PROMPT, max_new_tokens=4, details=True, top_n_tokens=3).details
    assert [len(top) for top in details.top_tokens] == [3] * 4
    chosen = [token.id for token in details.tokens]  # greedily
    assert [top[0]["id"] for top in details.top_tokens] == chosen


def test_a_stream_is_the_text_in_pieces(client: InferenceClient):
    pieces = list(client.text_generation(PROMPT, max_new_tokens=12, stream=True))
    assert len(pieces) == 12 and "".join(pieces) == client.text_generation(PROMPT, max_new_tokens=12)


def test_a_stream_with_details_tells_them_at_the_end(client: InferenceClient):
    *events, last = client.text_generation(PROMPT, max_new_tokens=6, stream=True, details=True, top_n_tokens=2)
    assert all(event.generated_text is None and event.details is None for event in events)
    assert [event.index for event in [*events, last]] == [1, 2, 3, 4, 5, 6]
    assert last.generated_text == "".join(event.token.text for event in [*events, last])
    assert (last.details.finish_reason, last.details.generated_tokens, last.details.input_length) == ("length", 6, 4)
    assert all(len(event.top_tokens) == 2 for event in events)


def test_best_of_gives_the_best_and_the_others(client: InferenceClient):
    reply = client.text_generation(PROMPT, max_new_tokens=8, details=True, best_of=3, do_sample=True, seed=7)
    others = reply.details.best_of_sequences

    def mean(sequence) -> float:
        return sum(token.logprob for token in sequence.tokens) / len(sequence.tokens)

    assert len(others) == 2 and all(mean(reply.details) >= mean(other) for other in others)
    assert reply.generated_text not in [other.generated_text for other in others]


def test_a_stop_string_ends_the_text_and_stays_in_it(client: InferenceClient):
    whole = client.text_generation(PROMPT, max_new_tokens=60)
    stop = whole[8:12]
    reply = client.text_generation(PROMPT, max_new_tokens=60, stop=[stop], details=True)
    assert reply.generated_text == whole[: whole.index(stop) + len(stop)]
    assert reply.details.finish_reason == "stop_sequence"


def test_a_truncated_prompt_keeps_its_last_tokens(client: InferenceClient):
    asked = {"max_new_tokens": 4, "details": True, "decoder_input_details": True}
    short = client.text_generation(PROMPT, truncate=2, **asked)
    assert "".join(token.text for token in short.details.prefill) == " a time"


def test_the_whole_text_begins_with_the_prompt(client: InferenceClient):
    text = client.text_generation(PROMPT, max_new_tokens=4, return_full_text=True)
    assert text.startswith(PROMPT) and len(text) > len(PROMPT)


def test_the_same_seed_gives_the_same_text(client: InferenceClient):
    asked = {"max_new_tokens": 12, "do_sample": True, "temperature": 1.3, "top_k": 50, "top_p": 0.9, "typical_p": 0.95}
    texts = {client.text_generation(PROMPT, seed=7, **asked) for _ in range(3)}
    assert len(texts) == 1 and client.text_generation(PROMPT, seed=8, **asked) not in texts


def test_a_chat_is_answered_whole_and_streamed(client: InferenceClient):
    whole = client.chat_completion(MESSAGES, max_tokens=12, seed=7)
    chunks = list(client.chat_completion(MESSAGES, max_tokens=12, seed=7, stream=True))
    said = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert whole.choices[0].message.role == "assistant"
    assert whole.choices[0].message.content == said != "" and whole.usage.completion_tokens <= 12


def test_logprobs_and_n_of_a_chat(client: InferenceClient):
    reply = client.chat_completion(MESSAGES, max_tokens=6, seed=7, n=2, logprobs=True, top_logprobs=2)
    assert [choice.index for choice in reply.choices] == [0, 1]
    assert all(len(token.top_logprobs) == 2 for token in reply.choices[0].logprobs.content)


def test_the_endpoint_tells_of_itself(client: InferenceClient):
    client = InferenceClient(model=client.model, token=client.token, provider="hf-inference")
    info = client.get_endpoint_info()
    assert info["model_id"] == "demo" and info["max_total_tokens"] == 1024 and info["max_stop_sequences"] == 4
    assert client.health_check()


def test_a_bad_value_is_a_bad_request_with_its_reason(client: InferenceClient):
    assert "temperature must be between" in refused(400, client.text_generation, PROMPT, temperature=-1)
    assert "1024" in refused(400, client.text_generation, PROMPT, max_new_tokens=4000)
    assert "watermark is not supported" in refused(400, client.text_generation, PROMPT, watermark=True)
    with pytest.raises(BadRequestError):
        client.text_generation(PROMPT, best_of=2, stream=True, do_sample=True)


def test_an_unknown_model_of_a_chat_is_not_found(url: str, key: str):
    client = InferenceClient(base_url=url, api_key=key)
    assert "nobody" in refused(404, client.chat_completion, MESSAGES, model="nobody")


def test_a_wrong_key_is_refused(url: str):
    client = InferenceClient(model=url, token="ink-wrong")
    assert "key" in refused(401, client.text_generation, PROMPT)


def test_a_client_over_its_limit_is_told_when_to_come_back(url: str, slow_key: str):
    client = InferenceClient(model=url, token=slow_key)
    with pytest.raises(HfHubHTTPError) as caught:
        for _ in range(ONE_TOO_MANY):
            client.text_generation(PROMPT, max_new_tokens=1)
    assert caught.value.response.status_code == 429 and int(caught.value.response.headers["Retry-After"]) > 0


def test_a_full_service_says_when_to_come_back(narrow):
    client = InferenceClient(model=narrow.url)  # which does not retry by itself
    with narrow.busy(), pytest.raises(HfHubHTTPError) as caught:
        client.text_generation(PROMPT, max_new_tokens=2)
    assert caught.value.response.status_code == 429 and int(caught.value.response.headers["Retry-After"]) >= 1
    narrow.wait_until_free()
    assert client.text_generation(PROMPT, max_new_tokens=2)


def test_a_model_that_dies_in_the_middle_of_a_stream_raises(narrow):
    _, stream = long_stream(narrow)
    next(stream)
    narrow.kill_workers()
    with pytest.raises(TextGenerationError) as caught:
        list(stream)
    assert "process ended" in str(caught.value)


def test_a_stream_that_is_left_frees_its_place(narrow):
    client, stream = long_stream(narrow)
    next(stream)
    assert narrow.requests() == 1
    client.exit_stack.close()  # as when leaving the client's `with` block
    narrow.wait_until_free()


def test_the_asynchronous_client_streams_too(url: str, key: str, client: InferenceClient):
    async def pieces() -> list[str]:
        async with AsyncInferenceClient(model=url, token=key) as other:
            stream = await other.text_generation(PROMPT, max_new_tokens=8, stream=True)
            return [piece async for piece in stream]

    assert "".join(asyncio.run(pieces())) == client.text_generation(PROMPT, max_new_tokens=8)
