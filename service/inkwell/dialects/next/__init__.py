"""`/v1/next`: the distribution of the next token, stage by stage of the sampler."""

from inkwell.dialects.next.routes import register

__all__ = ["register"]
