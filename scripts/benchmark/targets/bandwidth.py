"""Measures memory read bandwidth by block size, and prints it as a line of JSON.

`python -m scripts.benchmark.targets.bandwidth THREADS MIB...`; each block is summed repeatedly as 64-bit integers with
torch, for at least 0.6 seconds. The best pass counts, because it is used as an upper limit.
"""

import json
import sys
import time

import torch

MEASURED_S = 0.6
MIN_PASSES = 4


def read_bytes_per_s(size_mib: int) -> float:
    """Return the bytes per second of the best pass over a block of that size."""
    block = torch.ones(size_mib << 17, dtype=torch.int64)
    best_s, passes, begun_s = float("inf"), 0, time.perf_counter()
    while passes < MIN_PASSES or time.perf_counter() - begun_s < MEASURED_S:
        pass_s = time.perf_counter()
        block.sum()
        best_s = min(best_s, time.perf_counter() - pass_s)
        passes += 1
    return block.nbytes / best_s


def main(arguments: list[str]) -> None:
    threads, *sizes = (int(argument) for argument in arguments)
    if threads:
        torch.set_num_threads(threads)
    found = {str(size): read_bytes_per_s(size) for size in sizes}
    print(json.dumps({"threads": torch.get_num_threads(), "bytes_per_s": found}))


if __name__ == "__main__":
    main(sys.argv[1:])
