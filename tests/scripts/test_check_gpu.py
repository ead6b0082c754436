"""The GPU check on a machine without a GPU: it reports that, and distinguishes right texts from wrong ones."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from inkwell.engine.contract import EngineConfig
from inkwell.engine.loading import load_model
from scripts.check_gpu import TOLERANCE, _generate, _is_greedy, main
from scripts.make_random_model import SHAPES, RandomModelSpec, make


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 2
    assert "no usable GPU" in capsys.readouterr().out


@pytest.mark.parametrize("shape", ["tiny", "tiny-gptj"])
def test_it_tells_right_texts_from_wrong_ones(shape: str, tmp_path: Path) -> None:
    make(RandomModelSpec(tmp_path, SHAPES[shape]))
    engine = load_model(tmp_path, EngineConfig(device="cpu", dtype="float32", threads=1, max_rows=4)).engine
    prompts = [[7, 8, 9], [200]]
    texts, seconds = _generate(engine, prompts, 20)
    assert [len(text) for text in texts.values()] == [20, 20] and min(seconds) > 0
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    for key, prompt in enumerate(prompts):
        assert _is_greedy(model, prompt, texts[key], TOLERANCE["float32"])
        wrong = [*texts[key][:-1], texts[key][-1] ^ 1]
        assert not _is_greedy(model, prompt, wrong, TOLERANCE["float32"])
