"""Which choices of a step count as results."""

import pytest

from inkwell.engine.sampling.step_output import accepted_tokens


@pytest.mark.parametrize(
    ("drafts", "chosen", "counted"),
    [((), (4,), [4]), ((4, 5), (4, 5, 6), [4, 5, 6]), ((4, 5), (4, 7, 6), [4, 7]), ((4, 5), (3, 5, 6), [3])],
)
def test_drafts_count_up_to_the_first_that_is_wrong(drafts, chosen, counted):
    assert accepted_tokens(drafts, chosen) == counted
