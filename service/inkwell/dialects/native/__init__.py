"""`/text-generate`, the service's own endpoint."""

from inkwell.dialects.native.routes import register

__all__ = ["register"]
