"""A model on several devices: the plan includes the cache, and a spread decoder computes the same as a whole one.

A machine without a GPU has only one device. So plans are made for GPUs that do not exist, and a decoder is spread over
"cpu" and "cpu:0", which torch treats as different devices; moving tensors between real ones is accelerate's part.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate.hooks import AlignDevicesHook

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.contract import EngineConfig
from inkwell.engine.loading import load_model
from inkwell.engine.model.batch import Batch, Segment, ragged_batch, single_token_batch
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.model.placement import Placement, place, planned, spread
from inkwell.errors import LoadFailed
from tests.engine.tiny import load_tiny, random_tokens, run_chunks, save_tiny

pytestmark = pytest.mark.usefixtures("one_thread")

MIB = 1 << 20
CPU, OTHER = torch.device("cpu"), torch.device("cpu", 0)
# Half precision: 24 MiB a block, 8 MiB of embedding, and 4 MiB a slot and block of cache.
LARGE = ModelConfig("gpt2", vocab_size=4096, context=1024, width=1024, layers=6, heads=16, inner=4096)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """accelerate warns that the GPUs of the plans do not exist, which is intended."""
    with caplog.at_level("ERROR", "accelerate"):
        yield


def numbers(devices: tuple[torch.device, ...]) -> list[int | str]:
    return [device.index if device.type == "cuda" else device.type for device in devices]


def test_devices_are_filled_in_order_and_a_block_is_never_cut() -> None:
    plan = planned(LARGE, {0: 150 * MIB, 1: 60 * MIB, "cpu": 1000 * MIB}, slots=1, dtype=torch.float16)
    assert plan.home == torch.device("cuda", 0)
    assert numbers(plan.blocks) == [0, 0, 0, 1, 1, "cpu"]
    assert plan.norm == CPU
    assert plan.head == plan.home, "a tied head is the embedding"


def test_a_larger_cache_leaves_room_for_fewer_blocks() -> None:
    memory = {0: 400 * MIB, "cpu": 4000 * MIB}
    on_gpu = [
        sum(device.type == "cuda" for device in planned(LARGE, memory, slots, torch.float16).blocks)
        for slots in (1, 12, 16)
    ]
    assert on_gpu == [6, 4, 3]


def test_what_fits_on_one_device_stays_there() -> None:
    plan = planned(LARGE, {0: 1000 * MIB, 1: 1000 * MIB, "cpu": 1000 * MIB}, slots=1, dtype=torch.float16)
    assert {plan.home, plan.norm, plan.head, *plan.blocks} == {torch.device("cuda", 0)}


def test_what_fits_nowhere_is_refused() -> None:
    with pytest.raises(LoadFailed, match="does not fit"):
        planned(LARGE, {0: 100 * MIB, "cpu": 100 * MIB}, slots=1, dtype=torch.float16)


@pytest.mark.parametrize("limits", ["cpu=much", "cpu", "disk=20GiB", "99=20GiB", "cpu=20GiB,", "-1=20GiB"])
def test_limits_that_are_none_are_refused(limits: str, tmp_path: Path) -> None:
    save_tiny(tmp_path)
    with pytest.raises(LoadFailed, match="memory limits"):
        place(load_tiny(tmp_path, native=False), limits, 1, torch.float32)


@pytest.mark.parametrize(("family", "changes"), [("gpt2", {}), ("gptj", {}), ("gpt2", {"tie_word_embeddings": False})])
def test_a_spread_decoder_computes_what_a_whole_one_does(family: str, changes: dict[str, bool], tmp_path: Path) -> None:
    save_tiny(tmp_path, family, **changes)
    whole, parts = load_tiny(tmp_path, native=False), load_tiny(tmp_path, native=False)
    spread(parts, Placement(CPU, (CPU, OTHER, OTHER), OTHER, CPU))
    caches = [KVCache(whole.config, 3, device, torch.float32) for device in (CPU, (CPU, OTHER, OTHER))]
    results = []
    for decoder, cache in zip((whole, parts), caches, strict=True):
        logits = [run_chunks(decoder, cache, slot, random_tokens(20 + slot, seed=slot), 7) for slot in range(2)]
        cache.copy(1, 2, 21)
        segments = [Segment(0, 20, 1), Segment(1, 21, 1), Segment(2, 21, 4)]
        results.append([*logits, decoder.logits(decoder(torch.arange(6), segments, cache))])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_every_part_of_a_spread_decoder_moves_what_it_gets(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    decoder = load_tiny(tmp_path, native=False)
    spread(decoder, Placement(CPU, (CPU, OTHER, OTHER), OTHER, CPU))
    hooked = [*decoder.blocks, decoder.norm, decoder.head]
    hooks = [module._hf_hook for module in hooked]
    assert all(isinstance(hook, AlignDevicesHook) for hook in hooks)
    assert [hook.execution_device for hook in hooks] == [CPU, OTHER, OTHER, OTHER, CPU]
    assert decoder.head.weight is decoder.embedding


@pytest.mark.parametrize("kind", ["ragged", "single tokens"])
def test_a_batch_moves_to_another_device_once(kind: str) -> None:
    """The other device is "meta", which every machine has."""
    made: Batch = (
        ragged_batch([Segment(0, 3, 2), Segment(1, 0, 1)], CPU)
        if kind == "ragged"
        else single_token_batch(torch.tensor([0, 1]), torch.tensor([5, 9]), 128)
    )
    assert made.to(CPU) is made
    moved = made.to(torch.device("meta"))
    assert moved is made.to(torch.device("meta"), non_blocking=False)
    tensors = [moved.slots, moved.positions, *(placed.mask for placed in moved.placed if placed.mask is not None)]
    if moved.padded is not None:
        tensors += [moved.padded.positions, moved.padded.mask]
    assert len(tensors) == (3 if kind == "ragged" else 4)
    assert all(tensor.is_meta for tensor in tensors)


def test_a_cache_lies_where_its_blocks_do(tmp_path: Path) -> None:
    config = ModelConfig("gpt2", vocab_size=10, context=16, width=6, layers=2, heads=3, inner=24)
    cache = KVCache(config, 2, (CPU, torch.device("meta")), torch.float32)
    assert [part.device.type for layer in range(2) for part in cache.layer(layer)] == ["cpu", "cpu", "meta", "meta"]
    assert cache.nbytes == KVCache(config, 2, "cpu", torch.float32).nbytes
    assert cache.gpu_bytes == 0


@pytest.mark.slow
@pytest.mark.parallel
def test_who_spreads_nothing_does_not_wait_for_accelerate() -> None:
    program = "import sys, inkwell.engine.loading; assert not [name for name in sys.modules if 'accelerate' in name]"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_a_gpu_a_model_is_loaded_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    save_tiny(tmp_path)
    loaded = load_model(tmp_path, EngineConfig(device="spread", dtype="float32", threads=1, max_rows=2))
    assert loaded.device == "cpu" and loaded.gpu_bytes == 0
