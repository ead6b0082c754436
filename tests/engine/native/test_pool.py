"""The kernels' threads: many short products in a row, with more threads than cores, and several pools at once."""

import gc
import threading

import torch

from inkwell.engine.native.library import Kernels, open_kernels


def compute(kernels: Kernels, rounds: int) -> torch.Tensor:
    rows, weight = torch.ones(1, 64), torch.eye(1000, 64)
    total = torch.zeros(1, 1000)
    for _ in range(rounds):
        kernels.linear(rows, weight, None, None, total, gelu=False)
    return total[0, :64]


def opened(threads: int) -> Kernels:
    kernels = open_kernels(threads)
    assert kernels is not None
    return kernels


def test_no_task_is_lost_or_done_twice() -> None:
    assert torch.equal(compute(opened(8), 3000), torch.full((64,), 3000.0))


def test_crews_do_not_share_their_work() -> None:
    sums: list[torch.Tensor] = []
    crews = [threading.Thread(target=lambda: sums.append(compute(opened(3), 1000))) for _ in range(4)]
    for crew in crews:
        crew.start()
    for crew in crews:
        crew.join()
    assert len(sums) == 4 and all(torch.equal(total, torch.full((64,), 1000.0)) for total in sums)


def test_a_crew_ends_with_its_kernels() -> None:
    gc.collect()  # pools of earlier tests
    before = threads_of_this_process()
    kernels = opened(5)
    assert threads_of_this_process() == before + 4
    del kernels
    assert threads_of_this_process() == before


def threads_of_this_process() -> int:
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("Threads:")).split()[1])
