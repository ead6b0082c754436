"""How often the drafts of one sequence are right, as one number that forgets. Plain Python."""

from dataclasses import dataclass

_EXPECTED_HITS, _EXPECTED_MISSES = 1.0, 1.0  # before anything was drafted, a guess is as likely right as wrong
_MEMORY = 0.9  # of what was seen, this share is remembered a step later: some ten drafts decide
_IDLE_MEMORY = 0.99  # without drafts a bad record fades in about a hundred steps, and drafting is tried again


@dataclass(slots=True)
class Acceptance:
    """Hits and misses of one sequence's drafted tokens, the latest counting most."""

    hits: float = 0.0
    misses: float = 0.0

    @property
    def rate(self) -> float:
        """The chance that the next drafted token is the one that will be chosen, above 0 and below 1."""
        tried = self.hits + self.misses + _EXPECTED_HITS + _EXPECTED_MISSES
        return (self.hits + _EXPECTED_HITS) / tried

    def learn(self, drafted: int, right: int) -> None:
        """The first `right` of `drafted` tokens were right; what stands behind a wrong one says nothing."""
        memory = _MEMORY if drafted else _IDLE_MEMORY
        self.hits = self.hits * memory + right
        self.misses = self.misses * memory + (right < drafted)
