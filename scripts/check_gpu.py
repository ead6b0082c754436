"""Verify and measure the engine on a GPU, which the tests cannot: `check_gpu.py`, `check_gpu.py --shape gpt-j-6B`.

Uses a checkpoint with random weights (or --model FOLDER). Compares greedy texts of the engine, alone and in a batch,
with those of `transformers` on the same device, and compares step times for one and for many rows with the limit set by
GPU memory bandwidth. Needs neither a network nor the web tier. Exit status: 0 if the texts agree, 1 if they do not, 2
without a GPU or if packages of requirements-oracle.txt are missing. Times do not affect it.
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Run as a script, Python only searches the folder of that script.
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]

from scripts.requirements import require  # noqa: E402

require("requirements-oracle.txt")

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, PreTrainedModel  # noqa: E402

from inkwell.checkpoints.model_config import read_config  # noqa: E402
from inkwell.engine.contract import EngineConfig, Job, TokenEvent  # noqa: E402
from inkwell.engine.engine import Engine  # noqa: E402
from inkwell.engine.loading import load_model  # noqa: E402
from inkwell.parameters.sampling import GREEDY  # noqa: E402
from scripts.benchmark.roofline import bytes_per_step  # noqa: E402
from scripts.make_random_model import SHAPES, RandomModelSpec, make  # noqa: E402

NEW_TOKENS = 64
TIMED_TOKENS = 256
BATCH = 16
CACHE_BYTES = 8 << 30
# Relative to the largest logit: tokens whose logits differ by less may be reordered by rounding.
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2, "float16": 3e-3}


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status described above."""
    parser = argparse.ArgumentParser(description="Check texts and times of the engine on a GPU.")
    parser.add_argument("--shape", choices=SHAPES, default="124M", help="shape of the random model (124M)")
    parser.add_argument("--model", type=Path, metavar="DIR", help="checkpoint to use instead of a random one")
    parser.add_argument("--dtype", nargs="+", choices=TOLERANCE, default=["float32", "bfloat16", "float16"])
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("This machine has no usable GPU; nothing was checked.")
        return 2
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {_bandwidth() / 1e12:.2f} TB/s")
    with tempfile.TemporaryDirectory() as made:
        folder = options.model or Path(made)
        if not options.model:
            make(RandomModelSpec(folder, SHAPES[options.shape], "float16"))
        return int(not all([_check(folder, dtype) for dtype in options.dtype]))


def _check(folder: Path, dtype: str) -> bool:
    """Print the measurements of one number format; return whether all texts are right."""
    config = read_config(folder)
    draw = torch.Generator().manual_seed(0)
    lengths = [5 + 13 * number for number in range(BATCH)]
    prompts = [torch.randint(config.vocab_size, (length,), generator=draw).tolist() for length in lengths]
    loaded = load_model(folder, EngineConfig(device="cuda", dtype=dtype, max_rows=64, cache_bytes=CACHE_BYTES))
    print(f"\n{dtype}: {loaded.path}; {loaded.gpu_bytes / 2**30:.1f} GiB")
    limit_s = bytes_per_step(config, dtype) / _bandwidth()
    for rows in sorted({1, min(BATCH, loaded.rows), loaded.rows}):
        _, seconds = _generate(loaded.engine, [prompts[0]] * rows, TIMED_TOKENS)
        step_s = statistics.median(seconds[len(seconds) // 2 :])  # by then every CUDA graph has been recorded
        print(f"  {rows} rows: {1000 * step_s:.3f} ms per step, {limit_s / step_s:.0%} of the memory bandwidth limit")
    alone = [_generate(loaded.engine, [prompt], NEW_TOKENS)[0][0] for prompt in prompts]
    batched = _generate(loaded.engine, prompts, NEW_TOKENS)[0]
    del loaded
    gc.collect()
    torch.cuda.empty_cache()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), device_map="cuda").eval()
    tolerance = TOLERANCE[dtype]
    right = [_is_greedy(model, prompt, text, tolerance) for prompt, text in zip(prompts, alone, strict=True)]
    right += [_is_greedy(model, prompt, batched[key], tolerance) for key, prompt in enumerate(prompts)]
    same = sum(text == batched[key] for key, text in enumerate(alone))
    print(f"  as transformers: {sum(right)} of {len(right)} greedy texts; alone as in the batch: {same} of {BATCH}")
    return all(right)


def _generate(engine: Engine, prompts: list[list[int]], count: int) -> tuple[dict[int, list[int]], list[float]]:
    """Compute all prompts in one batch; return the greedy texts by prompt number, and the seconds of each step."""
    for key, prompt in enumerate(prompts):
        engine.submit(Job(key, tuple(prompt), count, GREEDY, cache_salt=str(key)))
    texts: dict[int, list[int]] = {key: [] for key in range(len(prompts))}
    seconds = []
    while engine.has_work:
        began = time.perf_counter()
        events = engine.step()
        seconds.append(time.perf_counter() - began)
        for event in events:
            assert isinstance(event, TokenEvent) and event.token is not None, event
            texts[event.key].append(event.token)
    return texts, seconds


@torch.inference_mode()
def _is_greedy(model: PreTrainedModel, prompt: list[int], text: list[int], tolerance: float) -> bool:
    """Whether each token has the largest logit given those before it, within `tolerance`."""
    logits = model(torch.tensor([prompt + text], device=model.device)).logits[0, len(prompt) - 1 : -1].float()
    chosen = logits.gather(1, torch.tensor(text, device=model.device).unsqueeze(1)).squeeze(1)  # [len(text)]
    return bool((logits.amax(dim=1) - chosen <= tolerance * logits.abs().amax(dim=1)).all())


def _bandwidth() -> float:
    """Measure the GPU's memory bandwidth in bytes per second by copying a block much larger than its caches."""
    block = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    copy = block.clone()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(20):
        copy.copy_(block)
    torch.cuda.synchronize()
    return 20 * 2 * block.nbytes / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
