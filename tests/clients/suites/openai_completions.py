"""`openai` for Python, current: `/v1/completions` and `/v1/models`."""

import math

import pytest
from openai import OpenAI

PROMPT = "Once upon a time"


@pytest.fixture(scope="module")
def client(url: str, key: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)


def complete(client: OpenAI, **more):
    return client.completions.create(**{"model": "demo", "prompt": PROMPT, "max_tokens": 12, "seed": 7} | more)


def joined(chunks, index: int = 0) -> str:
    return "".join(choice.text for chunk in chunks for choice in chunk.choices if choice.index == index)


def test_a_whole_reply_has_text_usage_and_a_reason(client: OpenAI):
    reply = complete(client, max_tokens=5)
    assert reply.object == "text_completion" and reply.id.startswith("cmpl-") and reply.model == "demo"
    assert reply.choices[0].text and reply.choices[0].finish_reason == "length"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (4, 5, 9)
    assert reply._request_id and reply._request_id in reply.id


def test_16_tokens_are_the_default(client: OpenAI):
    reply = client.completions.create(model="demo", prompt=PROMPT, seed=7, extra_body={"ignore_eos": True})
    assert reply.usage.completion_tokens == 16


def test_a_stream_gives_the_same_text_in_pieces(client: OpenAI):
    chunks = list(complete(client, stream=True))
    assert len(chunks) > 3
    assert joined(chunks) == complete(client).choices[0].text
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "length"
    assert {choice.finish_reason for chunk in chunks[:-1] for choice in chunk.choices} == {None}
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_tells_its_usage_in_a_last_chunk_without_choices(client: OpenAI):
    *chunks, last = complete(client, stream=True, max_tokens=5, stream_options={"include_usage": True})
    assert last.choices == [] and last.usage.completion_tokens == 5 and last.usage.prompt_tokens == 4
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_n_texts_differ_and_a_stream_of_n_gives_the_same(client: OpenAI):
    texts = [choice.text for choice in complete(client, n=3).choices]
    chunks = list(complete(client, n=3, stream=True))
    assert len(set(texts)) == 3
    assert [joined(chunks, index) for index in range(3)] == texts


def test_prompts_times_n_are_numbered_prompt_by_prompt(client: OpenAI):
    prompts = [PROMPT, "The old king"]
    reply = complete(client, prompt=prompts, n=2, echo=True, max_tokens=3)
    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
    starts = [prompt for choice in reply.choices for prompt in prompts if choice.text.startswith(prompt)]
    assert starts == [PROMPT, PROMPT, "The old king", "The old king"]


def test_prompts_may_be_token_ids(client: OpenAI):
    plain = complete(client, echo=True)
    ids = client.post("../tokenize", body={"inputs": PROMPT}, cast_to=object)
    tokens = [each["id"] for each in ids]
    assert complete(client, prompt=tokens, echo=True).choices[0].text == plain.choices[0].text
    assert [choice.text for choice in complete(client, prompt=[tokens, tokens]).choices] != ["", ""]


def test_logprobs_tell_each_token_its_place_and_the_likeliest(client: OpenAI):
    choice = complete(client, logprobs=3, max_tokens=6).choices[0]
    told = choice.logprobs
    assert "".join(told.tokens) == choice.text
    assert len(told.tokens) == len(told.token_logprobs) == len(told.top_logprobs) == len(told.text_offset) == 6
    assert all(map(choice.text.startswith, told.tokens, told.text_offset))
    for token, logprob, top in zip(told.tokens, told.token_logprobs, told.top_logprobs, strict=True):
        assert logprob <= 0 and math.isclose(top[token], logprob, abs_tol=1e-6) and 3 <= len(top) <= 4


def test_streamed_logprobs_are_those_of_the_whole_reply(client: OpenAI):
    whole = complete(client, logprobs=2).choices[0].logprobs
    pieces = [choice.logprobs for chunk in complete(client, logprobs=2, stream=True) for choice in chunk.choices]
    told = [piece for piece in pieces if piece]
    assert [token for piece in told for token in piece.tokens] == whole.tokens
    assert [offset for piece in told for offset in piece.text_offset] == whole.text_offset
    assert [value for piece in told for value in piece.token_logprobs] == pytest.approx(whole.token_logprobs, abs=1e-4)


def test_echo_with_no_new_tokens_scores_the_prompt(client: OpenAI):
    choice = complete(client, max_tokens=0, echo=True, logprobs=1).choices[0]
    assert choice.text == PROMPT == "".join(choice.logprobs.tokens)
    first, *others = choice.logprobs.token_logprobs
    assert first is None and others and all(value < 0 for value in others)


def test_a_stop_string_ends_the_text_before_it(client: OpenAI):
    whole = complete(client, max_tokens=60, temperature=0).choices[0].text
    stop = whole[10:14]
    choice = complete(client, max_tokens=60, temperature=0, stop=[stop, "@@"]).choices[0]
    assert choice.finish_reason == "stop" and choice.text == whole[: whole.index(stop)]
    chunks = list(complete(client, max_tokens=60, temperature=0, stop=stop, stream=True))
    assert joined(chunks) == choice.text


def test_the_same_seed_gives_the_same_text(client: OpenAI):
    texts = {complete(client, temperature=1.3, top_p=0.9).choices[0].text for _ in range(3)}
    other = complete(client, temperature=1.3, top_p=0.9, seed=8).choices[0].text
    assert len(texts) == 1 and other not in texts


def test_temperature_0_needs_no_seed(client: OpenAI):
    texts = {client.completions.create(model="demo", prompt=PROMPT, temperature=0).choices[0].text for _ in range(2)}
    assert len(texts) == 1


def test_best_of_gives_the_likeliest_of_more_texts(client: OpenAI):
    def mean(choice) -> float:
        return sum(choice.logprobs.token_logprobs) / len(choice.logprobs.token_logprobs)

    every = complete(client, n=4, logprobs=0).choices
    best = complete(client, n=1, best_of=4, logprobs=0).choices
    assert len(best) == 1 and best[0].text == max(every, key=mean).text


def test_a_bias_bans_a_token_and_penalties_are_heeded(client: OpenAI):
    first = complete(client, temperature=0, max_tokens=1, logprobs=0).choices[0]
    token = client.post("../tokenize", body={"inputs": first.text}, cast_to=object)[0]["id"]
    banned = complete(client, temperature=0, max_tokens=1, logit_bias={str(token): -100}).choices[0]
    assert banned.text != first.text
    plain = complete(client, temperature=0, max_tokens=60).choices[0].text
    assert complete(client, temperature=0, max_tokens=60, frequency_penalty=2).choices[0].text != plain


def test_our_own_fields_go_through_extra_body_and_come_back(client: OpenAI):
    reply = complete(client, extra_body={"top_k": 5, "min_p": 0.05, "repetition_penalty": 1.1})
    parameters = reply.inkwell["parameters"]
    assert (parameters["top_k"], parameters["min_p"], parameters["seed"]) == (5, 0.05, 7)


def test_models_are_listed_and_told_one_by_one(client: OpenAI):
    models = list(client.models.list())
    assert "demo" in [model.id for model in models]
    model = client.models.retrieve("demo")
    assert model.object == "model" and model.owned_by == "inkwell" and model.created > 0
    assert model.context_length == 1024


def test_an_alias_with_a_slash_names_its_model(client: OpenAI):
    assert client.models.retrieve("tales/old").id == "demo"
    assert complete(client, model="tales/old").model == "demo"
