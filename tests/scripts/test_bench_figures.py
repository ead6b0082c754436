"""The benchmark's arithmetic: percentiles, metrics of hand-made records, and rejection of invalid measurements."""

import pytest

from inkwell.checkpoints.model_config import parse_config
from scripts.benchmark.comparison import overheads, ratios
from scripts.benchmark.dialects import reconcile_token_count
from scripts.benchmark.exchange import Record, Request
from scripts.benchmark.figures import figures_of, gaps_ms, invalid_reason, percentile, spread, spreads
from scripts.benchmark.roofline import bandwidth_for, bytes_per_step, limit_tokens_per_s, numbers_per_step
from scripts.make_random_model import SHAPES


def record(key: int = 0, sent_s: float = 0.0, moments_s: tuple[float, ...] = (), role: str = "") -> Record:
    return Record(key, role, sent_s, list(moments_s), [1] * len(moments_s))


def request(prompt_tokens: int, new_tokens: int, role: str = "") -> Request:
    return Request(tuple(range(prompt_tokens)), "", new_tokens, role=role)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([3.0], 99, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 50, 2.5),
        ([1.0, 2.0, 3.0, 4.0, 5.0], 25, 2.0),
        ([0.0, 10.0], 95, 9.5),
        (list(range(101)), 99, 99),
        ([5.0, 1.0], 100, 5.0),
        ([5.0, 1.0], 0, 1.0),
    ],
)
def test_percentiles_lie_on_straight_lines_between_the_sorted_values(
    values: list[float], percent: float, expected: float
) -> None:
    assert percentile(values, percent) == pytest.approx(expected)


def test_a_spread_is_median_and_ends() -> None:
    assert (spread([3.0, 1.0, 7.0]).median, spread([3.0, 1.0, 7.0]).low, spread([3.0, 1.0, 7.0]).high) == (
        3.0,
        1.0,
        7.0,
    )


def test_a_figure_that_one_repeat_lacks_is_spread_over_the_others() -> None:
    assert spreads([{"a": 1.0}, {"a": 3.0, "b": 5.0}])["b"].median == 5.0
    assert spreads([{"a": 1.0}, {"a": 3.0, "b": 5.0}])["a"].median == 2.0


def test_a_stream_is_counted_from_its_first_token_on() -> None:
    figures = figures_of("closed", [request(8, 5)], [record(0, 1.0, (1.5, 1.6, 1.7, 1.8, 1.9))])
    assert figures["decode_tokens_per_s"] == pytest.approx(10)
    assert figures["request_tokens_per_s"] == pytest.approx(5 / 0.9)
    assert figures["ttft_ms"] == pytest.approx(500)
    assert figures["gap_p50_ms"] == pytest.approx(100)


def test_a_stream_that_comes_all_at_once_has_no_rate_but_that_of_the_request() -> None:
    figures = figures_of("closed", [request(8, 5)], [Record(0, "", 1.0, [3.0], [5])])
    assert figures["decode_tokens_per_s"] == 0
    assert figures["request_tokens_per_s"] == pytest.approx(2.5)


def test_a_prompt_alone_is_counted_to_its_first_token() -> None:
    figures = figures_of("closed", [request(896, 1)], [record(0, 2.0, (2.5,))])
    assert figures["prefill_tokens_per_s"] == pytest.approx(1792)


def test_a_crowd_is_counted_from_the_first_request_to_the_last_token() -> None:
    requests = [request(4, 2), request(4, 2)]
    figures = figures_of("closed", requests, [record(0, 0.0, (0.5, 1.0)), record(1, 1.0, (2.0, 4.0))])
    assert figures["output_tokens_per_s"] == pytest.approx(1.0)
    assert figures["latency_p50_s"] == pytest.approx(2.0)
    assert figures["latency_worst_s"] == pytest.approx(3.0)
    assert figures["worst_over_median_time_per_token"] == pytest.approx(1.5)
    assert figures["gap_worst_ms"] == pytest.approx(2000)


