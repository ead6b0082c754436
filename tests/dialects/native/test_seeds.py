"""The same request with the same seed returns the same bytes: alone, in a batch, and after a restart."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from inkwell.settings.settings import PROJECT_ROOT
from tests.dialects.native.native import ask
from tests.serving import running_app

REQUESTS = 200
OTHERS = 16
LONG = "The miller had three sons, and his only possessions were his mill, an ass, and a cat. " * 80
PROMPTS = [
    "Once upon a time", "The king said", "In a dark wood there", "x", "“Alas!” cried the 世é😀 wolf,", LONG[:700], LONG,
]  # fmt: skip


def mixed(number: int) -> dict[str, Any]:
    """A request with a seed, and random values for about half of all other parameters."""
    draw = random.Random(number)
    may = {
        "temperature": draw.choice([0, 0.3, 0.8, 1.3, 2]),
        "top_k": draw.randint(1, 200),
        "top_p": draw.uniform(0.5, 1),
        "min_p": draw.uniform(0, 0.1),
        "typical_p": draw.uniform(0.5, 1),
        "repetition_penalty": draw.uniform(0.8, 1.5),
        "presence_penalty": draw.uniform(-1, 1),
        "frequency_penalty": draw.uniform(-1, 1),
        "logit_bias": {str(draw.randrange(3000)): draw.uniform(-10, 3) for _ in range(draw.randint(1, 5))},
        "stop": draw.choice([[" the"], ["\n"], [".", ",", "!"]]),
        "nsamples": draw.randint(1, 2),
        "finish_sentence": True,
        "logprobs": draw.randint(0, 3),
        "ignore_eos": True,
        "keep_stop": True,
    }
    asked = {name: value for name, value in may.items() if draw.random() < 0.4}
    fit = {"on_overflow": draw.choice(["truncate_left", "slide"])}
    return {
        "input_text": draw.choice(PROMPTS), "length": draw.randint(1, 32), "seed": draw.getrandbits(63), **fit, **asked,
    }  # fmt: skip


def samples_of(app: Flask, number: int) -> list[dict]:
    response = ask(app.test_client(), **mixed(number))
    assert response.status_code == 200, response.text
    return response.json["samples"]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_two_hundred_requests_get_the_same_bytes_alone_and_in_a_crowd_and_after_a_restart(dtype: str):
    settings = {"dtype": dtype, "max_requests": OTHERS + 1, "max_rows": OTHERS + 1}
    with running_app(PROJECT_ROOT / "models", **settings) as app:
        alone = [samples_of(app, number) for number in range(REQUESTS)]
        app.extensions["inkwell"].worker("demo").end()
        order = random.Random(dtype).sample(range(REQUESTS), REQUESTS)
        with ThreadPoolExecutor(OTHERS + 1) as crowd:
            crowded = dict(zip(order, crowd.map(lambda number: samples_of(app, number), order), strict=True))
    assert len({str(samples) for samples in alone}) > REQUESTS * 0.9  # the texts do differ
    assert [number for number in range(REQUESTS) if crowded[number] != alone[number]] == []
