"""Pickled weights become safetensors that `transformers` reads identically, and code in a pickle never runs."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from scripts.checkpoint_check import check_checkpoint
from scripts.conversion import ConversionRefused, convert
from tests.scripts.pickles import Builder, Program, gpt2, gptj, old_state, save_checkpoint, save_sharded


# --- what comes out ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shard_bytes", [4_000_000_000, 8_000], ids=["one file", "shards"])
@pytest.mark.parametrize("sharded_source", [False, True], ids=["from one file", "from shards"])
@pytest.mark.parametrize("build", [gpt2, gptj])
def test_the_converted_model_computes_the_same(
    tmp_path: Path, build: Builder, sharded_source: bool, shard_bytes: int
) -> None:
    model = build()
    save_checkpoint(model, tmp_path)
    if sharded_source:
        (tmp_path / "pytorch_model.bin").unlink()
        save_sharded(old_state(model), tmp_path)
    names = convert(tmp_path, shard_bytes)
    assert len(names) == 1 if shard_bytes > 8_000 else len(names) > 3
    check_checkpoint(tmp_path)
    for path in tmp_path.glob("pytorch_model*"):
        path.unlink()
    ids = torch.randint(300, (2, 20))
    with torch.no_grad():
        converted = type(model).from_pretrained(tmp_path)
        assert torch.equal(converted(ids).logits, model(ids).logits)


def test_masks_and_a_tied_head_are_left_out_and_an_own_head_stays(tmp_path: Path) -> None:
    for build, head in ((gpt2, False), (gptj, True)):
        torch.save(old_state(build()), tmp_path / "pytorch_model.bin")
        convert(tmp_path)
        names = load_file(tmp_path / "model.safetensors").keys()
        assert ("lm_head.weight" in names) == head
        assert not [name for name in names if name.endswith((".attn.bias", ".attn.masked_bias"))]
        assert ("transformer.h.0.attn.c_attn.bias" in names) != head


@pytest.mark.parametrize("legacy", [False, True], ids=["zip format", "format of 2019"])
def test_values_and_number_formats_stay_whatever_the_memory_layout(tmp_path: Path, legacy: bool) -> None:
    fused = torch.randn(4, 6)
    state = {
        "half": torch.randn(3, 5).half(),
        "brain": torch.randn(3, 5).bfloat16(),
        "transposed": torch.randn(3, 5).T,
        "first": fused[:2],
        "second": fused[2:],
        "again": fused,
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 4),
    }
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
    convert(tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_a_piece_of_a_large_storage_does_not_bring_the_rest_along(tmp_path: Path) -> None:
    torch.save({"piece": torch.randn(1_000_000)[:10]}, tmp_path / "pytorch_model.bin")
    convert(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 1000


def test_whoever_may_read_other_files_may_read_the_new_ones(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model.bin")
    convert(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "pytorch_model.bin").stat().st_mode


def test_no_shard_grows_beyond_the_limit(tmp_path: Path) -> None:
    torch.save({f"t{n}": torch.randn(100) for n in range(10)}, tmp_path / "pytorch_model.bin")
    names = convert(tmp_path, shard_bytes=1000)
    assert names[:2] == ["model-00001-of-00005.safetensors", "model-00002-of-00005.safetensors"]
    index = json.loads((tmp_path / names[-1]).read_text())
    assert index["metadata"]["total_size"] == 4000
    assert {len(load_file(tmp_path / name)) for name in names[:-1]} == {2}


# --- what is refused --------------------------------------------------------------------------------------------------
HOSTILE: dict[str, Callable[[Program, Path], None]] = {
    "in a state dict": lambda program, path: torch.save({"a": torch.ones(2), "b": program}, path),
    "alone": lambda program, path: torch.save(program, path),
    "in the format of 2019": lambda program, path: torch.save([program], path, _use_new_zipfile_serialization=False),
    "a bare pickle": lambda program, path: path.write_bytes(pickle.dumps({"a": program}, protocol=2)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_pickle_that_is_a_program_is_refused_and_does_not_run(tmp_path: Path, kind: str) -> None:
    mark = tmp_path / "ran"
    file = tmp_path / "pytorch_model.bin"
    HOSTILE[kind](Program(mark), file)
    with pytest.raises(ConversionRefused, match="contains code.*it was not run"):
        convert(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_model.bin"]


def test_those_programs_would_have_run_elsewhere(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    HOSTILE["in a state dict"](Program(mark), tmp_path / "pytorch_model.bin")
    torch.load(tmp_path / "pytorch_model.bin", weights_only=False)
    assert mark.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.ones(2)], "contains a list instead of named tensors"),
        ({"model": {"a": torch.ones(2)}}, "something other than a tensor under 'model'"),
        ({"a": torch.ones(2), "epoch": 3}, "something other than a tensor under 'epoch'"),
        ({7: torch.ones(2)}, "something other than a tensor under '7'"),
        ({"vast": torch.ones(1).expand(10**12)}, "'vast' is larger than its data"),
        ({"sparse": torch.eye(3).to_sparse()}, "'sparse' is not a plain tensor"),
        ({"meta": torch.ones(3, device="meta")}, "'meta' is not a plain tensor"),
        ({"h.0.attn.bias": torch.ones(3)}, "it contains no weights"),
        ({}, "it contains no weights"),
    ],
)
def test_anything_but_plain_tensors_by_name_is_refused(tmp_path: Path, content: object, words: str) -> None:
    torch.save(content, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConversionRefused, match=words):
        convert(tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("content", [b"", b"<html>not here</html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(ConversionRefused, match="damaged"):
        convert(tmp_path)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ('{"weight_map": {"a": "../pytorch_model-00001-of-00001.bin"}}', "not a shard of this folder"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "not a shard of this folder"),
        ('{"weight_map": {"a": "pytorch_model-00001-of-00001.bin", "b": 5}}', "not a shard of this folder"),
        ('{"weight_map": {"a": "pytorch_model-00002-of-00002.bin"}}', "pytorch_model-00002-of-00002.bin is missing"),
        ('{"weight_map": {"z": "pytorch_model-00001-of-00001.bin"}}', "lacks 1 tensors of the index, among them z"),
        ('{"weight_map": []}', "cannot be read"),
        ("no json", "cannot be read"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path, index: str, words: str) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model-00001-of-00001.bin")
    (tmp_path / "pytorch_model.bin.index.json").write_text(index)
    with pytest.raises(ConversionRefused, match=words):
        convert(tmp_path)
