"""The slot cache: reads return what was written, slots never mix, and an unused one costs nothing."""

from pathlib import Path

import torch

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.model.kv_cache import KVCache

SHAPE = ModelConfig("gpt2", vocab_size=10, context=16, width=6, layers=2, heads=3, inner=24)


def cache_of(slots: int) -> KVCache:
    return KVCache(SHAPE, slots, "cpu", torch.float32)


def test_a_view_shows_what_was_written_and_no_other_slot_or_layer_changes() -> None:
    cache = cache_of(3)
    everywhere = torch.arange(16)
    for layer in range(2):
        for slot in range(3):
            zeros = torch.zeros(16, 3, 2)
            cache.write(layer, torch.full((16,), slot), everywhere, zeros, zeros)
    # one step: two tokens of slot 2 at positions 4 and 5, one of slot 0 at position 9
    keys, values = torch.rand(3, 3, 2), torch.rand(3, 3, 2)
    cache.write(1, torch.tensor([2, 2, 0]), torch.tensor([4, 5, 9]), keys, values)
    for which, written in ((0, keys), (1, values)):
        expected = torch.zeros(2, 3, 16, 3, 2)  # [layers, slots, positions, heads, head_dim]
        expected[1, 2, 4], expected[1, 2, 5], expected[1, 0, 9] = written
        seen = torch.stack([torch.stack([cache.view(layer, slot, 16)[which] for slot in range(3)]) for layer in (0, 1)])
        assert torch.equal(seen.transpose(2, 3), expected)


def test_a_view_has_the_length_asked_for_and_is_no_copy() -> None:
    cache = cache_of(1)
    keys, values = cache.view(0, 0, 5)
    assert keys.shape == values.shape == (3, 5, 2)
    assert keys.data_ptr() == cache.view(0, 0, 16)[0].data_ptr()


def test_its_size_is_told() -> None:
    assert cache_of(3).nbytes == 3 * SHAPE.context * SHAPE.cache_bytes_per_token(4)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_slots_that_were_never_used_take_no_memory() -> None:
    large = ModelConfig("gpt2", vocab_size=10, context=1024, width=768, layers=12, heads=12, inner=3072)
    before = resident_bytes()
    cache = KVCache(large, 32, "cpu", torch.bfloat16)
    assert cache.nbytes == 32 * 36 << 20
    assert resident_bytes() - before < 32 << 20
