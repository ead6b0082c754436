"""`DELETE /v1/requests/{id}`: cancels a running request."""

from inkwell.dialects.cancel.routes import register

__all__ = ["register"]
