"""Loading: every form in which `transformers` saves a model produces the same decoder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from inkwell.checkpoints.model_config import read_config
from inkwell.engine.checkpoint.checkpoint import stored_dtype
from inkwell.engine.checkpoint.layout import weight_map
from tests.engine.tiny import Tensors, edit, load_tiny, new_cache, random_tokens, run_chunks, save_tiny

pytestmark = pytest.mark.usefixtures("one_thread")

PROMPT = random_tokens(20)


def logits_of(folder: Path) -> Tensor:
    decoder = load_tiny(folder)
    return run_chunks(decoder, new_cache(decoder), 0, PROMPT, chunk=20)


def without_prefix(tensors: Tensors) -> Tensors:
    return {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}


def with_old_buffers(tensors: Tensors) -> Tensors:
    mask = torch.ones(1, 1, 128, 128, dtype=torch.bool).tril()
    buffers = {f"transformer.h.{layer}.attn.bias": mask.clone() for layer in range(3)}
    return tensors | buffers | {"transformer.h.0.attn.masked_bias": torch.tensor(-1e9)}


def with_copied_head(tensors: Tensors) -> Tensors:
    return tensors | {"lm_head.weight": tensors["transformer.wte.weight"].clone()}


@pytest.mark.parametrize("kind", ["gpt2", "gptj", "untied"])
def test_the_prefix_makes_no_difference(kind: str, copy: Callable[[str], Path], originals: dict[str, Path]) -> None:
    assert torch.equal(logits_of(edit(copy(kind), without_prefix)), logits_of(originals[kind]))


def test_a_base_model_saved_without_its_head_loads_where_the_head_is_tied(tmp_path: Path) -> None:
    whole = save_tiny(tmp_path / "whole")
    whole.transformer.save_pretrained(tmp_path / "base")
    assert torch.equal(logits_of(tmp_path / "base"), logits_of(tmp_path / "whole"))


def test_shards_give_what_one_file_gives(originals: dict[str, Path]) -> None:
    assert len(list(originals["sharded"].glob("*.safetensors"))) > 3
    assert torch.equal(logits_of(originals["sharded"]), logits_of(originals["gpt2"]))


@pytest.mark.parametrize("change", [with_old_buffers, with_copied_head])
def test_harmless_additions_change_nothing(
    change: Callable[[Tensors], Tensors], copy: Callable[[str], Path], originals: dict[str, Path]
) -> None:
    assert torch.equal(logits_of(edit(copy("gpt2"), change)), logits_of(originals["gpt2"]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_converted_on_the_way(dtype: torch.dtype, copy: Callable[[str], Path]) -> None:
    folder = edit(copy("gptj"), lambda tensors: {name: tensor.to(dtype) for name, tensor in tensors.items()})
    expected = load_file(folder / "model.safetensors")["transformer.wte.weight"].float()
    decoder = load_tiny(folder)
    assert decoder.embedding.dtype == torch.float32
    assert torch.equal(decoder.embedding, expected)


@pytest.mark.parametrize("kind", ["gpt2", "gptj", "untied"])
def test_the_layout_names_every_parameter_once(kind: str, originals: dict[str, Path]) -> None:
    config = read_config(originals[kind])
    file = load_file(originals[kind] / "model.safetensors")
    assert {mapping.name: mapping.shape for mapping in weight_map(config)} == {
        name.removeprefix("transformer."): tuple(tensor.shape) for name, tensor in file.items()
    }
    assert config.parameters == sum(tensor.numel() for tensor in file.values())
    assert config.parameters == sum(parameter.numel() for parameter in load_tiny(originals[kind]).parameters())


def test_a_tied_head_is_the_embedding_itself(originals: dict[str, Path]) -> None:
    decoder = load_tiny(originals["gpt2"])
    assert decoder.head.weight.data_ptr() == decoder.embedding.data_ptr()


def test_the_stored_dtype_is_that_of_the_largest_tensor(copy: Callable[[str], Path]) -> None:
    folder = copy("gpt2")
    assert stored_dtype(folder) == "float32"
    edit(folder, lambda tensors: {n: t.half() if t.ndim == 2 else t for n, t in tensors.items()})
    assert stored_dtype(folder) == "float16"


def test_a_file_truncated_after_the_load_cannot_hurt(copy: Callable[[str], Path]) -> None:
    folder = copy("gpt2")
    decoder = load_tiny(folder)
    expected = run_chunks(decoder, new_cache(decoder), 0, PROMPT, chunk=20)
    os.truncate(folder / "model.safetensors", 0)
    assert torch.equal(run_chunks(decoder, new_cache(decoder), 0, PROMPT, chunk=20), expected)
