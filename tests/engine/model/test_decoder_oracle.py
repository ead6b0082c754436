"""The decoder against `transformers`: same logits at every position, same greedy text, alone and in a batch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from inkwell.engine.model.batch import Segment
from inkwell.engine.model.decoder import Decoder
from inkwell.engine.model.kv_cache import KVCache
from tests.engine.tiny import (
    greedy,
    greedy_by_transformers,
    load_tiny,
    new_cache,
    random_tokens,
    run_chunks,
    save_tiny,
)

pytestmark = pytest.mark.usefixtures("one_thread")
SLOW = pytest.mark.slow  # torch emulates 16 bits on older CPUs
SIXTEEN_BITS = [
    ("bfloat16", True),
    pytest.param("bfloat16", False, marks=SLOW),
    pytest.param("float16", False, marks=SLOW),
]

CASES: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "gpt2, 5 heads of 6": {"n_head": 5},
    "gpt2, 1 head": {"n_head": 1},
    "gpt2, n_inner and relu": {"n_inner": 50, "activation_function": "relu"},
    "gpt2, exact gelu": {"activation_function": "gelu"},
    "gpt2, gelu_fast": {"activation_function": "gelu_fast"},
    "gpt2, gelu_pytorch_tanh and a large epsilon": {
        "activation_function": "gelu_pytorch_tanh",
        "layer_norm_epsilon": 0.1,
    },
    "gpt2, scaled by layer": {"scale_attn_by_inverse_layer_idx": True},
    "gpt2, unscaled": {"scale_attn_weights": False},
    "gpt2, unscaled but by layer": {"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True},
    "gpt2, upcast": {"reorder_and_upcast_attn": True},
    "gpt2, upcast and by layer": {"reorder_and_upcast_attn": True, "scale_attn_by_inverse_layer_idx": True},
    "gpt2, untied": {"tie_word_embeddings": False},
    "gptj": {"family": "gptj"},
    "gptj, 5 heads, rotary 2 of 6": {"family": "gptj", "n_head": 5, "rotary_dim": 2},
    "gptj, rotary whole head": {"family": "gptj", "rotary_dim": 10},
    "gptj, n_inner and exact gelu": {"family": "gptj", "n_inner": 70, "activation_function": "gelu"},
    "gptj, tied": {"family": "gptj", "tie_word_embeddings": True},
}
PROMPT = random_tokens(48)


@dataclass(frozen=True)
class Pair:
    """The same random weights as `transformers` runs them and as the decoder does."""

    reference: PreTrainedModel
    decoder: Decoder


@pytest.fixture(scope="module", params=[True, pytest.param(False, marks=SLOW)], ids=["native", "torch"])
def native(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module", params=CASES)
def pair(request: pytest.FixtureRequest, native: bool, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("oracle")
    case = CASES[request.param]
    seed = 1 if case.get("family") == "gptj" else 2  # of the first three, those whose greedy texts repeat least
    return Pair(save_tiny(folder, seed=seed, **case), load_tiny(folder, native=native))


def worst_difference(logits: Tensor, reference: PreTrainedModel, tokens: list[int]) -> float:
    """Largest difference of any position, relative to that position's largest logit."""
    with torch.no_grad():
        expected = reference(torch.tensor([tokens])).logits[0]
    return float(((logits - expected).abs().amax(-1) / expected.abs().amax(-1)).max())


@pytest.mark.parametrize("chunk", [48, 1, 5, 16, 47])
def test_logits_equal_those_of_transformers_at_every_position(pair: Pair, chunk: int) -> None:
    logits = run_chunks(pair.decoder, new_cache(pair.decoder), 0, PROMPT, chunk)
    assert worst_difference(logits, pair.reference, PROMPT) < 1e-4


def test_the_last_position_of_the_context_is_right_too(pair: Pair) -> None:
    tokens = random_tokens(128, seed=1)
    logits = run_chunks(pair.decoder, new_cache(pair.decoder), 0, tokens, 128)
    assert worst_difference(logits, pair.reference, tokens) < 1e-4


def test_64_greedy_tokens_are_those_of_transformers(pair: Pair) -> None:
    tokens = greedy(pair.decoder, PROMPT, 64)
    assert tokens == greedy_by_transformers(pair.reference, PROMPT, 64)
    assert len(set(tokens)) >= 5, "a text of few different tokens would prove little"


@dataclass
class Request:
    """One sequence of the small scheduler below; `joins` is the step in which it enters."""

    prompt: list[int]
    count: int
    joins: int
    slot: int = -1
    done: int = 0
    made: list[int] = field(default_factory=list)

    @property
    def tokens(self) -> list[int]:
        return self.prompt + self.made

    def segment(self, chunk: int) -> Segment:
        return Segment(self.slot, self.done, min(chunk, len(self.tokens) - self.done))


REQUESTS = [(7, 30, 0), (33, 64, 0), (1, 12, 3), (20, 64, 9), (12, 5, 14), (40, 20, 15), (3, 64, 40), (25, 8, 41)]


def run_together(decoder: Decoder, cache: KVCache, requests: list[Request], chunk: int, free: list[int]) -> None:
    """Requests join at their step, prefill in chunks beside decoding ones, and leave when they are done."""
    running: list[Request] = []
    for step in range(200):
        for request in [request for request in requests if request.joins == step]:
            request.slot = free.pop()
            running.append(request)
        if not running:
            continue
        segments = [request.segment(chunk) for request in running]
        fed = [
            token
            for request, segment in zip(running, segments, strict=True)
            for token in request.tokens[segment.start : segment.end]
        ]
        logits = decoder.logits(decoder(torch.tensor(fed), segments, cache))
        ends = torch.tensor([segment.length for segment in segments]).cumsum(0) - 1
        for request, segment, best in zip(running, segments, logits[ends].argmax(-1).tolist(), strict=True):
            request.done = segment.end
            if segment.end == len(request.tokens):
                request.made.append(best)
        for request in [request for request in running if len(request.made) == request.count]:
            running.remove(request)
            free.append(request.slot)


