"""Decoding as on a GPU, computed on the CPU: single tokens together, recorded by shape. scripts/check_gpu.py tests CUDA
graphs themselves, on a machine that has a GPU."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from inkwell.engine.contract import Job, TokenEvent
from inkwell.engine.engine import Engine
from inkwell.engine.model.batch import Segment, bucket_length, single_token_batch
from inkwell.engine.model.cuda_graphs import Compute, RecordedDecoder, with_cuda_graphs
from inkwell.engine.model.decoder import Decoder
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.runner import Runner
from inkwell.engine.scheduler import Scheduler
from inkwell.parameters.sampling import Sampling
from tests.engine.tiny import load_tiny, new_cache, random_tokens, run_chunks, save_tiny

pytestmark = pytest.mark.usefixtures("one_thread")

CASES: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "gpt2, 1 head": {"n_head": 1},
    "gpt2, scaled by layer": {"scale_attn_by_inverse_layer_idx": True},
    "gpt2, unscaled": {"scale_attn_weights": False},
    "gpt2, upcast and by layer": {"reorder_and_upcast_attn": True, "scale_attn_by_inverse_layer_idx": True},
    "gptj": {"family": "gptj"},
    "gptj, rotary whole head": {"family": "gptj", "rotary_dim": 10},
}
PASTS = (1, 127, 3, 40, 64, 9, 30)  # tokens in slots 0, 1, 2 and so on; the context is 128


class Recording:
    """Records as a graph does: the output has one address, and every replay writes there."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, compute: Compute) -> Compute:
        self.count += 1
        out = compute().clone()
        return lambda: out.copy_(compute())


def refuse(compute: Compute) -> Compute:
    raise RuntimeError("operation not permitted when stream is capturing")


def filled(decoder: Decoder, slots: int = len(PASTS) + 1) -> KVCache:
    """A cache with a past in each of the first slots; what was never written is NaN."""
    cache = new_cache(decoder, slots)
    for layer in range(decoder.config.layers):
        for part in cache.layer(layer):
            part.fill_(torch.nan)
    for slot, length in enumerate(PASTS):
        run_chunks(decoder, cache, slot, random_tokens(length, seed=slot), chunk=128)
    return cache


def next_tokens(count: int) -> tuple[Tensor, list[Segment]]:
    """One more token for each of the first sequences."""
    return torch.tensor(random_tokens(count, seed=99)), [Segment(slot, PASTS[slot], 1) for slot in range(count)]


def together(decoder: Decoder, cache: KVCache, tokens: Tensor, segments: list[Segment]) -> Tensor:
    slots, positions = torch.tensor([[segment.slot for segment in segments], [segment.start for segment in segments]])
    with torch.inference_mode():
        return decoder.run(tokens, single_token_batch(slots, positions, 128), cache)


