"""`/v1/score`: log-probabilities of given texts."""

from inkwell.dialects.score.routes import register

__all__ = ["register"]
