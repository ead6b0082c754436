"""Benchmark the sampler's time per step: `python -m scripts.bench_sampler --threads 2`.

Uses random logits of the size of GPT-2's vocabulary, and a text of 200 + 100 tokens for the penalties. Prints the
minimum and the median in milliseconds for each set of parameters; with one thread it measures CPU time, which other
programs disturb less than wall time.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from inkwell.engine.contract import Job
from inkwell.engine.sampling.sampler import choose, finite_rows
from inkwell.engine.sampling.sampling_input import SamplingInput
from inkwell.parameters.sampling import Sampling

CASES: dict[str, dict[str, float | int]] = {
    "greedy": {"temperature": 0.0},
    "temperature": {"temperature": 0.8},
    "top_k 40": {"top_k": 40},
    "top_k 40, top_p 0.9": {"top_k": 40, "top_p": 0.9},
    "top_k 40, top_p 0.9, penalties": {
        "top_k": 40,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.1,
    },
    "min_p 0.05": {"min_p": 0.05},
    "top_p 0.5": {"top_p": 0.5},
    "top_p 0.95, thousands of tokens": {"top_p": 0.95, "temperature": 1.5},
    "typical_p 0.9": {"typical_p": 0.9},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--vocabulary", type=int, default=50_257)
    parser.add_argument("--repeats", type=int, default=50)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(options.rows, options.vocabulary, generator=generator) * 4
    text = torch.randint(options.vocabulary, (300,), generator=generator).tolist()
    print(f"{options.rows} rows x {options.vocabulary}, {options.threads} threads: minimum and median ms")
    for name, parameters in CASES.items():
        sampling = Sampling(**parameters)  # type: ignore[arg-type]  # of several types
        jobs = [Job(0, tuple(text[:200]), 128, sampling, seed) for seed in range(options.rows)]
        inputs = [SamplingInput(job, text[200:]) for job in jobs]
        _print(name, _times(partial(choose, logits, inputs), clock, options.repeats))
    _print("finite_rows", _times(lambda: finite_rows(logits), clock, options.repeats))


def _times(run: Callable[[], object], clock: Callable[[], float], repeats: int) -> list[float]:
    """Return the milliseconds of each repeat, after three warm-up runs."""
    times = []
    for number in range(repeats + 3):
        began = clock()
        run()
        if number >= 3:
            times.append((clock() - began) * 1e3)
    return times


def _print(name: str, times: list[float]) -> None:
    print(f"{name:32s} {min(times):8.2f} {statistics.median(times):8.2f}", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
