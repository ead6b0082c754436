"""Predicts how long a step takes on this machine, from measured steps; limits the prompt tokens and drafts of a step.

Takes counts and seconds that the caller measured, returns estimates; it has no clock. Estimates decide only how much is
computed in one step and never the result, so they may be rough.
"""

from collections.abc import Sequence

_UNITS = (1.0, 1 / 16, 1 / 64)  # scales of the three features: the step itself, decoding rows, prompt tokens
_PRIOR = (1.0, 0.6, 1.3)  # before the first step: 16 rows add 0.6 of the fixed part, 64 prompt tokens 1.3
_PRIOR_DEVIATION = (0.5, 1.2, 8.0)
_DRIFT = 0.02  # how much a weight may change from one step to the next, relative to itself
_NOISE = 0.15  # deviation of a measured time from the model, relative to the time
_MAX_ERROR = (
    1.0  # relative to the expected time: limits outliers, such as a step during which the machine was suspended
)


class StepCostModel:
    """Seconds = fixed + per decoding row + per prompt token.

    The three weights are tracked by a Kalman filter (Kalman 1960, with drifting weights): it corrects the weights that
    a step carries information about, even if rows and prompts always occur together, and adapts to a shared machine's
    load.
    """

    def __init__(self) -> None:
        self._weights: list[float] = []  # seconds per unit
        self._covariance: list[list[float]] = []

    @property
    def seconds_per_row(self) -> float:
        """Seconds for one more row or drafted token; 0 before the first step."""
        return self._weights[1] * _UNITS[1] if self._weights else 0.0

    def seconds(self, rows: int, prompt_tokens: int = 0) -> float:
        """Expected duration of such a step; 0 before the first step."""
        return _dot(self._weights or [0.0] * 3, _features(rows, prompt_tokens))

    def observe(self, rows: int, prompt_tokens: int, seconds: float) -> None:
        """Learn from a step that took `seconds`; a drafted token counts as one of the decoding `rows`."""
        features = _features(rows, prompt_tokens)
        if not self._weights:
            unit = seconds / _dot(_PRIOR, features)
            self._weights = [prior * unit for prior in _PRIOR]
            self._covariance = [[(_PRIOR_DEVIATION[i] * unit) ** 2 * (i == j) for j in range(3)] for i in range(3)]
            return
        expected = _dot(self._weights, features)
        error = max(-_MAX_ERROR * expected, min(_MAX_ERROR * expected, seconds - expected))
        gain = [_dot(row, features) for row in self._covariance]
        total = _dot(gain, features) + (_NOISE * expected) ** 2
        updated = [weight + part * error / total for weight, part in zip(self._weights, gain, strict=True)]
        halves = [weight / 2 for weight in self._weights]  # so that no weight becomes zero or negative
        self._weights = [max(pair) for pair in zip(updated, halves, strict=True)]
        self._covariance = [[self._covariance[i][j] - gain[i] * gain[j] / total for j in range(3)] for i in range(3)]
        for i, weight in enumerate(self._weights):  # the variance grows again, up to that of the prior
            limit = (_PRIOR_DEVIATION[i] / _PRIOR[i] * weight) ** 2
            grown = min(self._covariance[i][i] + (_DRIFT * weight) ** 2, limit)
            self._covariance[i][i] = max(self._covariance[i][i], grown)

    def prompt_tokens_within(self, rows: int, seconds: float) -> int:
        """How many prompt tokens fit into a step of `seconds` in addition to `rows` rows; 0 before the first step."""
        spare = max(0.0, seconds - self.seconds(rows))
        return int(spare / (self._weights[2] * _UNITS[2])) if self._weights else 0


def _features(rows: int, prompt_tokens: int) -> list[float]:
    return [_UNITS[0], rows * _UNITS[1], prompt_tokens * _UNITS[2]]


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(one * other for one, other in zip(left, right, strict=True))
