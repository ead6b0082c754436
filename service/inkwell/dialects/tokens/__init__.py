"""`/tokenize` and `/detokenize`."""

from inkwell.dialects.tokens.routes import register

__all__ = ["register"]
