"""The load generator: sends requests to a backend in one of three patterns and collects the records.

Knows neither targets nor metrics.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from scripts.benchmark.exchange import Backend, Record, Request

OnDone = Callable[[Record], None]


def send(backend: Backend, pattern: str, requests: Sequence[Request], clients: int, on_done: OnDone) -> list[Record]:
    """Run all requests in the pattern; return the records in order of completion."""
    if pattern == "closed":
        return closed_loop(backend, requests, clients, on_done)
    if pattern == "timetable":
        return timetable(backend, requests, on_done)
    return stall(backend, requests, on_done)


def closed_loop(backend: Backend, requests: Sequence[Request], clients: int, on_done: OnDone) -> list[Record]:
    """Each client sends its next request as soon as its previous one is complete."""
    waiting = deque(enumerate(requests))
    records: list[Record] = []
    while len(records) < len(requests):
        while waiting and len(requests) - len(waiting) - len(records) < clients:
            key, request = waiting.popleft()
            backend.submit(key, request, time.monotonic())
        _collect(backend.poll(None), records, on_done)
    return records


def timetable(backend: Backend, requests: Sequence[Request], on_done: OnDone) -> list[Record]:
    """Each request is sent when it is due; its time counts from then, even if the target delayed the sending."""
    waiting = deque(sorted(enumerate(requests), key=lambda item: item[1].at_s))
    records: list[Record] = []
    start_s = time.monotonic()
    while len(records) < len(requests):
        while waiting and start_s + waiting[0][1].at_s <= time.monotonic():
            key, request = waiting.popleft()
            backend.submit(key, request, start_s + request.at_s)
        left_s = start_s + waiting[0][1].at_s - time.monotonic() if waiting else None
        _collect(backend.poll(None if left_s is None else max(0.0, left_s)), records, on_done)
    return records


def stall(backend: Backend, requests: Sequence[Request], on_done: OnDone) -> list[Record]:
    """Run the streams alone, then again while the intruders arrive at even intervals over the same time."""
    streams = [request for request in requests if request.role == "stream"]
    intruders = [request for request in requests if request.role == "intruder"]
    start_s = time.monotonic()
    alone = closed_loop(backend, [replace(stream, role="alone") for stream in streams], len(streams), on_done)
    step_s = (time.monotonic() - start_s) / (len(intruders) + 2)
    timed = [replace(intruder, at_s=step_s * (number + 1)) for number, intruder in enumerate(intruders)]
    return alone + timetable(backend, [replace(stream, role="shared") for stream in streams] + timed, on_done)


def _collect(finished: list[Record], records: list[Record], on_done: OnDone) -> None:
    for record in finished:
        records.append(record)
        on_done(record)