@pytest.mark.parametrize("chunk", [8, 64])
def test_requests_that_join_and_leave_a_shared_batch_say_what_they_say_alone(pair: Pair, chunk: int) -> None:
    requests = [
        Request(random_tokens(length, seed=10 + number), count, joins)
        for number, (length, count, joins) in enumerate(REQUESTS)
    ]
    slots = list(range(6))  # fewer than requests: slots are used again with stale content in them
    run_together(pair.decoder, new_cache(pair.decoder, slots=6), requests, chunk, slots)
    assert len(slots) == 6
    for request in requests:
        assert request.made == greedy(pair.decoder, request.prompt, request.count)


@pytest.mark.parametrize("family", ["gpt2", "gptj"])
def test_the_crowd_says_what_transformers_says_for_each_request(family: str, tmp_path: Path) -> None:
    reference = save_tiny(tmp_path, family)
    requests = [
        Request(random_tokens(length, seed=10 + number), count, joins)
        for number, (length, count, joins) in enumerate(REQUESTS)
    ]
    decoder = load_tiny(tmp_path)
    run_together(decoder, new_cache(decoder, slots=6), requests, chunk=16, free=list(range(6)))
    assert [request.made for request in requests] == [
        greedy_by_transformers(reference, request.prompt, request.count) for request in requests
    ]


# Sums of more than 1024 terms, and odd widths, depend on the number of rows on some CPUs (engine/model/linear.py).
@pytest.mark.parametrize("family", ["gpt2", "gptj"])
@pytest.mark.parametrize(("width", "heads", "inner"), [(192, 6, None), (320, 5, 4096), (30, 3, None)])
def test_in_bfloat16_a_row_has_the_same_bits_alone_and_in_any_crowd(
    family: str, width: int, heads: int, inner: int | None, native: bool, tmp_path: Path
) -> None:
    save_tiny(tmp_path, family, n_embd=width, n_head=heads, n_inner=inner)
    decoder = load_tiny(tmp_path, "bfloat16", native)
    cache = new_cache(decoder, slots=16)
    pasts = [random_tokens(3 + 7 * slot, seed=slot) for slot in range(16)]
    for slot, past in enumerate(pasts):
        run_chunks(decoder, cache, slot, past, chunk=128)
    segments = [Segment(slot, len(past), 1) for slot, past in enumerate(pasts)]
    tokens = torch.tensor(random_tokens(16, seed=99))
    alone = torch.cat([decoder.logits(decoder(tokens[row : row + 1], [segments[row]], cache)) for row in range(16)])
    for rows in range(1, 17):
        crowd = decoder.logits(decoder(tokens[:rows], segments[:rows], cache))
        assert torch.equal(crowd, alone[:rows]), f"{rows} rows"


@pytest.mark.parametrize("family", ["gpt2", "gptj"])
def test_in_bfloat16_a_prompt_beside_others_leaves_every_bit_as_it_is(
    family: str, native: bool, tmp_path: Path
) -> None:
    save_tiny(tmp_path, family, n_embd=320, n_head=5, n_inner=4096)
    decoder = load_tiny(tmp_path, "bfloat16", native)
    segments = [Segment(0, 0, 40), Segment(1, 0, 1), Segment(2, 0, 1), Segment(3, 0, 7), Segment(4, 0, 1)]
    tokens = torch.tensor(random_tokens(50))
    together = decoder(tokens, segments, new_cache(decoder, slots=5))
    parts = zip(tokens.split([segment.length for segment in segments]), segments, strict=True)
    alone = [decoder(part, [segment], new_cache(decoder, slots=5)) for part, segment in parts]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("case", ["gpt2", "gpt2, upcast", "gpt2, scaled by layer", "gptj", "gptj, tied"])
@pytest.mark.parametrize(
    ("dtype", "native"),
    SIXTEEN_BITS,
)
def test_in_16_bits_the_logits_stay_near_those_of_float32(case: str, dtype: str, native: bool, tmp_path: Path) -> None:
    reference = save_tiny(tmp_path, **{"spread": 0.2, **CASES[case]})
    decoder = load_tiny(tmp_path, dtype, native)
    assert worst_difference(run_chunks(decoder, new_cache(decoder), 0, PROMPT, 16), reference, PROMPT) < 0.1


def test_more_rows_than_share_a_product_are_computed_all_the_same(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    decoder = load_tiny(tmp_path)
    tokens = random_tokens(70)
    cache = new_cache(decoder, slots=70)
    crowd = decoder(torch.tensor(tokens), [Segment(slot, 0, 1) for slot in range(70)], cache)
    for token, hidden in zip(tokens, crowd, strict=True):
        alone = decoder(torch.tensor([token]), [Segment(0, 0, 1)], cache)
        assert torch.allclose(hidden, alone[0], atol=1e-4)


@pytest.mark.parametrize(
    ("tokens", "segments"),
    [([1, 2], [Segment(0, 0, 1)]), ([1], [Segment(0, 128, 1)]), ([1, 2], [Segment(0, 127, 2)])],
    ids=["fewer positions than tokens", "past the context", "over the end of the context"],
)
def test_a_step_that_cannot_be_is_our_bug_and_never_reaches_the_tables(
    tokens: list[int], segments: list[Segment], tmp_path: Path
) -> None:
    save_tiny(tmp_path)
    decoder = load_tiny(tmp_path)
    with pytest.raises(AssertionError):
        decoder(torch.tensor(tokens), segments, new_cache(decoder))