def test_tokens_that_come_together_have_no_time_between_them() -> None:
    assert gaps_ms([Record(0, "", 0.0, [1.0, 2.0], [1, 3])]) == pytest.approx([1000.0, 0.0, 0.0])


def test_a_stall_is_seen_only_while_all_streams_run() -> None:
    requests = [request(4, 4, "stream")] * 2 + [request(9, 1, "intruder")]
    quiet = [record(0, 0, (1.0, 1.1, 1.2, 1.3), "alone"), record(1, 0, (0.2, 1.0, 1.1, 1.2), "alone")]
    busy = [record(0, 0, (1.0, 1.1, 1.6, 1.7), "shared"), record(1, 0, (0.1, 1.0, 1.5, 1.6), "shared")]
    figures = figures_of("stall", requests, [*quiet, *busy, record(2, 1.0, (1.4,), "intruder")])
    assert figures["gap_alone_worst_ms"] == pytest.approx(100)  # the wait of 0.8 s for the other stream is left out
    assert figures["gap_shared_worst_ms"] == pytest.approx(500)
    assert figures["gap_p99_ratio"] == pytest.approx(5, rel=0.01)
    assert figures["intruder_ttft_p50_ms"] == pytest.approx(400)


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"error": "broken pipe"}, "broken pipe"), ({"counts": [1, 1]}, "generated 2 tokens instead of 3"), ({}, None)],
)
def test_a_failed_or_short_answer_is_no_measurement(change: dict[str, object], reason: str | None) -> None:
    one = record(0, 0.0, (1.0, 2.0, 3.0))
    for name, value in change.items():
        setattr(one, name, value)
    found = invalid_reason([request(4, 3)], [one])
    assert found is None if reason is None else reason in str(found)


def test_tokens_without_text_of_their_own_arrive_with_the_next_piece() -> None:
    one = record(0, 0.0, (1.0, 2.0))
    reconcile_token_count(one, 4)
    assert one.counts == [1, 3]


@pytest.mark.parametrize(("moments", "tokens"), [((), 3), ((1.0, 2.0), 1)])
def test_pieces_that_cannot_be_the_counted_tokens_are_refused(moments: tuple[float, ...], tokens: int) -> None:
    with pytest.raises(ValueError):
        reconcile_token_count(record(0, 0.0, moments), tokens)


def test_a_step_of_124m_moves_its_matrices_and_its_head_once() -> None:
    config = parse_config(SHAPES["124M"])
    assert numbers_per_step(config) == 12 * 12 * 768**2 + 50257 * 768
    assert bytes_per_step(config, "bfloat16") == 2 * bytes_per_step(config, "int8")
    assert limit_tokens_per_s(config, "bfloat16", {"256": 2.471e10}) == pytest.approx(100, rel=0.001)


def test_the_limit_takes_the_bandwidth_of_the_nearest_size() -> None:
    assert bandwidth_for(300 << 20, {"64": 1.0, "256": 2.0, "1024": 3.0}) == 2.0


def result(target: str, w3: float, latency_s: float) -> dict[str, object]:
    runs = {
        "w3-16": {"figures": {"output_tokens_per_s": {"median": w3}}},
        "poisson": {"figures": {"latency_p50_s": {"median": latency_s}}},
    }
    return {"target": target, "dtype": target.partition(":")[2], "runs": runs}


def test_ratios_are_above_one_where_a_target_is_better() -> None:
    rows = ratios(
        [result("inkwell:int8", 60.0, 2.0), result("generate:float32", 30.0, 8.0)], ["generate:float32", "no"]
    )
    assert rows == [
        {"target": "inkwell:int8", "baseline": "generate:float32", "times_better": {"w3-16": 2.0, "poisson": 4.0}}
    ]


def test_the_service_is_held_against_the_engine_of_the_same_format() -> None:
    results = [
        result("inkwell:int8", 50.0, 1.0),
        result("inkwell:int4", 1.0, 1.0),
        result("inkwell-http:int8", 48.0, 1.0),
    ]
    assert overheads(results) == [{"dtype": "int8", "workload": "w3-16", "http_over_in_process": 0.96}]
