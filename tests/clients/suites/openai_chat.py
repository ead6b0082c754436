"""`openai` for Python, current: `/v1/chat/completions`."""

import asyncio

import pytest
from openai import AsyncOpenAI, OpenAI

MESSAGES = [
    {"role": "system", "content": "A traveller meets a fairy."},
    {"role": "user", "content": "Who are you?"},
]


@pytest.fixture(scope="module")
def client(url: str, key: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)


def ask(client: OpenAI, **more):
    return client.chat.completions.create(**{"model": "demo", "messages": MESSAGES, "max_tokens": 12, "seed": 7} | more)


def said(chunks, index: int = 0) -> str:
    return "".join(
        choice.delta.content or "" for chunk in chunks for choice in chunk.choices if choice.index == index
    )  # fmt: skip


def test_a_whole_reply_is_a_message_of_the_assistant(client: OpenAI):
    reply = ask(client)
    choice = reply.choices[0]
    assert reply.object == "chat.completion" and reply.id.startswith("chatcmpl-")
    assert choice.message.role == "assistant" and choice.message.content == choice.message.content.lstrip() != ""
    assert choice.finish_reason in ("stop", "length") and choice.message.refusal is None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_a_stream_begins_with_the_role_and_gives_the_same_text(client: OpenAI):
    chunks = list(ask(client, stream=True))
    assert chunks[0].object == "chat.completion.chunk" and chunks[0].choices[0].delta.role == "assistant"
    assert said(chunks) == ask(client).choices[0].message.content
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert reasons[-1] in ("stop", "length") and set(reasons[:-1]) == {None}


def test_the_clients_own_helper_rebuilds_the_message_from_a_stream(client: OpenAI):
    asked = {"messages": MESSAGES, "max_tokens": 200, "seed": 7, "stop": "."}  # the helper takes no cut message
    with client.chat.completions.stream(model="demo", **asked, stream_options={"include_usage": True}) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content == ask(client, **asked).choices[0].message.content
    assert final.usage.completion_tokens > 0


def test_n_messages_differ_whole_and_streamed(client: OpenAI):
    texts = [choice.message.content for choice in ask(client, n=2, temperature=1.2).choices]
    chunks = list(ask(client, n=2, temperature=1.2, stream=True))
    assert len(set(texts)) == 2 and [said(chunks, index) for index in range(2)] == texts


def test_logprobs_have_the_shape_of_chats(client: OpenAI):
    choice = ask(client, logprobs=True, top_logprobs=2).choices[0]
    told = choice.logprobs.content
    assert "".join(token.token for token in told).lstrip().startswith(choice.message.content)
    for token in told:
        assert token.logprob <= 0 and bytes(token.bytes).decode() == token.token and len(token.top_logprobs) == 2
    chunks = ask(client, logprobs=True, top_logprobs=2, stream=True)
    pieces = [choice.logprobs.content for chunk in chunks for choice in chunk.choices if choice.logprobs]
    assert [token.token for piece in pieces for token in piece] == [token.token for token in told]


def test_the_text_ends_before_the_next_speaker_and_before_a_stop(client: OpenAI):
    long = ask(client, max_tokens=200).choices[0].message.content
    assert "\nUser:" not in long and "\nAssistant:" not in long
    stop = long[5:8]
    reply = ask(client, max_tokens=200, stop=stop).choices[0]
    assert reply.message.content == long[: long.index(stop)] and reply.finish_reason == "stop"


def test_the_same_seed_gives_the_same_message(client: OpenAI):
    assert len({ask(client).choices[0].message.content for _ in range(2)}) == 1


def test_both_names_of_the_limit_and_text_parts_are_taken(client: OpenAI):
    parts = [{"role": "developer", "content": [{"type": "text", "text": "A tale."}]}, MESSAGES[1]]
    reply = client.chat.completions.create(model="demo", messages=parts, max_completion_tokens=3, seed=1)
    assert reply.usage.completion_tokens <= 3


def test_a_long_conversation_drops_its_oldest_rounds_and_says_so(client: OpenAI):
    rounds = [
        {"role": role, "content": "Tell me of the dark wood and of the house that stands in it. " * 5}
        for _ in range(12)
        for role in ("user", "assistant")
    ]
    reply = ask(client, messages=[MESSAGES[0], *rounds, MESSAGES[1]])
    assert reply.inkwell["dropped_messages"] > 0
    assert reply.usage.prompt_tokens + 12 <= 1024


def test_neutral_fields_of_other_models_pass(client: OpenAI):
    reply = ask(client, tools=[], response_format={"type": "text"}, user="somebody", store=False)
    assert reply.choices[0].message.content


def test_the_asynchronous_client_runs_requests_side_by_side(url: str, key: str, client: OpenAI):
    async def all_at_once():
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as other:
            asked = [other.chat.completions.create(model="demo", messages=MESSAGES, max_tokens=12, seed=seed)
                     for seed in range(6)]  # fmt: skip
            return await asyncio.gather(*asked)

    replies = asyncio.run(all_at_once())
    assert replies[3].choices[0].message.content == ask(client, seed=3).choices[0].message.content
