"""Loading needs little more memory than the size of the checkpoint, measured in a process of its own."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.make_random_model import SHAPES, RandomModelSpec, make

ROOT = Path(__file__).resolve().parents[2]
GPT2 = {**SHAPES["124M"], "n_layer": 6, "vocab_size": 30_000}  # the published proportion of embedding to layers
GPTJ = {**SHAPES["gpt-j-6B"], "n_embd": 1024, "n_head": 8, "n_layer": 4, "vocab_size": 10_000}

# Prints the peak of resident memory above what `import torch` took, then computes after the file was truncated.
PROGRAM = """
import os, sys
from pathlib import Path
import torch
from inkwell.engine.checkpoint.checkpoint import load_decoder
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.native.library import open_kernels
from inkwell.engine.checkpoint.precision import resolve_precision
from inkwell.engine.model.batch import Segment
from inkwell.checkpoints.model_config import read_config

def peak_bytes():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

folder = Path(sys.argv[1])
torch.set_num_threads(1)
kernels = open_kernels(threads=1)
precision = resolve_precision(sys.argv[2], None, "cpu", kernels is not None)
config = read_config(folder)
before = peak_bytes()
decoder = load_decoder(folder, config, "cpu", precision, kernels)
print(peak_bytes() - before)
for file in folder.glob("*.safetensors"):
    os.truncate(file, 0)  # a process that still had it mapped would be killed by SIGBUS below
decoder.logits(decoder(torch.arange(4), [Segment(0, 0, 4)], KVCache(config, 1, "cpu", precision.cache)))
print("alive")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "model"
    shutil.rmtree(tmp_path / "model")  # pytest would keep the last three runs' gigabytes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "stored", "loaded", "shards"),
    [
        (GPT2, "float32", "float32", 1),
        (GPT2, "float32", "float32", 4),
        (GPT2, "float32", "bfloat16", 1),
        ({**GPT2, "n_layer": 12, "vocab_size": 50_257}, "float16", "bfloat16", 1),
        (GPTJ, "float32", "bfloat16", 1),
        ({**GPTJ, "n_layer": 9}, "float16", "bfloat16", 3),
    ],
)
def test_a_load_peaks_below_1_2_times_the_file_and_keeps_no_mapping(
    config: dict[str, object], stored: str, loaded: str, shards: int, folder: Path
) -> None:
    make(RandomModelSpec(folder, config, stored, shards=shards))
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    assert size > 230 << 20
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), loaded], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    peak, alive = done.stdout.split()
    assert alive == "alive"
    assert int(peak) <= 1.2 * size, f"{int(peak) / size:.2f} times {size:,} bytes"
