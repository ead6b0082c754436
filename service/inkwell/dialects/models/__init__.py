"""`/models`: every model that can be requested, and its state."""

from inkwell.dialects.models.routes import register

__all__ = ["register"]
