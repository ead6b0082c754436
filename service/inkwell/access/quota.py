"""Quotas per client and minute: requests, and prompt and generated tokens together.

A request is charged its maximum cost before anything is computed. Sliding window counter: the previous minute counts in
proportion to its overlap with the last 60 seconds. Knows no HTTP and no keys, only clients.
"""

import math
import threading

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from inkwell.access.keys import Client
from inkwell.errors import InvalidParameter, RateLimited

MARGIN_S = 0.01  # a retry exactly at the boundary of a window could still be refused


class Quotas:
    """Counters by client. The limits apply to clients without their own; 0 means no limit. Thread-safe."""

    def __init__(self, requests_per_minute: int, tokens_per_minute: int) -> None:
        self._requests_per_minute = requests_per_minute
        self._tokens_per_minute = tokens_per_minute
        self._storage = MemoryStorage()
        self._windows = SlidingWindowCounterRateLimiter(self._storage)
        self._lock = threading.Lock()  # the storage does not count atomically across threads

    def take_request(self, client: Client) -> None:
        """Count one request; raises RateLimited when the client has none left."""
        limit = _own(client.requests_per_minute, self._requests_per_minute)
        if limit:
            self._take(client, "requests", limit, 1)

    def take_tokens(self, client: Client, tokens: int) -> None:
        """Count the prompt tokens and the maximum number of generated tokens.

        Raises RateLimited when too few are left, and InvalidParameter when the limit is below the cost.
        """
        limit = _own(client.tokens_per_minute, self._tokens_per_minute)
        if not limit:
            return
        if tokens > limit:
            raise InvalidParameter(
                f"the request may use {tokens} tokens, prompt and generated together; "
                f"the limit is {limit} a minute, so it could never be admitted"
            )
        self._take(client, "tokens", limit, tokens)

    def _take(self, client: Client, unit: str, limit: int, cost: int) -> None:
        window = RateLimitItemPerMinute(limit, namespace=unit)
        with self._lock:
            if self._windows.hit(window, client.name, cost=cost):
                return
            wait_s = self._wait_s(window, client, cost)
        raise RateLimited(
            f"the limit of {limit} {unit} a minute is reached; try again in {math.ceil(wait_s)} s", retry_after_s=wait_s
        )

    def _wait_s(self, window: RateLimitItem, client: Client, cost: int) -> float:
        """Seconds until `cost` would pass if the client sent nothing else.

        Until the window ends, the weight of the previous window falls to 0; after that, the weight of the current one
        falls.
        """
        span_s = window.get_expiry()
        before, _, present, ttl_s = self._storage.get_sliding_window(window.key_for(client.name), span_s)
        boundary_s = ttl_s - span_s
        room = window.amount - cost + 1  # the sum is rounded down before it is compared
        if before and present < room:
            return max(0.0, boundary_s - (room - present) * span_s / before) + MARGIN_S
        return boundary_s + max(0.0, span_s - room * span_s / max(present, 1)) + MARGIN_S


def _own(limit: int | None, common: int) -> int:
    return common if limit is None else limit
