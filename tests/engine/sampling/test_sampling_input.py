"""The stream of random numbers: uniform, different for every purpose, and stable across releases."""

import math

from inkwell.engine.sampling.sampling_input import uniform


def test_another_seed_sample_or_place_gives_another_number():
    numbers = {uniform(seed, sample, draw) for seed in range(10) for sample in range(10) for draw in range(10)}
    assert len(numbers) == 1000


def test_the_stream_of_numbers_is_uniform():
    numbers = [uniform(11, 0, draw) for draw in range(10_000)]
    assert all(0 <= number < 1 for number in numbers)
    assert abs(sum(numbers) / len(numbers) - 0.5) < 5 * math.sqrt(1 / 12 / len(numbers))


def test_the_first_numbers_of_a_seed_never_change():
    # Seeds are valid across restarts and releases; changing the stream breaks every stored seed.
    assert [uniform(7, 0, draw) for draw in range(3)] == [0.3446969192561492, 0.15257522553019165, 0.9474764098837682]
