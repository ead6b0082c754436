"""Every message is decoded to the value that was encoded."""

import pytest

from inkwell.engine.contract import (
    EngineConfig,
    FailureEvent,
    InspectionEvent,
    Job,
    PromptEvent,
    Stage,
    TokenEvent,
)
from inkwell.parameters.sampling import GREEDY, Sampling
from inkwell.worker.messages import Cancel, Load, LoadError, Ready, Step, Submit, decode, encode

MESSAGES = [
    Load("/models/demo", EngineConfig(max_rows=3, cache_bytes=1 << 40)),
    Submit(Job(3, (1, 2, 50256), 9, Sampling(0.7, 40, 0.95, 0.05, 0.9, 1.1, -0.5, 0.25), 2**63 - 1, 2, (50256, 0))),
    Submit(Job(4, (0,), 1, GREEDY, cache_salt="of somebody")),
    Submit(Job(5, (0, 1), 0, Sampling(logit_bias=((7, -100.0), (0, 0.1))), logprobs=5)),
    Submit(Job(6, (0, 1), 0, generated_before=9, prompt_logprobs=0, inspect=20)),
    Cancel(12),
    Ready("cuda:0", "bfloat16", "in words", 16, 1 << 33, "torch-avx2"),
    LoadError("model_corrupt", "what", None),
    Step(
        (
            TokenEvent(1, 5, None),
            TokenEvent(2, None, "stop", cached_tokens=9),
            TokenEvent(4, 7, None, cached_tokens=9, queue_s=0.5),
            FailureEvent(3, "engine_error", "why", "cause"),
        ),
        rows=4,
    ),
    Step(
        (
            PromptEvent(1, 1, (-0.1, -1 / 3), (((4, -0.1), (5, -7.25)), ((4, -1e-9),))),
            PromptEvent(1, 3, (-2.5,), ((),)),
            InspectionEvent(2, (7, 8), (Stage("model", (0.7, 0.2), 9, 0, 0.0), Stage("top_k", (1.0, 0.0), 1, 8, 0.3))),
            TokenEvent(1, 5, None, logprob=-0.7, top=((5, -0.7), (6, -0.9))),
            TokenEvent(1, 5, None, logprob=0.0),
            TokenEvent(1, 5, "length", 3, -0.7, ((5, -0.7),), queue_s=0.125),
            TokenEvent(2, None, "length"),
        )
    ),
    Step(()),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_line(message):
    assert decode(encode(message)) == message


def test_the_line_carries_text_and_never_a_pickle():
    assert all(encode(message)[:1] == b"[" for message in MESSAGES)


def test_a_message_of_another_kind_is_a_bug_and_raises():
    with pytest.raises(KeyError):
        decode(b'["Nonsense", 1]')
