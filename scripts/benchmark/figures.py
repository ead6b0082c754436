"""Computes metrics from records: rates, percentiles, and their spread over repeats. Pure functions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.benchmark.exchange import Record, Request

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """One metric over the repeats."""

    median: float
    low: float
    high: float


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile, linearly interpolated between neighbouring values."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: Sequence[float]) -> Spread:
    return Spread(percentile(values, 50), min(values), max(values))


def spreads(repeats: Sequence[Figures]) -> dict[str, Spread]:
    """Return the spread of every metric over the repeats that have it."""
    names = dict.fromkeys(name for figures in repeats for name in figures)
    return {name: spread([figures[name] for figures in repeats if name in figures]) for name in names}


def invalid_reason(requests: Sequence[Request], records: Sequence[Record]) -> str | None:
    """Return why the records are not a valid measurement: a request failed, or has another number of tokens."""
    for record in records:
        wanted = requests[record.key].new_tokens
        if record.error:
            return f"request {record.key} failed: {record.error}"
        if record.tokens != wanted:
            return f"request {record.key} generated {record.tokens} tokens instead of {wanted}"
    return None


def figures_of(pattern: str, requests: Sequence[Request], records: Sequence[Record]) -> Figures:
    """Return the metrics of one repeat."""
    if pattern == "stall":
        return _stall_figures(records)
    if len(requests) == 1:
        return _single_figures(requests[0], records[0])
    return _crowd_figures(records)


def gaps_ms(records: Sequence[Record], after_s: float = 0.0, before_s: float = math.inf) -> list[float]:
    """Return the times between tokens at the clients, limited to tokens that arrived between the two moments.

    Of tokens that arrive together, the first gets the whole gap, the others count as zero.
    """
    found = []
    for record in records:
        pairs = zip(record.moments_s, record.moments_s[1:], record.counts[1:], strict=False)
        for earlier, later, count in pairs:
            if after_s <= earlier and later <= before_s:
                found += [(later - earlier) * 1000] + [0.0] * (count - 1)
    return found


def _single_figures(request: Request, record: Record) -> Figures:
    first_s = record.moments_s[0] - record.sent_s
    figures = {"ttft_ms": first_s * 1000}
    if request.new_tokens == 1:
        return figures | {"prefill_tokens_per_s": len(request.prompt) / first_s}
    decode_s = record.moments_s[-1] - record.moments_s[0]
    rate = (record.tokens - record.counts[0]) / decode_s if decode_s else 0.0
    # The decode rate is meaningless if a stream was buffered and arrived at once; this rate includes the delay.
    whole = record.tokens / (record.moments_s[-1] - record.sent_s)
    rates = {"decode_tokens_per_s": rate, "request_tokens_per_s": whole}
    return rates | figures | _percentiles("gap", gaps_ms([record]), "ms")


def _crowd_figures(records: Sequence[Record]) -> Figures:
    start_s = min(record.sent_s for record in records)
    end_s = max(record.moments_s[-1] for record in records)
    latencies = [record.moments_s[-1] - record.sent_s for record in records]
    per_token = [latency / record.tokens for latency, record in zip(latencies, records, strict=True)]
    firsts = [(record.moments_s[0] - record.sent_s) * 1000 for record in records]
    return {
        "output_tokens_per_s": sum(record.tokens for record in records) / (end_s - start_s),
        **_percentiles("latency", latencies, "s"),
        **_percentiles("ttft", firsts, "ms"),
        **_percentiles("gap", gaps_ms(records), "ms"),
        "time_per_token_p50_ms": percentile(per_token, 50) * 1000,
        "time_per_token_worst_ms": max(per_token) * 1000,
        "worst_over_median_time_per_token": max(per_token) / percentile(per_token, 50),
        "refused": float(sum(record.refused for record in records)),
    }


def _stall_figures(records: Sequence[Record]) -> Figures:
    """Return the gaps of the streams while all of them are running, without and with intruders."""
    figures: Figures = {}
    for role in ("alone", "shared"):
        streams = [record for record in records if record.role == role]
        after_s = max(record.moments_s[0] for record in streams)
        gaps = gaps_ms(streams, after_s, min(record.moments_s[-1] for record in streams))
        if gaps:
            figures |= _percentiles(f"gap_{role}", gaps, "ms")
    if "gap_alone_p99_ms" in figures and "gap_shared_p99_ms" in figures:
        figures["gap_p99_ratio"] = figures["gap_shared_p99_ms"] / figures["gap_alone_p99_ms"]
    intruders = [record for record in records if record.role == "intruder"]
    firsts = [(record.moments_s[0] - record.sent_s) * 1000 for record in intruders]
    return figures | _percentiles("intruder_ttft", firsts, "ms")


def _percentiles(name: str, values: Sequence[float], unit: str) -> Figures:
    if not values:
        return {}
    found = {f"{name}_p{percent}_{unit}": percentile(values, percent) for percent in (50, 95, 99)}
    return found | {f"{name}_worst_{unit}": max(values)}
