"""What a step costs on this machine, learned from the steps that ran: the measure for prompts and drafts in a step.

Takes counts and seconds that somebody else measured, gives estimates; it has no clock. Estimates only decide how
much is computed in one step and never what comes out, so they may be rough.
"""

from collections.abc import Sequence

_UNITS = (1.0, 1 / 16, 1 / 64)  # of the three features: the step itself, a row that decodes, a token of a prompt
_GUESS = (1.0, 0.6, 1.3)  # before the first step: 16 rows add 0.6 of the fixed part, 64 tokens of prompts 1.3
_DOUBT = (0.5, 1.2, 8.0)  # how far off that may be
_DRIFT = 0.02  # so much of a weight may change from one step to the next
_NOISE = 0.15  # so much of a step's time says nothing
_MOST_MENDED = 1.0  # of what was expected: a step during which the machine slept is no lesson


class StepCosts:
    """Seconds = fixed + per row that decodes + per token of a prompt.

    The three weights are tracked by a Kalman filter (Kalman 1960, with weights that drift): it knows which of them a
    step told about, also when rows and prompts never come apart, and follows a machine that others share.
    """

    def __init__(self) -> None:
        self._weights: list[float] = []  # seconds a unit
        self._doubts: list[list[float]] = []  # their covariance

    @property
    def per_row(self) -> float:
        """Seconds for one more row or drafted token; 0 before the first step."""
        return self._weights[1] * _UNITS[1] if self._weights else 0.0

    def seconds(self, rows: int, prompt_tokens: int = 0) -> float:
        """The time that such a step takes; 0 before the first step."""
        return _product(self._weights or [0.0] * 3, _features(rows, prompt_tokens))

    def observe(self, rows: int, prompt_tokens: int, seconds: float) -> None:
        """A step of `rows` decoding rows, drafted tokens counted as rows, and a piece of prompts took `seconds`."""
        features = _features(rows, prompt_tokens)
        if not self._weights:
            unit = seconds / _product(_GUESS, features)
            self._weights = [guess * unit for guess in _GUESS]
            self._doubts = [[(_DOUBT[i] * unit) ** 2 * (i == j) for j in range(3)] for i in range(3)]
            return
        expected = _product(self._weights, features)
        error = max(-_MOST_MENDED * expected, min(_MOST_MENDED * expected, seconds - expected))
        reach = [_product(row, features) for row in self._doubts]
        total = _product(reach, features) + (_NOISE * expected) ** 2
        moved = [weight + part * error / total for weight, part in zip(self._weights, reach, strict=True)]
        halves = [weight / 2 for weight in self._weights]  # so that none becomes free or negative
        self._weights = [max(pair) for pair in zip(moved, halves, strict=True)]
        self._doubts = [[self._doubts[i][j] - reach[i] * reach[j] / total for j in range(3)] for i in range(3)]
        for i, weight in enumerate(self._weights):  # doubt grows again, up to what it was at first
            most = (_DOUBT[i] / _GUESS[i] * weight) ** 2
            self._doubts[i][i] = max(self._doubts[i][i], min(self._doubts[i][i] + (_DRIFT * weight) ** 2, most))

    def prompt_room(self, rows: int, seconds: float) -> int:
        """So many prompt tokens make a step of `rows` rows take `seconds`; 0 before the first step."""
        spare = max(0.0, seconds - self.seconds(rows))
        return int(spare / (self._weights[2] * _UNITS[2])) if self._weights else 0


def _features(rows: int, prompt_tokens: int) -> list[float]:
    return [_UNITS[0], rows * _UNITS[1], prompt_tokens * _UNITS[2]]


def _product(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(one * other for one, other in zip(left, right, strict=True))
