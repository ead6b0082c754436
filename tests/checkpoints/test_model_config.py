"""config.json by our own rules: what is read, what is dropped, what is refused before anything is allocated."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from inkwell.checkpoints.model_config import CONFIG_BYTES_MAX, ModelConfig, parse_config, read_config
from inkwell.errors import ModelCorrupt

GPT2 = {"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}
GPTJ = {"model_type": "gptj", "vocab_size": 50400, "n_positions": 2048, "n_embd": 4096, "n_layer": 28, "n_head": 16}


def test_a_gpt2_config_is_read() -> None:
    config = parse_config(
        {
            **GPT2,
            "n_inner": 1000,
            "activation_function": "relu",
            "layer_norm_epsilon": 1e-6,
            "scale_attn_weights": False,
            "scale_attn_by_inverse_layer_idx": True,
            "reorder_and_upcast_attn": True,
            "tie_word_embeddings": False,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "dtype": "float16",
        }
    )
    assert config == ModelConfig(
        family="gpt2",
        vocab_size=50257,
        context=1024,
        width=768,
        layers=12,
        heads=12,
        inner=1000,
        activation="relu",
        layer_norm_epsilon=1e-6,
        rotary_dim=None,
        scale_attention=False,
        scale_by_inverse_layer=True,
        upcast_attention=True,
        tied_head=False,
        bos_token_id=1,
        eos_token_ids=(2,),
        stored_dtype="float16",
    )


def test_a_gptj_config_is_read_with_the_family_s_own_defaults() -> None:
    config = parse_config(GPTJ)
    assert (config.family, config.rotary_dim, config.inner, config.tied_head) == ("gptj", 64, 16384, False)
    assert config.eos_token_id == 50256


def test_gpt2_s_defaults_are_those_of_transformers() -> None:
    config = parse_config(GPT2)
    assert (config.inner, config.activation, config.layer_norm_epsilon) == (3072, "gelu_new", 1e-5)
    assert (config.scale_attention, config.scale_by_inverse_layer, config.upcast_attention) == (True, False, False)
    assert (config.tied_head, config.rotary_dim, config.head_dim, config.eos_token_id) == (True, None, 64, 50256)


def test_gptj_ignores_what_only_gpt2_s_code_looks_at() -> None:
    odd = {"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True}
    assert parse_config({**GPTJ, **odd}) == parse_config(GPTJ)


@pytest.mark.parametrize(
    "known",
    [
        {"hidden_size": 768, "n_embd": None},
        {"num_attention_heads": 12, "n_head": None},
        {"num_hidden_layers": 12, "n_layer": None},
        {"max_position_embeddings": 1024, "n_positions": None},
    ],
    ids=lambda known: next(iter(known)),
)
def test_the_common_name_stands_in_for_gpt_s_own(known: dict[str, int | None]) -> None:
    data = {key: value for key, value in {**GPT2, **known}.items() if value is not None}
    assert parse_config(data) == parse_config(GPT2)


@pytest.mark.parametrize("key", ["summary_type", "task_specific_params", "gradient_checkpointing", "rotary", "n_ctx"])
def test_unknown_keys_are_dropped(key: str) -> None:
    assert parse_config({**GPT2, key: {"anything": [1]}}) == parse_config(GPT2)


@pytest.mark.parametrize("key", ["_name_or_path", "_commit_hash"])
def test_the_two_private_keys_that_transformers_writes_itself_are_dropped(key: str) -> None:
    assert parse_config({**GPT2, key: "gpt2"}) == parse_config(GPT2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "bert"}, "model_type is 'bert'"),
        ({"model_type": None}, "model_type is None"),
        ({"model_type": ["gpt2"]}, "model_type is a list"),
        ({"model_type": "gpt_neo"}, "model_type"),
        ({"auto_map": {"AutoModel": "code.py"}}, "auto_map"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"custom_pipelines": {}}, "custom_pipelines"),
        ({"_attn_implementation_internal": "someone/kernel"}, "_attn_implementation_internal"),
        ({"_": 1}, "'_'"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        (
            {"activation_function": "quick_gelu"},
            "activation_function 'quick_gelu' is not supported; "
            "gelu, gelu_fast, gelu_new, gelu_pytorch_tanh and relu are",
        ),
        ({"activation_function": ["relu"]}, "activation_function a list"),
    ],
)
def test_another_architecture_or_foreign_code_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelCorrupt, match=words):
        parse_config({**GPT2, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_layer": 10**9}, "n_layer must be an integer from 1 to 4096, not 1000000000"),
        ({"n_layer": 0}, "n_layer"),
        ({"n_layer": -1}, "n_layer"),
        ({"n_layer": True}, "n_layer must be an integer from 1 to 4096, not True"),
        ({"n_layer": 12.0}, "n_layer"),
        ({"n_layer": "12"}, "n_layer"),
        ({"n_embd": 2**31}, "n_embd"),
        ({"n_head": 7}, "n_head 7 does not divide n_embd 768"),
        ({"n_head": 0}, "n_head"),
        ({"vocab_size": 0}, "vocab_size"),
        ({"vocab_size": None}, "vocab_size"),
        ({"n_positions": 2**40}, "n_positions"),
        ({"n_inner": 0}, "n_inner"),
        ({"n_inner": True}, "n_inner"),
        ({"layer_norm_epsilon": 0}, "layer_norm_epsilon"),
        ({"layer_norm_epsilon": float("nan")}, "layer_norm_epsilon"),
        ({"layer_norm_epsilon": "1e-5"}, "layer_norm_epsilon"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings must be true or false, not 1"),
        ({"scale_attn_weights": None}, "scale_attn_weights"),
        ({"eos_token_id": "</s>"}, "eos_token_id"),
        ({"eos_token_id": [1, True]}, "eos_token_id"),
        ({"bos_token_id": 1.5}, "bos_token_id"),
        ({"vocab_size": "x" * 10_000}, "vocab_size must be an integer from 1 to 16777216, not '" + "x" * 36 + "...$"),
        ({"vocab_size": "\ud800"}, r"not '\\ud800'"),
    ],
)
def test_a_value_out_of_range_or_of_the_wrong_type_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelCorrupt, match=words):
        parse_config({**GPT2, **changes})


@pytest.mark.parametrize("missing", ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head"])
def test_a_size_that_is_missing_is_never_guessed(missing: str) -> None:
    with pytest.raises(ModelCorrupt, match=missing):
        parse_config({key: value for key, value in GPT2.items() if key != missing})


@pytest.mark.parametrize("rotary_dim", [63, 0, 258, None, True])
def test_a_rotary_dim_that_does_not_fit_the_head_is_refused(rotary_dim: int | None) -> None:
    with pytest.raises(ModelCorrupt, match="rotary_dim"):
        parse_config({**GPTJ, "rotary_dim": rotary_dim})


@pytest.mark.parametrize(
    ("given", "kept"),
    [(7, (7,)), ([7, 9], (7, 9)), (None, ()), ([], ()), (50257, ()), (-1, ()), ([3, 50257], (3,))],
)
def test_ids_that_the_vocabulary_does_not_have_never_end_a_text(given: Any, kept: tuple[int, ...]) -> None:
    config = parse_config({**GPT2, "eos_token_id": given})
    assert config.eos_token_ids == kept
    assert config.eos_token_id == (kept[0] if kept else None)


@pytest.mark.parametrize(
    ("keys", "stored"),
    [
        ({"torch_dtype": "float16"}, "float16"),
        ({"dtype": "bfloat16", "torch_dtype": "float32"}, "bfloat16"),
        ({"dtype": "int8"}, None),
        ({"dtype": 16}, None),
        ({}, None),
    ],
)
def test_the_stored_dtype_is_a_hint(keys: dict[str, Any], stored: str | None) -> None:
    assert parse_config({**GPT2, **keys}).stored_dtype == stored


def test_cache_room_is_two_vectors_per_layer_and_token() -> None:
    assert parse_config(GPT2).cache_bytes_per_token(2) == 36 << 10
    assert parse_config(GPTJ).cache_bytes_per_token(2) == 448 << 10


def write(folder: Path, content: bytes) -> Path:
    (folder / "config.json").write_bytes(content)
    return folder


def test_a_file_is_read(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, json.dumps(GPT2).encode())) == parse_config(GPT2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"gpt2"',
        b"<!doctype html><title>404</title>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 665\n",
        b"\xff\xfe{\x00}\x00",
        b'{"model_type": "gpt2\xff"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"n_layer": ' + b"9" * 5000 + b"}",
    ],
    ids=["empty", "cut", "null", "list", "string", "html", "lfs", "utf-16", "latin-1", "mark", "deep", "digits"],
)
def test_what_is_not_a_json_object_in_utf8_is_corrupt(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelCorrupt) as caught:
        read_config(write(tmp_path, content))
    assert str(tmp_path) not in caught.value.message


def test_a_missing_file_is_corrupt_and_the_path_stays_in_the_log(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt) as caught:
        read_config(tmp_path)
    assert caught.value.message == "config.json cannot be read"
    assert str(tmp_path) in caught.value.cause


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    padding = b" " * CONFIG_BYTES_MAX
    with pytest.raises(ModelCorrupt, match="larger than 1,048,576 bytes"):
        read_config(write(tmp_path, json.dumps(GPT2).encode() + padding))


def test_no_foreign_code_is_imported_or_run_for_a_hostile_config(tmp_path: Path) -> None:
    hostile = {**GPT2, "auto_map": {"AutoModel": "evil.Model"}, "_attn_implementation_internal": "someone/kernel"}
    (tmp_path / "evil.py").write_text("raise SystemExit('run')")
    before = set(sys.modules)
    with pytest.raises(ModelCorrupt):
        read_config(write(tmp_path, json.dumps(hostile).encode()))
    assert set(sys.modules) == before
