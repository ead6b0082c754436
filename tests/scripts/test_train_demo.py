"""The script that trains models/demo: held-out data, evaluation, the folder it writes, and the shipped folder.

The run under test is a real but tiny one: one layer of width 32, trained for three seconds in a process.
"""

import json
import math
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from scripts.demo_model import GPT2, deepen
from scripts.train_demo import END, batches, bits_per_byte, encode, lr_scale, split_stories, train_tokenizer

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "demo"
pytestmark = pytest.mark.slow


def story(number: int) -> str:
    return f"Once upon a time there lived a king who had {number} daughters, and word{number}word was the name of one."


def corpus(count: int) -> str:
    return f"\n{END}\n".join(story(number) for number in range(count)) + "\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "tales.txt").write_text(corpus(40), encoding="utf-8")
    shape = "--layers 2 --width 32 --heads 4 --vocab 300 --positions 64 --batch-tokens 128 --threads 1"
    command = [
        sys.executable,
        "scripts/train_demo.py",
        "--corpus",
        str(folder / "tales.txt"),
        "--out",
        str(folder / "out"),
    ]
    command += [*shape.split(), "--minutes", "0.05", "--export-minutes", "0.015"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    return folder / "out"


@pytest.mark.parametrize(("count", "held"), [(2, 1), (10, 1), (40, 2), (577, 29)])
def test_the_last_twentieth_of_the_stories_is_held_out(count: int, held: int) -> None:
    training, held_out = split_stories(corpus(count))
    assert training + held_out == [story(number) for number in range(count)]
    assert len(held_out) == held


def test_batches_never_show_a_held_out_story() -> None:
    training, held_out = split_stories(corpus(40))
    tokenizer = train_tokenizer(training, 300)
    feed = batches(encode(tokenizer, training), window=64, rows=4)
    torch.manual_seed(1)
    seen = "".join(tokenizer.decode(row.tolist()) for _ in range(60) for row in next(feed))
    assert "word20word" in seen
    assert not any(f"word{number}word" in seen for number in range(40 - len(held_out), 40))


@pytest.mark.parametrize("tokens", [2, 9, 16, 17, 100])
def test_a_uniform_model_needs_log2_of_the_vocabulary_for_every_token(tokens: int) -> None:
    class Uniform(nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            assert 1 <= ids.shape[1] <= 16
            return torch.zeros(*ids.shape, 512)

    got = bits_per_byte(Uniform(), torch.zeros(tokens + 1, dtype=torch.long), num_bytes=3 * tokens, context=16)
    assert got == pytest.approx(math.log2(512) * tokens / (3 * tokens))


def test_the_learning_rate_warms_up_and_ends_at_nothing() -> None:
    assert lr_scale(0, 0.0) == pytest.approx(0.01)
    assert lr_scale(500, 0.2) == 1.0
    assert lr_scale(5000, 1.0) == 0.0


def test_the_folder_is_complete_and_leaves_no_part_behind(trained: Path) -> None:
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training.json"}
    assert {file.name for file in trained.iterdir()} == names
    config = json.loads((trained / "config.json").read_text())
    assert (config["model_type"], config["n_layer"], config["n_head"], config["n_positions"]) == ("gpt2", 2, 4, 64)
    with safe_open(trained / "model.safetensors", "pt") as tensors:
        assert tensors.get_slice("transformer.h.1.mlp.c_fc.weight").get_shape() == [32, 128]
        assert tensors.get_slice("transformer.wte.weight").get_shape() == [config["vocab_size"], 32]
        assert {tensors.get_slice(name).get_dtype() for name in tensors.keys()} == {"F16"}
        assert len(tensors.keys()) == 4 + 2 * 12


def test_the_tokenizer_gives_back_any_text(trained: Path) -> None:
    tokenizer = Tokenizer.from_file(str(trained / "tokenizer.json"))
    text = "Once upon a time,  \n\tžluťoučký 王様 🐉"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.token_to_id(END) == 0


def test_the_summary_counts_what_the_run_did(trained: Path) -> None:
    summary = json.loads((trained / "training.json").read_text())
    assert summary["history"][-1]["held_out_bits_per_byte"] == summary["held_out_bits_per_byte"]
    assert summary["held_out_bits_per_byte"] < summary["history"][0]["held_out_bits_per_byte"] < 8
    assert (summary["train_stories"], summary["held_out_stories"]) == (38, 2)
    assert summary["held_out_bytes"] == len(story(38)) + len(story(39))
    assert str(trained.parent) not in json.dumps(summary)


def test_the_saved_tensors_compute_what_the_trained_module_computed() -> None:
    """The oracle implements GPT-2 by hand from the saved names, so that a transposed or misplaced tensor would show."""
    model = GPT2(50, Namespace(width=16, positions=12, layers=2, heads=4, dropout=0.0))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    model.half().float()
    w = {name.removeprefix("transformer."): tensor.float() for name, tensor in model.tensors().items()}
    ids = torch.randint(50, (2, 12))
    x = w["wte.weight"][ids] + w["wpe.weight"]
    for i in range(2):
        layer = {name.removeprefix(f"h.{i}."): tensor for name, tensor in w.items()}
        x = x + attention(F.layer_norm(x, (16,), layer["ln_1.weight"], layer["ln_1.bias"]), layer)
        h = F.layer_norm(x, (16,), layer["ln_2.weight"], layer["ln_2.bias"])
        h = F.gelu(h @ layer["mlp.c_fc.weight"] + layer["mlp.c_fc.bias"], approximate="tanh")
        x = x + h @ layer["mlp.c_proj.weight"] + layer["mlp.c_proj.bias"]
    logits = F.layer_norm(x, (16,), w["ln_f.weight"], w["ln_f.bias"]) @ w["wte.weight"].T
    torch.testing.assert_close(model(ids), logits, rtol=1e-4, atol=1e-4)


def random_model(layers: int) -> GPT2:
    model = GPT2(50, Namespace(width=16, positions=12, layers=layers, heads=4, dropout=0.0))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.half().float()


def test_saved_tensors_come_back_as_they_were() -> None:
    model, other = random_model(2), random_model(2)
    other.load_tensors(model.tensors())
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("layers", [2, 3, 4, 7])
def test_a_deeper_model_computes_what_the_one_it_grew_from_computes_and_can_learn_everywhere(layers: int) -> None:
    model, deep = random_model(2), random_model(layers)
    deep.load_tensors(deepen(model.tensors(), layers))
    ids = torch.randint(50, (2, 12))
    torch.testing.assert_close(deep(ids), model(ids))
    deep(ids).logsumexp(-1).sum().backward()
    assert all(block.mlp.c_proj.weight.grad.abs().max() > 0 for block in deep.h)


def test_a_model_cannot_be_made_shallower() -> None:
    with pytest.raises(ValueError, match="2 layers, which is more than 1"):
        deepen(random_model(2).tensors(), 1)


def test_a_run_goes_on_with_a_trained_folder_and_keeps_its_tokenizer(trained: Path) -> None:
    out = trained.parent / "deeper"
    command = [
        sys.executable,
        "scripts/train_demo.py",
        "--corpus",
        str(trained.parent / "tales.txt"),
        "--out",
        str(out),
    ]
    command += ["--from", str(trained), "--layers", "3", "--batch-tokens", "128", "--threads", "1", "--minutes", "0.02"]
    command += ["--lr", "1e-4", "--muon-lr", "0"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    assert (out / "tokenizer.json").read_bytes() == (trained / "tokenizer.json").read_bytes()
    before, after = (json.loads((folder / "training.json").read_text()) for folder in (trained, out))
    assert json.loads((out / "config.json").read_text())["n_layer"] == 3
    assert after["held_out_bits_per_byte"] < before["history"][0]["held_out_bits_per_byte"]
    assert str(trained.parent) not in json.dumps(after)


def attention(x: Tensor, layer: dict[str, Tensor]) -> Tensor:
    q, k, v = (x @ layer["attn.c_attn.weight"] + layer["attn.c_attn.bias"]).split(16, -1)
    heads = []
    for q_h, k_h, v_h in zip(q.split(4, -1), k.split(4, -1), v.split(4, -1), strict=True):
        scores = q_h @ k_h.transpose(1, 2) / 2 + torch.full((12, 12), -torch.inf).triu(1)
        heads.append(scores.softmax(-1) @ v_h)
    return torch.cat(heads, -1) @ layer["attn.c_proj.weight"] + layer["attn.c_proj.bias"]


def test_the_shipped_folder_is_small_enough_and_finite() -> None:
    assert sum(file.stat().st_size for file in DEMO.iterdir()) < 12_000_000
    assert all(bool(tensor.isfinite().all()) for tensor in load_file(DEMO / "model.safetensors").values())


def test_the_card_states_the_figures_of_its_own_summary() -> None:
    summary, card = json.loads((DEMO / "training.json").read_text()), (DEMO / "README.md").read_text()
    assert f"{summary['held_out_bits_per_byte']:.3f} bits per byte" in card
    assert f"{summary['tokens_seen'] / 1e6:.1f} million tokens" in card
    assert f"{summary['parameters'] / 1e6:.2f} million parameters" in card
    assert f"{summary['minutes']:.0f} minutes" in card
    assert "/work" not in card
