"""Random checkpoints: of published shapes, servable, readable by `transformers`, and cheap to create."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import GPT2LMHeadModel, GPTJForCausalLM

from inkwell.checkpoints.catalog import KNOWN_MODELS, scan
from inkwell.checkpoints.model_config import parse_config, read_config
from inkwell.checkpoints.tokenizer import END_OF_TEXT, load_tokenizer
from scripts.make_random_model import SHAPES, RandomModelSpec, main, make
from tests.engine.tiny import greedy, greedy_by_transformers, load_tiny

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_random_model.py"


@pytest.mark.parametrize("known", KNOWN_MODELS, ids=lambda known: known.name)
def test_the_shapes_have_as_many_parameters_as_the_published_models(known: object) -> None:
    assert parse_config(SHAPES[known.name]).parameters == known.parameters


@pytest.mark.parametrize(("shape", "model"), [("tiny", GPT2LMHeadModel), ("tiny-gptj", GPTJForCausalLM)])
@pytest.mark.parametrize("shards", [1, 3])
def test_the_service_and_transformers_read_the_same_model(shape: str, model: type, shards: int, tmp_path: Path) -> None:
    main(["--shape", shape, "--out", str(tmp_path / "m"), "--shards", str(shards), "--seed", "3"])
    assert scan(tmp_path)["m"].state == "available"
    assert len(list((tmp_path / "m").glob("*.safetensors"))) == shards
    reference, info = model.from_pretrained(tmp_path / "m", output_loading_info=True)
    assert not any(info.values()), info
    reference.generation_config.eos_token_id = None
    assert greedy(load_tiny(tmp_path / "m"), [1, 2, 3], 20) == greedy_by_transformers(reference, [1, 2, 3], 20)


@pytest.mark.parametrize(("dtype", "code"), [("float32", "F32"), ("float16", "F16"), ("bfloat16", "BF16")])
def test_weights_are_stored_as_asked(dtype: str, code: str, tmp_path: Path) -> None:
    make(RandomModelSpec(tmp_path, SHAPES["tiny"], dtype))
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {code}
    assert read_config(tmp_path).stored_dtype == dtype


def test_the_seed_decides_the_weights(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make(RandomModelSpec(tmp_path / name, SHAPES["tiny"], seed=seed))
    a, b, c = (load_file(tmp_path / name / "model.safetensors")["transformer.wte.weight"] for name in "abc")
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert 0.018 < float(a.std()) < 0.022


def test_a_small_vocabulary_gets_a_tokenizer_of_bytes(tmp_path: Path) -> None:
    make(RandomModelSpec(tmp_path, SHAPES["tiny"]))
    tokenizer, config = load_tokenizer(tmp_path), read_config(tmp_path)
    assert tokenizer.highest_id < config.vocab_size
    assert len(tokenizer.encode("Grüße 🙂")) == len("Grüße 🙂".encode())
    assert tokenizer.encode(END_OF_TEXT) == [config.eos_token_id]


@pytest.mark.slow
@pytest.mark.parallel
def test_it_runs_as_a_command_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--shape", "tiny", "--out", "made"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert scan(tmp_path)["made"].state == "available"


@pytest.mark.parametrize(
    "arguments", [[], ["--shape", "2B", "--out", "x"], ["--shape", "tiny", "--out", "x", "--shards", "0"]]
)
def test_a_wrong_command_line_says_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage:" in capsys.readouterr().err
