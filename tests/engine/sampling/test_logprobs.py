"""Log-probabilities of rows of logits: against torch's in double precision, and independent of other rows."""

import pytest
import torch

from inkwell.engine.sampling.logprobs import ROWS_AT_ONCE, token_logprobs


def random_logits(rows: int, vocabulary: int = 1000, spread: float = 4.0) -> torch.Tensor:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(7)) * spread


@pytest.mark.parametrize(("vocabulary", "spread"), [(3, 1.0), (1000, 4.0), (50_257, 4.0), (50_257, 0.0), (300, 200.0)])
def test_they_are_those_of_torch_in_double_precision(vocabulary: int, spread: float):
    logits = random_logits(4, vocabulary, spread)
    expected = logits.double().log_softmax(dim=-1)
    tokens = [0, vocabulary - 1, 1, int(logits[3].argmax())]
    for row, returned in enumerate(token_logprobs(logits, tokens, [0] * 4)):
        assert returned.logprob == pytest.approx(float(expected[row, tokens[row]]), abs=1e-6)
        assert returned.logprob <= 0 and returned.top == ()


def test_the_likeliest_come_in_order_and_as_many_as_were_asked_for():
    logits = random_logits(3)
    expected = logits.double().log_softmax(dim=-1)
    for row, (returned, count) in enumerate(
        zip(token_logprobs(logits, [0, 1, 2], [5, 0, 2000]), [5, 0, 1000], strict=True)
    ):
        order = expected[row].sort(descending=True).indices.tolist()[:count]
        assert [token for token, _ in returned.top] == order
        assert [value for _, value in returned.top] == pytest.approx(expected[row][order].tolist(), abs=1e-6)


def test_of_equal_ones_the_lowest_ids_are_told():
    logits = torch.zeros(1, 600)
    logits[0, 400] = 1.0
    logits[0, 3] = -1.0
    assert [token for token, _ in token_logprobs(logits, [9], [5])[0].top] == [400, 0, 1, 2, 4]


def test_a_token_is_told_alike_by_itself_and_among_the_likeliest():
    logits = random_logits(1)
    token = int(logits.argmax())
    (returned,) = token_logprobs(logits, [token], [1])
    assert returned.top == ((token, returned.logprob),)


def test_a_row_is_told_the_same_alone_and_among_others():
    rows = 2 * ROWS_AT_ONCE + 3
    logits = random_logits(rows, 5003)
    tokens, counts = [row * 17 for row in range(rows)], [row % 7 for row in range(rows)]
    together = token_logprobs(logits, tokens, counts)
    for row in range(rows):
        assert token_logprobs(logits[row : row + 1], [tokens[row]], [counts[row]]) == [together[row]]


def test_what_is_far_away_is_told_in_finite_numbers():
    logits = torch.tensor([[3e38, -3e38, 0.0]])
    assert token_logprobs(logits, [1], [3])[0].logprob == pytest.approx(-6e38)
