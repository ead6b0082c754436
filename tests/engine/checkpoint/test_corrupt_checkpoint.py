"""Loading: everything that is not a valid checkpoint is refused with `ModelCorrupt` and no other error."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from inkwell.errors import LoadFailed, ModelCorrupt
from tests.engine.tiny import Tensors, edit, load_tiny
from tests.live import as_nobody_special, public_folder

pytestmark = pytest.mark.usefixtures("one_thread")


def refused(folder: Path) -> ModelCorrupt:
    """The error of a load that must fail; its message names no path."""
    with pytest.raises(ModelCorrupt) as caught:
        load_tiny(folder)
    assert str(folder.parent) not in caught.value.message
    return caught.value


def rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(change(file.read_bytes())) and None


def empty_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 548105171\n"
SPOILS: dict[str, Callable[[Path], None]] = {
    "cut by one byte": rewrite(lambda raw: raw[:-1]),
    "cut in half": rewrite(lambda raw: raw[: len(raw) // 2]),
    "cut inside the header": rewrite(lambda raw: raw[:100]),
    "empty": rewrite(lambda raw: b""),
    "five bytes": rewrite(lambda raw: raw[:5]),
    "header of 2**40 bytes": rewrite(lambda raw: (1 << 40).to_bytes(8, "little") + raw[8:]),
    "header of 2**64 - 1 bytes": rewrite(lambda raw: b"\xff" * 8 + raw[8:]),
    "header is no json": rewrite(lambda raw: raw[:8] + b"<" * 50 + raw[58:]),
    "trailing bytes": rewrite(lambda raw: raw + b"more"),
    "git-lfs pointer": rewrite(lambda raw: LFS_POINTER),
    "web page": rewrite(lambda raw: b"<!doctype html><html><title>404</title></html>"),
    "renamed pickle": rewrite(lambda raw: pickle.dumps({"wte.weight": [0.0] * 100})),
    "zip": rewrite(lambda raw: b"PK\x03\x04" + raw),
    "offsets past the end": rewrite(lambda raw: raw.replace(b'"data_offsets":[0,', b'"data_offsets":[9,', 1)),
    "named pipe": empty_pipe,
    "folder": folder_instead,
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_what_is_no_safetensors_file_is_corrupt(spoil: Callable[[Path], None], copy: Callable[[str], Path]) -> None:
    file = copy("gpt2") / "model.safetensors"
    spoil(file)
    error = refused(file.parent)
    assert error.message == "the checkpoint's weights cannot be read"
    assert "model.safetensors" in error.cause


def dropped(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: tensor for key, tensor in tensors.items() if not key.endswith(name)}


def replaced(name: str, tensor: Tensor) -> Callable[[Tensors], Tensors]:
    return lambda tensors: tensors | {name: tensor}


MISFITS: dict[str, tuple[str, Callable[[Tensors], Tensors], str]] = {
    "missing": ("gpt2", dropped("h.1.mlp.c_fc.weight"), "tensors 1 missing"),
    "many missing": ("gpt2", dropped("bias"), "tensors 19 missing"),
    "no tensors": ("gpt2", lambda tensors: {}, "missing"),
    "extra": ("gpt2", replaced("transformer.h.3.ln_1.weight", torch.ones(30)), "1 not expected"),
    "a classifier's head": ("gpt2", replaced("score.weight", torch.ones(2, 30)), "1 not expected"),
    "another shape": ("gpt2", replaced("transformer.wpe.weight", torch.ones(64, 30)), "1 of another shape"),
    "another rank": ("gpt2", replaced("transformer.ln_f.bias", torch.ones(1, 30)), "1 of another shape"),
    "transposed": ("gpt2", replaced("transformer.h.0.mlp.c_fc.weight", torch.ones(120, 30)), "1 of another shape"),
    "integers": ("gpt2", replaced("transformer.ln_f.bias", torch.ones(30, dtype=torch.int32)), "1 not floats"),
    "eight bits": ("gpt2", replaced("transformer.ln_f.bias", torch.ones(30).to(torch.float8_e4m3fn)), "1 not floats"),
    "untied without a head": ("untied", dropped("lm_head.weight"), "1 missing"),
    "gptj without its head's bias": ("gptj", dropped("lm_head.bias"), "1 missing"),
    "gptj named as gpt2": ("gptj", lambda tensors: {"transformer.wte.weight": torch.ones(97, 30)}, "missing"),
    "tied to another matrix": ("gpt2", replaced("lm_head.weight", torch.ones(97, 30)), "two matrices"),
    "tied head of another shape": ("gpt2", replaced("lm_head.weight", torch.ones(96, 30)), "1 of another shape"),
    "both with and without the prefix": ("gpt2", replaced("wte.weight", torch.ones(97, 30)), "twice"),
}


@pytest.mark.parametrize(("kind", "change", "words"), MISFITS.values(), ids=MISFITS)
def test_a_file_that_does_not_fit_its_config_is_corrupt(
    kind: str, change: Callable[[Tensors], Tensors], words: str, copy: Callable[[str], Path]
) -> None:
    assert words in refused(edit(copy(kind), change)).message


def test_the_cause_names_the_first_five_tensors(copy: Callable[[str], Path]) -> None:
    error = refused(edit(copy("gpt2"), dropped("bias")))
    assert error.cause.split("; ") == [
        f"'h.0.{name}.bias'" for name in ("attn.c_attn", "attn.c_proj", "ln_1", "ln_2", "mlp.c_fc")
    ]


@pytest.mark.parametrize("changes", [{"n_layer": 4096, "n_embd": 131_040}, {"vocab_size": 1 << 24}, {"n_layer": 2}])
def test_a_config_of_another_size_is_refused_before_anything_is_allocated(
    changes: dict[str, int], copy: Callable[[str], Path]
) -> None:
    folder = copy("gpt2")
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    assert "does not fit its config.json" in refused(folder).message


INDEXES: dict[str, bytes] = {
    "path upwards": b'{"weight_map": {"wte.weight": "../gpt2/model.safetensors"}}',
    "absolute path": b'{"weight_map": {"wte.weight": "/etc/passwd.safetensors"}}',
    "folder inside": b'{"weight_map": {"wte.weight": "sub/model.safetensors"}}',
    "pickle": b'{"weight_map": {"wte.weight": "pytorch_model.bin"}}',
    "hidden file": b'{"weight_map": {"wte.weight": ".safetensors"}}',
    "line end": b'{"weight_map": {"wte.weight": "model.safetensors\\n"}}',
    "zero byte": b'{"weight_map": {"wte.weight": "model\\u0000.safetensors"}}',
    "missing shard": b'{"weight_map": {"wte.weight": "model-1-of-9.safetensors"}}',
    "numbers": b'{"weight_map": {"wte.weight": 7}}',
    "list": b'{"weight_map": ["model.safetensors"]}',
    "nothing": b'{"weight_map": {}}',
    "no map": b"{}",
    "no object": b"[]",
    "no json": b"<!doctype html>",
    "no utf-8": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "huge": b" " * ((16 << 20) + 1),
}


@pytest.mark.parametrize("content", INDEXES.values(), ids=INDEXES)
def test_an_index_that_is_no_index_or_leads_elsewhere_is_corrupt(content: bytes, copy: Callable[[str], Path]) -> None:
    folder = copy("sharded")
    copy("gpt2")
    (folder / "model.safetensors.index.json").write_bytes(content)
    refused(folder)


def test_a_folder_without_weights_is_corrupt(copy: Callable[[str], Path]) -> None:
    folder = copy("gpt2")
    (folder / "model.safetensors").unlink()
    assert refused(folder).message == "the checkpoint's index cannot be read"


@pytest.mark.parametrize("count", [0, 1])
def test_a_missing_or_doubled_shard_is_corrupt(count: int, copy: Callable[[str], Path]) -> None:
    folder = copy("sharded")
    first, second = sorted(folder.glob("*.safetensors"))[:2]
    shutil.copyfile(first, second) if count else second.unlink()
    refused(folder)


def test_weights_that_may_not_be_read_are_not_called_corrupt(originals: dict[str, Path]) -> None:
    with public_folder() as folder:
        copied = shutil.copytree(originals["gpt2"], folder / "gpt2")
        copied.chmod(0o755)
        (copied / "model.safetensors").chmod(0)
        unreadable = pytest.raises(LoadFailed, match="^the service's user may not read the model's weights$")
        with as_nobody_special(), unreadable:
            load_tiny(copied)