@pytest.mark.parametrize("case", CASES)
def test_single_tokens_together_are_what_they_are_row_by_row(case: str, tmp_path: Path) -> None:
    save_tiny(tmp_path, **CASES[case])
    decoder = load_tiny(tmp_path, native=False)
    tokens, segments = next_tokens(len(PASTS))
    expected_cache, cache = filled(decoder), filled(decoder)
    expected = decoder(tokens, segments, expected_cache)
    hidden = together(decoder, cache, tokens, segments)
    assert torch.allclose(hidden, expected, rtol=1e-4, atol=1e-4)
    for slot, length in enumerate(PASTS):
        for seen, right in zip(cache.view(2, slot, length + 1), expected_cache.view(2, slot, length + 1), strict=True):
            assert torch.allclose(seen, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_16_bits_too(dtype: str, tmp_path: Path) -> None:
    save_tiny(tmp_path, spread=0.2)
    decoder = load_tiny(tmp_path, dtype, native=False)
    tokens, segments = next_tokens(len(PASTS))
    expected = decoder(tokens, segments, filled(decoder))
    hidden = together(decoder, filled(decoder), tokens, segments)
    assert hidden.dtype == expected.dtype
    assert torch.allclose(hidden.float(), expected.float(), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("family", ["gpt2", "gptj"])
def test_what_was_traced_for_some_places_is_right_for_others(family: str, tmp_path: Path) -> None:
    """A number read back to the host would be a constant in the trace, as it would be in a graph."""
    save_tiny(tmp_path, family)
    decoder = load_tiny(tmp_path, native=False)
    cache = filled(decoder)
    idle = torch.tensor([[0] * 4, [len(PASTS)] * 4, [0] * 4])
    with torch.no_grad():
        step = make_fx(lambda places: decoder.run(places[0], single_token_batch(places[1], places[2], 128), cache))(
            idle
        )
        tokens, segments = next_tokens(4)
        places = torch.stack((tokens, torch.arange(4), torch.tensor([segment.start for segment in segments])))
        hidden = step(places)
    assert torch.allclose(hidden, decoder(tokens, segments, filled(decoder)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("longest", "context", "length"),
    [(1, 1024, 128), (128, 1024, 128), (129, 1024, 256), (1024, 1024, 1024), (600, 700, 700), (5, 64, 64)],
)
def test_the_bucket_length_is_the_smallest_that_covers_the_longest(longest: int, context: int, length: int) -> None:
    assert bucket_length(longest, context) == length


@pytest.fixture
def decoder(tmp_path: Path) -> Decoder:
    save_tiny(tmp_path)
    return load_tiny(tmp_path, native=False)


def test_a_recorded_step_is_what_the_decoder_gives_however_many_rows_are_padded(decoder: Decoder) -> None:
    record = Recording()
    fast = RecordedDecoder(decoder, filled(decoder), record)
    for count in (3, 4, 1, 2, 7, 5):
        tokens, segments = next_tokens(count)
        hidden = fast(tokens, segments, fast._cache)
        assert hidden.shape == (count, decoder.config.width)
        assert torch.allclose(hidden, decoder(tokens, segments, filled(decoder)), rtol=1e-4, atol=1e-4)
    assert record.count == 4  # rows 1, 2, 4 and 8


def test_padding_writes_to_the_spare_slot_alone(decoder: Decoder) -> None:
    cache = filled(decoder)
    before = [part.clone() for part in cache.layer(0)]
    tokens, segments = next_tokens(3)
    RecordedDecoder(decoder, cache, Recording())(tokens, segments, cache)
    for old, new in zip(before, cache.layer(0), strict=True):
        changed = (old.nan_to_num(-9.0) != new.nan_to_num(-9.0)).any(dim=(1, 3)).nonzero().tolist()
        assert changed == [[0, PASTS[0]], [1, PASTS[1]], [2, PASTS[2]], [len(PASTS), 0]]  # slot, position


def test_a_result_outlives_the_next_step(decoder: Decoder) -> None:
    cache = filled(decoder)
    fast = RecordedDecoder(decoder, cache, Recording())
    tokens, segments = next_tokens(2)
    first = fast(tokens, segments, cache)
    kept = first.clone()
    fast(tokens.flip(0), segments, cache)
    assert torch.equal(first, kept)


def test_a_prompt_beside_decoding_rows_goes_to_the_decoder(decoder: Decoder) -> None:
    record = Recording()
    cache = filled(decoder, slots=len(PASTS) + 2)
    fast = RecordedDecoder(decoder, cache, record)
    tokens, segments = next_tokens(3)
    prompt = torch.tensor(random_tokens(11, seed=5))
    joined, both = torch.cat((prompt, tokens)), [Segment(len(PASTS), 0, 11), *segments]
    hidden = fast(joined, both, cache)
    expected = decoder(joined, both, filled(decoder, slots=len(PASTS) + 2))
    assert torch.allclose(hidden, expected, rtol=1e-4, atol=1e-4)
    assert record.count == 1
    fast(prompt, both[:1], cache)
    assert record.count == 1


def test_more_rows_than_the_largest_graph_has_are_computed_all_the_same(decoder: Decoder) -> None:
    record = Recording()
    cache = new_cache(decoder, slots=66)
    tokens, segments = torch.tensor(random_tokens(65)), [Segment(slot, 0, 1) for slot in range(65)]
    hidden = RecordedDecoder(decoder, cache, record)(tokens, segments, cache)
    assert torch.equal(hidden, decoder(tokens, segments, cache)) and record.count == 0


def test_where_nothing_can_be_recorded_the_decoder_goes_on_alone(
    decoder: Decoder, caplog: pytest.LogCaptureFixture
) -> None:
    cache = filled(decoder)
    fast = RecordedDecoder(decoder, cache, refuse)
    tokens, segments = next_tokens(3)
    for _ in range(2):
        assert torch.equal(fast(tokens, segments, cache), decoder(tokens, segments, filled(decoder)))
    assert len(caplog.records) == 1


def test_on_a_cpu_the_decoder_stays_as_it_is(decoder: Decoder) -> None:
    assert with_cuda_graphs(decoder, new_cache(decoder, 2)) is decoder


def texts(engine: Engine) -> dict[int, list[int]]:
    """Results of eight jobs of different lengths that share one engine."""
    for key in range(8):
        prompt = tuple(random_tokens(5 + 11 * key, seed=key))
        engine.submit(Job(key, prompt, 12 + 5 * key, Sampling(0.9 * (key % 2)), key))
    made: dict[int, list[int]] = {}
    while engine.has_work:
        for event in engine.step():
            assert isinstance(event, TokenEvent) and event.token is not None
            made.setdefault(event.key, []).append(event.token)
    return made


def test_an_engine_gives_the_same_texts_with_recorded_steps(decoder: Decoder) -> None:
    def engine(wrap: Callable[[Decoder, KVCache], Any]) -> Engine:
        cache = new_cache(decoder, slots=6)
        return Engine(Runner(wrap(decoder, cache), cache), Scheduler(5, prefill_chunk=16))

    record = Recording()
    fast = texts(engine(lambda decoder, cache: RecordedDecoder(decoder, cache, record)))
    assert fast == texts(engine(lambda decoder, cache: decoder))
    assert [len(text) for _, text in sorted(fast.items())] == [12 + 5 * key for key in range(8)]
    assert record.count > 0
