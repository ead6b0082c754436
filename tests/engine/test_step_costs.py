"""Estimates of a step's time: learned from steps, usable from the first one, robust against a disturbed one."""

import pytest

from inkwell.engine.step_costs import StepCostModel


def learned(fixed: float, per_row: float, per_token: float) -> StepCostModel:
    costs = StepCostModel()
    for turn in range(3000):
        rows, prompt = turn % 17, (turn * 7) % 256 if turn % 3 == 0 else 0
        costs.observe(rows, prompt, fixed + per_row * rows + per_token * prompt)
    return costs


def test_nothing_is_claimed_before_the_first_step():
    costs = StepCostModel()
    assert (costs.seconds_per_row, costs.seconds(4, 100), costs.prompt_tokens_within(4, 1.0)) == (0, 0, 0)


@pytest.mark.parametrize("true", [(10e-3, 0.7e-3, 0.2e-3), (60e-3, 1e-3, 5e-3), (1.0, 0.05, 0.01)])
def test_a_machine_is_learned_from_its_steps(true):
    costs = learned(*true)
    assert costs.seconds(8, 64) == pytest.approx(true[0] + 8 * true[1] + 64 * true[2], rel=0.05)
    assert costs.seconds_per_row == pytest.approx(true[1], rel=0.2)
    assert costs.prompt_tokens_within(8, 2 * costs.seconds(8)) == pytest.approx(
        (true[0] + 8 * true[1]) / true[2], rel=0.2
    )


def test_one_step_is_enough_for_an_estimate_of_the_same_step():
    costs = StepCostModel()
    costs.observe(1, 0, 0.02)
    assert costs.seconds(1) == pytest.approx(0.02)
    assert costs.seconds_per_row > 0 and costs.prompt_tokens_within(1, 0.04) > 0


def test_the_first_request_teaches_what_prompts_cost_where_they_are_ten_times_slower_than_guessed():
    costs = StepCostModel()
    costs.observe(0, 1, 0.5)  # the warm-up of a load, in which every call is the first of its kind
    costs.observe(1, 0, 0.3)
    costs.observe(0, 200, 0.02 + 0.004 * 200)
    for _ in range(10):
        costs.observe(1, 0, 0.02)
    assert 2 <= costs.prompt_tokens_within(1, 1.75 * costs.seconds(1)) <= 5


def test_rows_and_prompts_that_never_come_apart_are_told_apart_by_their_numbers():
    costs = StepCostModel()
    for turn in range(300):
        rows, prompt = 1 + turn % 15, 20 + (turn * 7) % 50
        costs.observe(rows, prompt, 0.01 + 0.0009 * rows + 0.0002 * prompt)
    assert costs.prompt_tokens_within(8, 1.75 * costs.seconds(8)) == pytest.approx(
        0.75 * (0.01 + 8 * 0.0009) / 0.0002, rel=0.2
    )


def test_there_is_no_room_in_a_step_that_takes_longer_without_prompts():
    assert learned(10e-3, 0.7e-3, 0.2e-3).prompt_tokens_within(16, 5e-3) == 0


def test_a_step_during_which_the_machine_slept_changes_little():
    costs = learned(10e-3, 0.7e-3, 0.2e-3)
    before = costs.seconds(4)
    costs.observe(4, 0, 30.0)
    assert costs.seconds(4) < 1.2 * before


def test_no_estimate_becomes_free_or_negative_whatever_is_measured():
    costs = StepCostModel()
    for turn in range(500):
        costs.observe(turn % 16, (turn * 31) % 256 if turn % 2 else 0, 1.0 if turn % 3 else 1e-6)
    assert costs.seconds_per_row > 0 and costs.seconds(0) > 0
    assert 0 < costs.seconds(0, 1) - costs.seconds(0)
