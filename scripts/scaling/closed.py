"""The benchmark's closed loop against one simulated pod: each client sends its next request when the last one ended."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scripts.benchmark.figures import percentile
from scripts.benchmark.workloads import FULL, Size, crowd_sizes
from scripts.scaling.curve import Check, Curve
from scripts.scaling.replica import Limits, Replica, Ticket
from scripts.scaling.trace import Lengths

LOADED_REQUESTS = 512  # enough for a rate that one long text more or less does not change


@dataclass(frozen=True, slots=True)
class Comparison:
    """W3 as it was measured beside the curve, and as the curve explains it."""

    measured: Check
    simulated: Check

    @property
    def speed(self) -> float:
        """Simulated over measured tokens a second."""
        return self.simulated.output_tokens_per_s / self.measured.output_tokens_per_s


def run_closed(curve: Curve, sizes: Sequence[Size], clients: int, limits: Limits) -> list[Ticket]:
    """All requests to their ends; tickets in the order in which they were sent."""
    replica, waiting, sent, now_s = Replica(curve, limits), deque(sizes), [], 0.0
    ended = 0
    while ended < len(sizes):
        while waiting and len(sent) - ended < clients:
            size = waiting.popleft()
            sent.append(Ticket(now_s, size.prompt_tokens, size.new_tokens))
            if not replica.take(sent[-1], now_s):
                raise ValueError(f"{clients} clients are more than the {limits.requests} requests that a pod admits")
        now_s = replica.ends_s or now_s
        ended += len(replica.advance())
    return sent


def simulated_check(curve: Curve, sizes: Sequence[Size], clients: int, limits: Limits) -> Check:
    """The figures that `measure` notes of the real engine."""
    tickets = run_closed(curve, sizes, clients, limits)
    ends_s = [ticket.ended_s or 0.0 for ticket in tickets]
    latencies_s = [end_s - ticket.arrived_s for end_s, ticket in zip(ends_s, tickets, strict=True)]
    tokens = sum(ticket.new_tokens for ticket in tickets)
    return Check(clients, tokens / max(ends_s), percentile(latencies_s, 50), percentile(latencies_s, 95), len(sizes))


def compared(curve: Curve) -> Comparison:
    """Raises ValueError for a curve that was measured without W3."""
    if curve.check is None:
        raise ValueError(f"{curve.name} was measured without W3: there is nothing to hold the model against")
    sizes = crowd_sizes(replace(FULL, crowd=curve.check.requests))
    return Comparison(curve.check, simulated_check(curve, sizes, curve.check.clients, Limits()))


def capacity_per_min(curve: Curve, lengths: Lengths, limits: Limits) -> float:
    """Requests a minute of one pod that always has enough of them."""
    sizes = [  # evenly spread, and no prompt's length tells its text's
        Size(_place(lengths.prompts, index * 0.618 % 1), _place(lengths.outputs, index * 0.414 % 1))
        for index in range(LOADED_REQUESTS)
    ]
    check = simulated_check(curve, sizes, min(limits.requests, 2 * limits.rows), limits)
    return 60 * check.output_tokens_per_s / lengths.mean_output


def _place(bounds: tuple[int, int], share: float) -> int:
    return bounds[0] + round((bounds[1] - bounds[0]) * share)
