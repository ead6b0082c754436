"""`langchain-openai`, current: its text models and its chat models."""

import asyncio
import math
import time

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import PromptTemplate
from langchain_openai import ChatOpenAI, OpenAI

PROMPT = "Once upon a time"
MESSAGES = [SystemMessage("A traveller meets a fairy."), HumanMessage("Who are you?")]
ONE_TOO_MANY = 3  # for a key that allows one request per minute; a new minute may begin between two requests


@pytest.fixture(scope="module")
def place(url: str, key: str) -> dict[str, object]:
    return {"base_url": f"{url}/v1", "api_key": key, "model": "demo", "max_retries": 0, "timeout": 60}


@pytest.fixture(scope="module")
def texts(place: dict[str, object]) -> OpenAI:
    return OpenAI(**place, max_tokens=12, temperature=0.8, seed=7)


@pytest.fixture(scope="module")
def chats(place: dict[str, object]) -> ChatOpenAI:
    return ChatOpenAI(**place, max_tokens=12, temperature=0.8, seed=7)


def test_a_text_model_is_invoked(texts: OpenAI):
    text = texts.invoke(PROMPT)
    assert text and text == texts.invoke(PROMPT)


def test_a_text_model_streams_the_same_text(texts: OpenAI):
    pieces = list(texts.stream(PROMPT))
    assert len(pieces) > 3 and "".join(pieces) == texts.invoke(PROMPT)


def test_a_text_model_takes_a_batch_in_one_request(texts: OpenAI):
    # In a batch, a text's index is mixed into its seed: only the first text is the same as alone.
    batch = texts.batch([PROMPT, "The old king"])
    assert batch[0] == texts.invoke(PROMPT) and batch[1]


def test_a_text_model_gives_n_texts_and_their_usage(place: dict[str, object]):
    several = OpenAI(**place, max_tokens=6, seed=7, n=2, best_of=2)
    result = several.generate([PROMPT])
    assert len({generation.text for generation in result.generations[0]}) == 2
    assert result.llm_output["token_usage"]["completion_tokens"] == 12


def test_a_text_model_tells_logprobs_and_heeds_stops(place: dict[str, object]):
    model = OpenAI(**place, max_tokens=20, seed=7, logprobs=2)
    generation = model.generate([PROMPT]).generations[0][0]
    assert "".join(generation.generation_info["logprobs"]["tokens"]) == generation.text
    stop = generation.text[6:10]
    assert model.invoke(PROMPT, stop=[stop]) == generation.text[: generation.text.index(stop)]


def test_a_chain_fills_its_template(texts: OpenAI):
    chain = PromptTemplate.from_template("Once upon a {what}") | texts
    assert chain.invoke({"what": "time"}) == texts.invoke(PROMPT)


def test_a_chat_model_is_invoked(chats: ChatOpenAI):
    message = chats.invoke(MESSAGES)
    assert isinstance(message, AIMessage) and message.content
    assert message.response_metadata["finish_reason"] in ("stop", "length")
    assert message.usage_metadata["output_tokens"] <= 12 and message.response_metadata["model_name"] == "demo"


def test_a_chat_model_streams_the_same_message_and_its_usage(chats: ChatOpenAI):
    whole = None
    for chunk in chats.stream(MESSAGES, stream_usage=True):
        whole = chunk if whole is None else whole + chunk
    assert whole.content == chats.invoke(MESSAGES).content and whole.usage_metadata["output_tokens"] > 0


def test_a_chat_model_takes_a_batch(chats: ChatOpenAI):
    first, second = chats.batch([MESSAGES, [HumanMessage("Tell me of the wood.")]])
    assert first.content == chats.invoke(MESSAGES).content and second.content


def test_a_chat_model_remembers_what_was_said(chats: ChatOpenAI):
    answer = chats.invoke(MESSAGES)
    further = chats.invoke([*MESSAGES, answer, HumanMessage("And then?")])
    assert further.usage_metadata["input_tokens"] > answer.usage_metadata["total_tokens"]


def test_a_chat_model_gives_n_messages_with_logprobs(place: dict[str, object]):
    model = ChatOpenAI(**place, max_tokens=6, seed=7, n=2, logprobs=True, top_logprobs=2)
    generations = model.generate([MESSAGES]).generations[0]
    told = generations[0].message.response_metadata["logprobs"]["content"]
    assert len(generations) == 2 and all(math.exp(token["logprob"]) <= 1 for token in told)


def test_the_asynchronous_calls_work(chats: ChatOpenAI):
    async def both() -> tuple[str, str]:
        whole = await chats.ainvoke(MESSAGES)
        return whole.content, "".join([chunk.content async for chunk in chats.astream(MESSAGES)])

    whole, streamed = asyncio.run(both())
    assert whole == streamed


def test_refusals_are_the_clients_own_errors(place: dict[str, object]):
    with pytest.raises(openai.NotFoundError):
        ChatOpenAI(**place | {"model": "nobody"}).invoke(MESSAGES)
    with pytest.raises(openai.BadRequestError) as caught:
        OpenAI(**place, temperature=9).invoke(PROMPT)
    assert caught.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as caught:
        OpenAI(**place, max_tokens=4000).invoke(PROMPT)
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.AuthenticationError):
        ChatOpenAI(**place | {"api_key": "ink-wrong"}).invoke(MESSAGES)


def test_tools_are_refused_by_name(chats: ChatOpenAI):
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    with pytest.raises(openai.BadRequestError) as caught:
        chats.bind_tools([tool]).invoke(MESSAGES)
    assert caught.value.param == "tools"


def test_a_client_over_its_limit_is_refused(place: dict[str, object], slow_key: str):
    hasty = OpenAI(**place | {"api_key": slow_key}, max_tokens=1)
    with pytest.raises(openai.RateLimitError):
        for _ in range(ONE_TOO_MANY):
            hasty.invoke(PROMPT)


def tried_again(kind: type, narrow) -> None:
    model = kind(base_url=f"{narrow.url}/v1", api_key="none", model="demo", max_tokens=4, max_retries=2)
    started = time.monotonic()
    with narrow.busy_for_a_moment():
        assert model.invoke(PROMPT)
    assert time.monotonic() - started >= 1  # the shortest wait that is ever requested


def test_a_full_service_is_tried_again_for_a_text(narrow):
    tried_again(OpenAI, narrow)


def test_a_full_service_is_tried_again_for_a_chat(narrow):
    tried_again(ChatOpenAI, narrow)


def test_a_model_that_dies_in_the_middle_of_a_stream_raises(narrow):
    body = {"ignore_eos": True}
    model = ChatOpenAI(base_url=f"{narrow.url}/v1", api_key="none", model="demo", max_tokens=900, extra_body=body)
    stream = model.stream(MESSAGES, stop=None)
    next(stream)
    narrow.kill_workers()
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.code == "worker_died"


def test_a_stream_that_is_left_frees_its_place(narrow):
    model = OpenAI(base_url=f"{narrow.url}/v1", api_key="none", model="demo", max_tokens=900)
    stream = model.stream(PROMPT, extra_body={"ignore_eos": True})
    next(stream)
    stream.close()
    narrow.wait_until_free()
